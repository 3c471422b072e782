"""Giving up: only on what cannot be ended, only when told, never quietly."""

from __future__ import annotations

import pytest
from support.fakecloud import FakeCloud, offer

from arb.clusters.down import down
from arb.clusters.forgetting import forget, forgettable, look
from arb.clusters.reaping import end, find
from arb.clusters.status import missing_providers, views
from arb.clusters.why import lives_of
from arb.errors import CredentialsError, ProviderUnavailable, UsageError
from arb.provision.resume import has_unfinished
from arb.provision.verdicts import Kind
from arb.state.attempts import open_attempts
from arb.state.clusters import list_clusters
from arb.state.costs import read_costs
from arb.types import Termination


def uninstall(site):
    """Take the plugin away; the machines run on."""
    site.clouds[:] = [FakeCloud(site.clock, name="other", shop=[offer("o", provider="other")])]
    site.new_process()


def reinstall(site):
    site.clouds.append(site.cloud)
    site.new_process()


def tried(site, name="train"):
    """End a cluster as far as that goes, and say what is hopeless of it."""
    records = forgettable(site.session, [name])
    down(site.session, [record.name for record in records if record.status.value != "gone"])
    (hopeless,) = look(site.session, records)
    return hopeless


def test_what_cannot_be_ended_for_want_of_its_plugin_says_what_to_install(site):
    site.launch()
    uninstall(site)

    (ended,) = down(site.session, ["train"])

    assert "pip install arb-fake" in ended.error.hint
    (view,) = views(site.session.store)
    assert "pip install arb-fake" in view.machines[0].terminate_detail
    assert missing_providers(site.session, view.machines) == {"fake": "arb-fake"}


def test_what_is_given_up_is_let_go_and_not_counted_on(site):
    site.launch(num_nodes=2)
    site.clock.advance(3600)
    uninstall(site)

    hopeless = tried(site)
    assert [machine.instance_id for machine, _ in hopeless.machines] == ["i-1", "i-2"]
    assert all("pip install arb-fake" in why for _, why in hopeless.machines)
    forget(site.session, hopeless)
    site.clock.advance(36000)

    assert list_clusters(site.session.store) == []
    assert not has_unfinished(site.session.store)
    rows = read_costs(site.session.store)
    assert sum(row.usd for row in rows) == pytest.approx(2.0, rel=0.05)
    assert {row.note for row in rows} == {"given up: what it cost since then is not counted"}
    (life,) = lives_of(site.session.store, "train")
    told = "\n".join(line for moment in life.moments for line in moment.lines)
    assert "fake/i-1 was given up and may still be billed: " in told
    assert site.session.vault.names("host/") == []


def test_a_machine_that_was_given_up_is_ended_once_its_plugin_is_back(site):
    site.launch()
    site.clock.advance(3600)
    uninstall(site)
    forget(site.session, tried(site))
    site.clock.advance(3600)
    reinstall(site)

    found = find(site.session, ["fake"])
    assert [s.kind for each in found for s in each.sightings] == [Kind.BACK]
    assert end(site.session, found) == []

    assert site.cloud.alive() == []
    (row,) = read_costs(site.session.store)
    assert row.note == ""
    assert row.usd == pytest.approx(2.0, rel=0.05), "all of it was paid for"


def test_what_still_ends_by_itself_is_not_given_up(site):
    later = Termination(gone=False, retry_after_s=1200, detail="20 min left")
    site.cloud.on_terminate[""] = [lambda _: later]
    site.launch()

    hopeless = tried(site)

    assert hopeless.machines == ()
    with pytest.raises(UsageError, match="still being ended") as caught:
        forget(site.session, hopeless)
    assert "20 min left" in caught.value.summary
    assert len(list_clusters(site.session.store)) == 1


def test_an_end_that_is_never_confirmed_may_be_given_up_after_an_hour(site):
    never = Termination(gone=False, retry_after_s=60, detail="terminating")
    site.cloud.on_terminate[""] = [lambda _: never]
    site.launch()
    assert tried(site).machines == ()
    site.clock.advance(3601)

    hopeless = tried(site)

    assert "has not confirmed its end for an hour" in hopeless.machines[0][1]
    forget(site.session, hopeless)
    assert list_clusters(site.session.store) == []


def test_an_account_that_is_gone_for_good_is_a_reason(site):
    def refused(_):
        raise CredentialsError("account closed", code="key")

    site.cloud.on_terminate[""] = [refused]
    site.launch()
    forget(site.session, tried(site))
    assert list_clusters(site.session.store) == []


def test_a_lost_purchase_at_a_provider_without_plugin_can_be_given_up(site):
    """Its cluster is gone; what keeps every command looking is the purchase."""

    def lost(request):
        raise ProviderUnavailable("502", code="http")

    site.cloud.on_provision = [lost, site.cloud.sell]
    site.launch()
    down(site.session, ["train"])
    assert [attempt.state.value for attempt in open_attempts(site.session.store)] == ["unknown"]
    uninstall(site)
    site.clock.advance(36000)
    assert has_unfinished(site.session.store)

    hopeless = tried(site)
    assert len(hopeless.attempts) == 1
    forget(site.session, hopeless)

    assert not has_unfinished(site.session.store)


def test_what_ended_well_has_nothing_to_give_up(site):
    site.launch()
    hopeless = tried(site)
    assert (hopeless.machines, hopeless.attempts, hopeless.waiting) == ((), (), ())
    with pytest.raises(UsageError, match="unknown cluster"):
        forgettable(site.session, ["train"])
