"""Reaping along with launches: quiet, bounded, once a minute, and never of what it is not sure."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from support.fakecloud import FakeCloud, offer

from arb.clusters import reaping
from arb.clusters.reaping import end, ended, find, reap_along
from arb.errors import CredentialsError, ProviderUnavailable, UsageError
from arb.provision.verdicts import Kind
from arb.state.clusters import ClusterStatus, get_by_id, list_clusters
from arb.state.leases import Leases
from arb.types import Termination


def orphan(site, id_="i-9"):
    """Put a second machine of a purchase into the cloud, made long ago."""
    values = {"id": id_, "made_at": site.clock.now() - 700}
    site.cloud.machines[id_] = replace(site.cloud.machines["i-1"], **values)


def stray(site, **changes):
    token = site.cloud.machines["i-1"].token
    changed = token[:13] + "zzzzzzzz" + token[21:]
    site.cloud.machines["i-8"] = replace(
        site.cloud.machines["i-1"], id="i-8", token=changed, **changes
    )


def listings(site):
    """Return the listings that were asked for by owner: the reaper's."""
    return [query for query in site.cloud.called("list_instances") if query.owner]


def test_a_launch_ends_what_nobody_asked_for_and_says_so(site):
    site.launch("one")
    site.clock.advance(3600)
    orphan(site)

    site.launch("two")

    assert site.cloud.alive() == ["i-1", "i-3"]
    assert "fake/i-9 was billed and nobody asked for it: ending it" in site.told.warnings


def test_a_launch_says_nothing_when_there_is_nothing(site):
    site.launch("one")
    site.clock.advance(3600)
    site.launch("two")
    assert site.told.warnings == []


def test_what_may_be_another_copys_is_told_and_left(site):
    site.launch("one")
    site.clock.advance(3600)
    stray(site)

    site.launch("two")

    assert "i-8" in site.cloud.alive()
    assert site.told.warnings == [
        "1 machine of this owner not known here (fake/i-8): arb reap shows and ends them"
    ]
    found = find(site.session)
    end(site.session, found)
    assert "i-8" not in site.cloud.alive()


def test_a_provider_is_listed_once_a_minute_by_all_processes(site):
    for name in ("one", "two"):
        site.launch(name)
    site.new_process()
    site.launch("three")
    assert len(listings(site)) == 1
    site.clock.advance(60)
    site.launch("four")
    assert len(listings(site)) == 2


def test_a_provider_that_failed_is_listed_by_the_next_launch(site):
    def failing(listing):
        raise ProviderUnavailable("503", code="http")

    site.cloud.on_list = [failing, lambda listing: listing]
    site.launch("one")
    site.launch("two")
    assert len(listings(site)) == 2
    assert site.told.warnings == []


def test_only_one_process_lists_at_a_time(site):
    with Leases(site.session.store).held("reaper"):
        site.launch("one")
    assert listings(site) == []


def test_a_slow_listing_does_not_hold_up_a_launch(site, monkeypatch):
    monkeypatch.setattr(reaping, "_PATIENCE_S", 0.05)
    go = threading.Event()

    def slow(listing):
        if not site.cloud.called("provision"):  # it is the reaper's
            assert go.wait(20)
        return listing

    site.cloud.on_list = [slow]
    launched = site.launch("one")
    go.set()
    settle()

    assert launched.bought
    assert site.cloud.alive() == ["i-1"]
    assert site.told.warnings == []


def test_a_launch_on_a_cluster_that_is_up_reaps_too_and_does_not_wait(site):
    site.launch("one")
    site.clock.advance(3600)
    orphan(site)

    site.launch("one")
    settle()

    assert site.cloud.alive() == ["i-1"]


def settle():
    """Wait for reapers that a launch did not wait for."""
    for thread in threading.enumerate():
        if thread.name == "reaper":
            thread.join(20)


def test_providers_that_were_bought_from_are_listed_whatever_the_launch_buys(site):
    other = FakeCloud(site.clock, name="other", shop=[offer("o", provider="other")])
    site.clouds.append(other)
    site.launch("one", resources={"cloud": "other"})
    site.clock.advance(3600)
    values = {"id": "i-9", "made_at": site.clock.now() - 700}
    other.machines["i-9"] = replace(other.machines["i-1"], **values)

    site.launch("two", resources={"cloud": "fake"})

    assert other.alive() == ["i-1"]


def test_a_provider_that_is_not_installed_any_more_is_left_out(site):
    site.launch("one")
    site.clouds[:] = [FakeCloud(site.clock, name="other", shop=[offer("o", provider="other")])]
    site.new_process()
    site.clock.advance(3600)
    reap_along(site.session, [])
    assert site.told.warnings == []


# -- on request --------------------------------------------------------------------------------------


def test_a_cluster_whose_machines_turn_out_to_be_gone_is_let_go(site):
    record = site.launch().cluster
    site.clock.advance(3600)
    del site.cloud.machines["i-1"]

    (found,) = find(site.session)

    assert [machine.instance_id for machine in found.gone] == ["i-1"]
    assert get_by_id(site.session.store, record.id).status is ClusterStatus.GONE
    assert list_clusters(site.session.store) == []


def test_every_installed_provider_is_listed_and_who_fails_is_named(site):
    other = FakeCloud(site.clock, name="other")

    def failing(listing):
        raise CredentialsError("no key", code="key")

    other.on_list = [failing]
    site.clouds.append(other)
    site.launch(resources={"cloud": "fake"})

    found = {each.provider: each for each in find(site.session)}

    assert [s.kind for s in found["fake"].sightings] == [Kind.OURS]
    assert found["other"].error.summary == "no key"


def test_only_named_providers_are_listed(site):
    other = FakeCloud(site.clock, name="other")
    site.clouds.append(other)
    assert [each.provider for each in find(site.session, ["other"])] == ["other"]
    assert site.cloud.called("list_instances") == []
    with pytest.raises(UsageError, match="did you mean 'other'"):
        find(site.session, ["othr"])


def test_ending_on_request_waits_for_short_ends_and_cleans_up(site):
    site.launch("one")
    site.clock.advance(3600)
    orphan(site)
    soon = Termination(gone=False, retry_after_s=5, detail="shutting down")
    site.cloud.on_terminate["i-9"] = [lambda _: soon, lambda _: Termination.GONE]

    found = find(site.session)
    assert end(site.session, found, patience_s=60) == []

    assert site.cloud.alive() == ["i-1"]
    assert ended(site.session, found) == ["fake/i-9"]


def test_only_what_is_confirmed_to_be_gone_is_called_ended(site):
    site.launch("one")
    site.clock.advance(3600)
    orphan(site)
    later = Termination(gone=False, retry_after_s=1200, detail="20 min left")
    site.cloud.on_terminate["i-9"] = [lambda _: later]

    found = find(site.session)
    (left,) = end(site.session, found, patience_s=60)

    assert left.terminate_detail == "20 min left"
    assert ended(site.session, found) == []
