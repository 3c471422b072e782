"""Launching: what is reused, what is bought, and what is left when that fails."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.fakecloud import FakeCloud, offer

from arb.clusters.down import down
from arb.clusters.launch import Wish, plan_launch, run_launch
from arb.clusters.reaping import end, find
from arb.clusters.refresh import close_if_empty, lost_nodes, refresh
from arb.clusters.status import views
from arb.config import write_value
from arb.errors import (
    CredentialsError,
    NodeError,
    NoOfferError,
    ProviderUnavailable,
    UsageError,
)
from arb.provision.resume import cluster_lease, resume
from arb.state.clusters import (
    ClusterStatus,
    get_by_id,
    get_cluster,
    list_clusters,
    update_cluster,
)
from arb.state.leases import LeaseHeld, Leases
from arb.state.machines import open_machines
from arb.tasks import Task
from arb.types import Capability, GoneReason, InstanceState, Termination


def plan(site, cluster="train", **task):
    return plan_launch(site.session, Wish(Task.model_validate(task), cluster=cluster))


# -- offers ---------------------------------------------------------------------------------------


def test_a_plan_buys_nothing_and_names_the_price_of_all_nodes(site):
    made = plan(site, num_nodes=3)
    assert [o.offer_id for o in made.ranking.offers] == ["a", "b"]
    assert made.usd_hour == 3
    assert site.cloud.called("provision") == []
    assert list_clusters(site.session.store) == []


def test_the_configured_place_is_taken_when_the_task_names_none(site):
    write_value(site.session.home.config_file, "default_infra", "fake/r2")
    site.cloud.shop.append(offer("far", 9, region="r2"))
    assert [o.offer_id for o in plan(site).ranking.offers] == ["far"]
    named = plan(site, resources={"infra": "fake/r1"})
    assert [o.offer_id for o in named.ranking.offers] == ["a", "b"]


def test_owned_machines_are_offered_only_when_they_are_named(site):
    mine = FakeCloud(site.clock, name="mine", shop=[offer("m", 0, provider="mine")])
    mine.info = replace(mine.info, capabilities=mine.info.capabilities | {Capability.OWNED})
    site.clouds.append(mine)
    assert {o.provider for o in plan(site).ranking.offers} == {"fake"}
    named = plan(site, resources={"cloud": "mine"})
    assert [o.offer_id for o in named.ranking.offers] == ["m"]


def test_only_owned_machines_is_no_offer_and_says_how_to_name_them(site):
    site.cloud.info = replace(
        site.cloud.info, capabilities=site.cloud.info.capabilities | {Capability.OWNED}
    )
    with pytest.raises(NoOfferError) as caught:
        plan(site)
    assert "--infra fake" in caught.value.hint


def test_a_provider_that_fails_is_named_and_the_others_are_used(site):
    other = FakeCloud(site.clock, name="other")
    other.catalog_error = ProviderUnavailable("503 from other", code="http")
    site.clouds.append(other)
    assert len(plan(site).ranking.offers) == 2
    assert any("503 from other" in warning for warning in site.told.warnings)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (CredentialsError("key revoked", code="key", hint="renew it"), CredentialsError),
        (ProviderUnavailable("503", code="http"), NoOfferError),
    ],
)
def test_when_nobody_answers_the_reason_is_the_error(site, error, kind):
    site.cloud.catalog_error = error
    with pytest.raises(kind, match=error.summary) as caught:
        plan(site)
    assert caught.value.exit_code == (4 if kind is CredentialsError else 3)


def test_bad_offers_cost_one_line_and_not_the_good_ones(site):
    site.cloud.shop += [offer("free", 0), offer("minus", -1)]
    assert len(plan(site).ranking.offers) == 2
    assert site.told.warnings == [
        "arb-fake 1.0: 1 offer: the price is negative (first: minus, -1)",
        "arb-fake 1.0: 1 offer: the price is 0 (first: free)",
    ]


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        (
            {"shop": [offer("free", 0)]},
            "every offer was refused; 1 offer: the price is 0 (first: free)",
        ),
        ({"catalog_error": KeyError("x")}, "arb_catalog raised KeyError: 'x'"),
    ],
    ids=["rows", "raises"],
)
def test_a_catalog_that_is_no_use_costs_one_line_that_names_the_distribution(site, bad, line):
    other = FakeCloud(site.clock, name="other")
    for name, value in bad.items():
        setattr(other, name, value)
    site.clouds.append(other)
    assert len(plan(site).ranking.offers) == 2
    assert site.told.warnings == [f"arb-other 1.0: {line}"]


def test_the_filter_that_removed_the_last_offer_is_named(site):
    with pytest.raises(NoOfferError, match="none of 2 offers is left after the filter 'region x'"):
        plan(site, resources={"infra": "fake/x"})


def test_a_provider_that_is_not_installed_is_told_with_what_to_install(site):
    with pytest.raises(UsageError) as caught:
        plan(site, resources={"cloud": "fak"})
    assert "did you mean 'fake'" in caught.value.summary
    assert "pip install arb-fak" in caught.value.hint


# -- buying and using again -------------------------------------------------------------------------


def test_a_launch_buys_and_the_next_uses_what_is_up(site):
    first = site.launch(num_nodes=2)
    again = site.launch(num_nodes=2)
    assert (first.bought, again.bought) == (True, False)
    assert first.cluster.id == again.cluster.id
    assert first.cluster.status is ClusterStatus.UP
    assert (first.cluster.provider, first.cluster.region) == ("fake", "r1")
    assert len(site.cloud.called("provision")) == 1


def test_a_smaller_task_fits_a_larger_does_not(site):
    site.launch(num_nodes=2)
    assert plan(site, num_nodes=1).ranking is None
    with pytest.raises(UsageError, match="has 2 nodes, not 3"):
        plan(site, num_nodes=3)


def test_a_task_for_another_provider_does_not_fit(site):
    site.clouds.append(FakeCloud(site.clock, name="other", shop=[offer("o", provider="other")]))
    site.launch()
    with pytest.raises(UsageError, match="is at fake, the task asks for other"):
        plan(site, resources={"cloud": "other"})


@pytest.mark.parametrize("name", ["1bad", "a b", "x" * 63])
def test_a_name_that_is_none_is_refused_before_anything_is_bought(site, name):
    with pytest.raises(UsageError):
        site.launch(name)
    assert site.cloud.called("provision") == []


def test_secrets_are_not_in_the_record(site):
    site.launch(secrets={"TOKEN": "s3cr3t"}, envs={"A": "b"})
    record = get_cluster(site.session.store, "train")
    assert "s3cr3t" not in record.task_json
    assert '"A":"b"' in record.task_json


def test_nodes_that_do_not_come_up_anywhere_leave_nothing(site):
    site.broken_nodes = [NodeError("no SSH", code="x"), NodeError("no agent", code="x")]
    with pytest.raises(NoOfferError, match=r"2 tried; last: .*no agent"):
        site.launch()
    assert site.cloud.alive() == []
    assert list_clusters(site.session.store) == []
    assert site.session.vault.names("host/") == []


def test_a_bug_while_nodes_come_up_leaves_nothing(site):
    site.broken_nodes = [ZeroDivisionError("a bug")]
    with pytest.raises(ZeroDivisionError):
        site.launch()
    assert site.cloud.alive() == []
    assert list_clusters(site.session.store) == []


def test_ctrl_c_while_nodes_come_up_leaves_nothing(site):
    site.broken_nodes = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        site.launch()
    assert site.cloud.alive() == []
    assert list_clusters(site.session.store) == []


def test_a_machine_that_ctrl_c_leaves_for_a_while_is_told_with_its_price(site):
    later = Termination(gone=False, retry_after_s=1200, detail="20 min left")
    site.cloud.on_terminate[""] = [lambda _: later]
    site.broken_nodes = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        site.launch()
    told = "fake/i-1 ends later and costs $1.00 an hour until then: 20 min left"
    assert site.told.warnings == [told]


def test_what_cannot_end_yet_keeps_its_name(site):
    later = Termination(gone=False, retry_after_s=1200, detail="20 min left")
    site.cloud.on_terminate[""] = [lambda _: later]
    site.broken_nodes = [NodeError("x"), NodeError("x")]
    with pytest.raises(NoOfferError):
        site.launch()
    with pytest.raises(UsageError, match="still has 2 machines ending later"):
        site.launch()
    site.clock.advance(61)  # what failed is not tried again at once
    assert site.launch("other").bought


def test_what_a_launch_that_died_still_has_is_given_back_before_nothing_is_left(site):
    site.cloud.info = replace(site.cloud.info, catalog_ttl_s=1)
    record = site.launch().cluster
    with site.session.store.write() as tx:
        update_cluster(tx, record.id, status=ClusterStatus.INIT)
    site.cloud.shop[:] = [offer("a", available=False)]
    site.clock.advance(60)

    def freed(_):
        site.cloud.shop[:] = [offer("a")]
        site.clock.advance(2)
        return Termination.GONE

    site.cloud.on_terminate[""] = [freed]
    assert site.launch().bought
    assert site.cloud.alive() == ["i-2"]


def test_nothing_is_left_is_said_at_once_when_no_launch_died(site):
    site.cloud.shop[:] = [offer("a", available=False)]
    with pytest.raises(NoOfferError):
        site.launch()
    assert site.cloud.called("list_instances") == []


def in_use(_):
    raise ProviderUnavailable("the group is in use", code="in-use")


def test_what_cannot_be_removed_yet_keeps_the_name_of_its_cluster(site):
    site.launch()
    site.cloud.on_cleanup = [in_use, in_use, lambda _: None]
    (outcome,) = down(site.session, ["train"])
    assert (outcome.beside, outcome.left, outcome.error) == (True, (), None)
    with pytest.raises(UsageError, match="still has rules, groups or disks ending later"):
        site.launch()
    site.launch()
    assert site.cloud.alive() == ["i-2"]


def test_a_cluster_that_lost_a_node_is_replaced(site):
    site.launch(num_nodes=2)
    site.clock.advance(3600)
    site.cloud.change("i-2", state=InstanceState.GONE, reason=GoneReason.PREEMPTED)

    again = site.launch(num_nodes=2)

    assert again.bought
    assert site.cloud.alive() == ["i-3", "i-4"]
    assert len([step for step in site.told.steps if "lost rank 1 (preempted)" in step]) == 1


def test_a_node_that_was_taken_and_may_still_be_billed_is_replaced_and_ended(site):
    site.launch()
    site.clock.advance(3600)
    site.cloud.change("i-1", state=InstanceState.TERMINATING, reason=GoneReason.PREEMPTED)
    assert site.launch().bought
    assert site.cloud.alive() == ["i-2"]
    assert "train lost rank 0 (preempted): to be replaced" in site.told.steps


def test_the_end_of_a_machine_that_was_made_beside_the_nodes_is_no_loss(site):
    site.launch()
    site.clock.advance(3600)
    token = site.cloud.machines["i-1"].token
    site.cloud.machines["i-9"] = replace(site.cloud.machines["i-1"], id="i-9", token=token)
    end(site.session, find(site.session))
    assert site.cloud.alive() == ["i-1"]
    assert not site.launch().bought


def test_a_cluster_that_ended_since_the_plan_is_not_silently_bought(site):
    site.launch()
    made = plan(site)
    down(site.session, ["train"])
    with pytest.raises(UsageError, match="ended meanwhile"):
        run_launch(site.session, made)
    assert site.cloud.alive() == []


def test_a_cluster_that_came_up_since_the_plan_is_used(site):
    made = plan(site)
    site.launch()
    assert run_launch(site.session, made).bought is False
    assert len(site.cloud.called("provision")) == 1


# -- what the provider says now ---------------------------------------------------------------------


def test_a_machine_that_vanished_is_gone_once_listings_cannot_lag(site):
    record = site.launch().cluster
    site.cloud.hidden_until["i-1"] = site.clock.now() + 1e9
    assert refresh(site.session, record) == []
    site.clock.advance(31)
    (gone,) = refresh(site.session, record)
    assert (gone.reason, gone.detail) == (GoneReason.UNKNOWN, "no longer listed")


@pytest.mark.parametrize(
    "script",
    [
        lambda listing: replace(listing, instances=(), complete=frozenset(), errors={"r1": "x"}),
        lambda listing: replace(listing, instances=(), complete=frozenset({"r2"})),
        lambda listing: replace(listing, instances=(), account="another"),
    ],
    ids=["cut-short", "other-region", "other-account"],
)
def test_a_listing_that_cannot_be_trusted_ends_nothing(site, script):
    record = site.launch().cluster
    site.clock.advance(3600)
    site.cloud.on_list = [script]
    assert refresh(site.session, record) == []
    assert len(open_machines(site.session.store)) == 1


def test_a_provider_that_does_not_answer_says_nothing(site):
    record = site.launch().cluster

    def failing(listing):
        raise ProviderUnavailable("503", code="http")

    site.cloud.on_list = [failing]
    assert lost_nodes(site.session, record) == []
    assert any("could not be asked: 503" in warning for warning in site.told.warnings)
    assert site.launch().bought is False


def test_a_cluster_without_any_machine_left_lets_its_name_go(site):
    record = site.launch().cluster
    site.clock.advance(60)
    site.cloud.change("i-1", state=InstanceState.GONE)
    refresh(site.session, record)
    assert close_if_empty(site.session, record)
    assert list_clusters(site.session.store) == []


def test_an_empty_cluster_that_another_command_works_on_is_left_to_it(site):
    record = site.launch().cluster
    site.clock.advance(60)
    site.cloud.change("i-1", state=InstanceState.GONE)
    refresh(site.session, record)
    with Leases(site.session.store).held(cluster_lease("train")):
        assert not close_if_empty(site.session, record)
    assert site.clock.monotonic() < 300


# -- ending -----------------------------------------------------------------------------------------


def test_down_ends_what_is_named(site):
    for name in ("one", "two", "three"):
        site.launch(name)
    ended = down(site.session, ["t*"])
    assert sorted(outcome.cluster for outcome in ended) == ["three", "two"]
    assert all(outcome.error is None and not outcome.left for outcome in ended)
    assert [record.name for record in list_clusters(site.session.store)] == ["one"]
    assert down(site.session, (), everything=True)[0].cluster == "one"
    assert site.cloud.alive() == []


def test_down_tells_what_ends_later(site):
    site.launch()
    later = Termination(gone=False, retry_after_s=1200, detail="20 min left")
    site.cloud.on_terminate[""] = [lambda _: later, lambda _: Termination.GONE]
    (ended,) = down(site.session, ["train"])
    assert [machine.terminate_detail for machine in ended.left] == ["20 min left"]
    site.clock.advance(1201)
    resume(site.new_process().shop)
    assert site.cloud.alive() == []
    assert list_clusters(site.session.store) == []


def test_down_waits_for_a_living_command_and_its_wish_is_seen_at_once(site, monkeypatch):
    record = site.launch().cluster
    monkeypatch.setattr("arb.clusters.lock._PATIENCE_S", 5.0)
    monkeypatch.setattr("arb.clusters.down.cluster_lock", impatient)
    with Leases(site.session.store).held(cluster_lease("train")):
        (ended,) = down(site.session, ["train"])
    assert isinstance(ended.error, LeaseHeld)
    assert get_by_id(site.session.store, record.id).status is ClusterStatus.TERMINATING
    resume(site.new_process().shop)
    assert list_clusters(site.session.store) == []


def impatient(session, name):
    from arb.clusters.lock import cluster_lock

    return cluster_lock(session, name, patience_s=5)


# -- what is shown ----------------------------------------------------------------------------------


def test_a_view_is_of_the_present_life_only(site):
    import json

    site.launch()
    site.clock.advance(3600)
    down(site.session, ["train"])
    site.launch(num_nodes=2)
    site.clock.advance(1800)
    (view,) = views(site.session.store)
    assert view.usd_hour == 2
    assert view.cost_usd == pytest.approx(1.0, rel=0.01)
    document = json.loads(json.dumps(view.to_dict()))
    assert (document["status"], document["num_nodes"]) == ("up", 2)
    assert [node["rank"] for node in document["nodes"]] == [0, 1]
    assert document["offer"]["offer_id"] == "a"


def test_ssh_knows_the_clusters_that_are_up(site):
    site.launch(num_nodes=2)
    config = (site.session.home.root / "ssh" / "config").read_text()
    assert "train-1" in config
    include = (site.folder / ".ssh" / "config").read_text()
    assert str(site.session.home.root / "ssh" / "config") in include
    down(site.session, ["train"])
    assert "train" not in (site.session.home.root / "ssh" / "config").read_text()


def test_the_users_ssh_config_is_left_alone_when_refused(site):
    write_value(site.session.home.config_file, "ssh_config", "false")
    site.launch()
    assert not (site.folder / ".ssh").exists()
