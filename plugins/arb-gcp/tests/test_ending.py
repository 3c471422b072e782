"""Giving back: machines, rules, and those that are stopped or started instead."""

from __future__ import annotations

from dataclasses import replace

import pytest
from clouds.gcp.customer import Customer

from arb.errors import (
    CapacityError,
    CredentialsError,
    ProviderUnavailable,
    QuotaError,
    RateLimited,
    RequestError,
)
from arb.types import ClusterRef, InstanceRef, InstanceState, Termination
from arb_gcp import plugin
from arb_gcp.client import Client

OWNER = "ownerabc"

DELETE = "compute.instances.delete"
GLOBAL = "compute.globalOperations.get"
WORLD = "0.0.0.0/0"


def rules(account, **facts):
    return {e.name.rpartition("-")[2] for e in account.cloud.ledger().alive("firewall", **facts)}


def cleanup(account, request, result):
    plugin.arb_cleanup(account.context(), account.cluster(request, result))


# -- machines ----------------------------------------------------------------------------------


def test_a_machine_is_gone_when_it_cannot_be_found_any_more(account):
    account.cloud.configure(end_delay_s=60)
    _, result, (machine,) = account.buy()
    reference = account.ref(machine, result)
    first = account.terminate(reference)
    assert (first.gone, first.detail) == (False, "being deleted")
    assert not account.terminate(reference).gone
    account.cloud.advance(61)
    assert account.terminate(reference) == Termination.GONE
    assert account.cloud.ledger().alive("machine") == []
    assert account.cloud.ledger().alive("disk") == []


def test_not_found_in_few_words_is_gone_if_the_project_is_there(account):
    _, _, (machine,) = account.buy()
    words = {"error": {"code": 404, "message": "Not Found"}}
    account.cloud.fault("status", match=DELETE, status=404, body=words, count=2)
    assert account.terminate(account.ref(machine)).gone
    account.cloud.fault("status", match="compute.projects.get", status=404, body=words)
    with pytest.raises(CredentialsError, match="cannot find"):
        account.terminate(account.ref(machine))


@pytest.mark.parametrize("shown", [True, False])
def test_nothing_is_gone_before_its_insert_ended(account, shown):
    account.cloud.configure(operation_s=30, is_shown_early=shown)
    request = account.request()
    result = account.provision(request)
    reference = InstanceRef(
        "gcp",
        request.setups[0].token,
        "us-central1",
        request.setups[0].token,
        zone="us-central1-a",
        handle=result.handle,
        account=result.account,
    )
    early = account.terminate(reference)
    assert not early.gone
    assert early.retry_after_s > 0
    account.cloud.advance(31)
    assert not account.terminate(reference).gone
    account.cloud.advance(31)
    assert account.terminate(reference).gone
    assert account.cloud.ledger().alive("machine") == []


def test_a_machine_that_shows_just_after_it_was_looked_for_is_not_gone(account, monkeypatch):
    account.cloud.configure(operation_s=30, is_shown_early=False)
    request = account.request()
    result = account.provision(request)
    token = request.setups[0].token
    reference = InstanceRef(
        "gcp", token, "us-central1", token, "us-central1-a", handle=result.handle
    )
    delete = Client.delete

    def delete_then_time_passes(client, path):
        try:
            return delete(client, path)
        finally:
            account.cloud.advance(31)

    monkeypatch.setattr(Client, "delete", delete_then_time_passes)
    assert account.terminate(reference).detail == "just made"
    assert not account.terminate(reference).gone
    assert account.terminate(reference).gone
    assert account.cloud.ledger().alive("machine") == []


def test_a_machine_that_never_was_is_gone_once_its_insert_failed(account):
    account.cloud.set_capacity("a2-highgpu-1g", 0)
    request = account.request()
    result = account.provision(request)
    account.cloud.advance(1)
    token = request.setups[0].token
    reference = InstanceRef(
        "gcp", token, "us-central1", token, "us-central1-a", handle=result.handle
    )
    assert account.terminate(reference).gone
    account.cloud.engine.log._operations.clear()  # weeks later the log knows nothing
    assert account.terminate(reference).gone


def test_an_order_without_an_answer_may_still_show_for_a_minute(account):
    now = account.cloud.clock.now()
    token = "arb-ownerabc-clusterx-000-0000"
    reference = InstanceRef("gcp", token, "us-central1", token, "us-central1-a", made_at=now)
    assert account.terminate(reference).detail == "not listed yet"
    account.cloud.advance(61)
    assert account.terminate(reference).gone


def test_another_project_of_today_does_not_hide_the_machine(account):
    _, result, (machine,) = account.buy()
    account.options["project"] = "arb-other"
    assert not account.terminate(account.ref(machine, result)).gone
    account.cloud.advance(5)
    assert account.terminate(account.ref(machine, result)).gone


def test_to_another_account_nothing_is_gone(account, paper_gcp, tmp_path):
    _, result, (machine,) = account.buy()
    account.terminate(account.ref(machine, result))
    account.cloud.advance(5)
    other = Customer(paper_gcp, tmp_path / "other", key="other")
    with pytest.raises(CredentialsError):
        other.terminate(account.ref(machine, result))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "status", "status": 503}, ProviderUnavailable),
        ({"kind": "drop"}, ProviderUnavailable),
        ({"kind": "garbage"}, ProviderUnavailable),
        ({"kind": "status", "status": 429}, RateLimited),
        ({"kind": "status", "status": 400}, ProviderUnavailable),
        ({"kind": "status", "status": 404}, ProviderUnavailable),  # a proxy's, not Google's
    ],
)
def test_without_an_answer_nothing_is_known(account, fault, error):
    _, result, (machine,) = account.buy()
    account.cloud.fault(**fault, match=DELETE, count=9)
    with pytest.raises(error):
        account.terminate(account.ref(machine, result))


@pytest.mark.parametrize("kind", ["drop", "reset"])
def test_a_lost_answer_about_an_end_is_asked_for_again(account, kind):
    _, result, (machine,) = account.buy()
    account.cloud.fault(kind, match=DELETE)
    account.terminate(account.ref(machine, result))
    account.cloud.advance(5)
    assert account.cloud.ledger().alive("machine") == []  # by the first call, or by its repetition
    assert account.terminate(account.ref(machine, result)).gone


# -- rules -------------------------------------------------------------------------------------


def test_rules_go_with_their_cluster_and_no_others(account):
    account.cloud.add_foreign("theirs", "firewall")
    one, first, _ = account.buy(count=2, ports=("80",))
    two, second, _ = account.buy()
    assert rules(account) == {"ssh", "peers", "ports"}
    cleanup(account, one, first)
    assert {e.name for e in account.cloud.ledger().alive("firewall")} == {f"{two.token}-ssh"}
    cleanup(account, one, first)  # once more is no error
    cleanup(account, two, second)
    assert rules(account) == set()
    assert rules(account, foreign=True) == {"theirs"}


def test_rules_of_a_refused_or_lost_order_go_too(account):
    request = account.request(count=2)
    account.cloud.fault("drop", match="compute.instances.insert", count=9)
    with pytest.raises(ProviderUnavailable):
        account.provision(request)
    cleanup(account, request, None)
    assert rules(account) == set()


def told(account, owner=OWNER):
    return plugin.arb_list_leftovers(account.context(), owner)


def test_rules_of_orders_that_nobody_knows_are_told_by_owner(account):
    account.cloud.configure(page_size=1)
    for name in (f"arb-{OWNER}-by-hand", f"my-arb-{OWNER}-clusterx-000-ssh", "theirs"):
        account.cloud.add_foreign(name, "firewall")
    one, *_ = account.buy(count=2, ports=("80",))
    two, *_ = account.buy()
    found = told(account)
    assert found.tokens == {one.token, two.token}
    assert (found.account, found.errors) == ("arb-test", {})
    assert told(account, "otherabc").tokens == frozenset()
    cluster = ClusterRef("x", OWNER, tuple(found.tokens), frozenset(), account=found.account)
    plugin.arb_cleanup(account.context(), cluster)
    assert rules(account) == set()
    assert told(account).tokens == frozenset()


def test_who_makes_no_rules_looks_for_none(account):
    account.buy()
    account.options |= {"firewall": False}
    account.cloud.fault("status", match="compute.firewalls.list", status=403)
    assert told(account).tokens == frozenset()


def test_rules_that_cannot_be_listed_are_an_error(account):
    account.cloud.fault("status", match="compute.firewalls.list", status=503, count=9)
    with pytest.raises(ProviderUnavailable):
        told(account)


def test_rules_are_found_by_the_handle_whatever_is_configured_today(account):
    request, result, _ = account.buy()
    account.options |= {"project": "arb-other", "firewall": False}
    cleanup(account, request, result)
    assert rules(account) == set()


def test_a_rule_that_does_not_go_is_told_and_tried_again(account):
    request, result, _ = account.buy()
    account.cloud.configure(operation_s=3600)
    with pytest.raises(ProviderUnavailable, match="not over yet"):
        cleanup(account, request, result)
    account.cloud.advance(3600)
    cleanup(account, request, result)
    assert rules(account) == set()


FORGOTTEN = {"error": {"code": 404, "errors": [{"reason": "notFound"}], "message": "not found"}}


def test_a_rule_is_looked_for_when_the_operation_that_removes_it_is_forgotten(account):
    request, result, _ = account.buy()
    account.cloud.configure(operation_s=10)
    account.cloud.fault("status", match=GLOBAL, status=404, body=FORGOTTEN, count=99)
    with pytest.raises(ProviderUnavailable, match="still there"):
        cleanup(account, request, result)
    account.cloud.advance(11)
    cleanup(account, request, result)
    assert rules(account) == set()


def test_a_start_whose_operation_is_forgotten_is_told_by_the_machine(account):
    account.cloud.configure(stop_delay_s=0, operation_s=5)
    _, result, machines = account.buy(account.offer("e2-standard-4"))
    named = references(account, result, machines)
    plugin.arb_stop(account.context(), named)
    account.cloud.advance(6)
    account.cloud.fault("status", match="compute.zoneOperations.get", status=404, body=FORGOTTEN)
    (machine,) = plugin.arb_start(account.context(), named)
    assert machine.state in {InstanceState.PENDING, InstanceState.RUNNING}


def test_who_has_no_account_has_no_rules(anybody):
    cluster = ClusterRef("x", "ownerabc", ("arb-ownerabc-clusterx-000",), frozenset())
    plugin.arb_cleanup(anybody.context(), cluster)
    taken = ClusterRef("x", "ownerabc", cluster.tokens, frozenset(), account="arb-test")
    with pytest.raises(CredentialsError):
        plugin.arb_cleanup(anybody.context(), taken)


def test_more_ports_are_added_to_those_that_are_open(account):
    request, result, machines = account.buy()
    cluster = account.cluster(request, result, machines)
    for ports in (("8080",), ("8080",), ("9000-9010", "8080")):
        plugin.arb_open_ports(account.context(), cluster, ports)
    plugin.arb_open_ports(account.context(), cluster, ())
    (rule,) = [
        r
        for r in account.cloud.engine.firewalls._rules.values()
        if r.body["name"].endswith("ports")
    ]
    assert rule.body["allowed"] == [{"IPProtocol": "tcp", "ports": ["8080", "9000-9010"]}]
    assert rule.body["sourceRanges"] == [WORLD]
    assert rule.body["targetTags"] == [request.token]


def test_ports_are_opened_for_the_purchase_that_has_machines(account):
    request, result, machines = account.buy()
    cluster = account.cluster(request, result, machines)
    failed = "arb-ownerabc-clusterx-zzz"
    both = replace(cluster, tokens=(failed, *cluster.tokens), handles=("", *cluster.handles))
    plugin.arb_open_ports(account.context(), both, ("80",))
    assert {e.name for e in account.cloud.ledger().alive("firewall")} == {
        f"{request.token}-ssh",
        f"{request.token}-ports",
    }


def test_no_more_rules_is_a_quota(account):
    request, result, machines = account.buy()
    account.cloud.set_quota("FIREWALLS", 1)
    with pytest.raises(QuotaError):
        plugin.arb_open_ports(
            account.context(), account.cluster(request, result, machines), ("80",)
        )


# -- stop and start ----------------------------------------------------------------------------


def references(account, result, machines):
    return [account.ref(m, result) for m in machines]


def test_machines_stop_and_start_again(account):
    account.cloud.configure(stop_delay_s=20, boot_delay_s=10)
    request, result, machines = account.buy(account.offer("e2-standard-4"), count=2)
    named = references(account, result, machines)
    stopping = plugin.arb_stop(account.context(), named)
    assert [m.state for m in stopping] == [InstanceState.STOPPING] * 2
    assert [m.token for m in stopping] == [s.token for s in request.setups]
    account.cloud.advance(21)
    assert [m.state for m in plugin.arb_stop(account.context(), named)] == [
        InstanceState.STOPPED
    ] * 2
    started = plugin.arb_start(account.context(), named)
    assert {m.state for m in started} <= {InstanceState.PENDING, InstanceState.RUNNING}
    account.cloud.advance(20)
    assert [m.state for m in plugin.arb_start(account.context(), named)] == [
        InstanceState.RUNNING
    ] * 2


def test_a_machine_with_local_disks_is_not_stopped_and_its_peers_neither(account):
    _, result, machines = account.buy(account.offer("a3-highgpu-8g"), count=2)
    with pytest.raises(RequestError, match="local SSDs"):
        plugin.arb_stop(account.context(), references(account, result, machines))
    assert account.cloud.ledger().count("compute.instances.stop") == 0


def test_a_start_without_stock_is_a_capacity_error(account):
    _, result, machines = account.buy(account.offer("e2-standard-4"))
    named = references(account, result, machines)
    plugin.arb_stop(account.context(), named)
    account.cloud.advance(1)
    account.cloud.set_capacity("e2-standard-4@us-central1/us-central1-a", 0)
    with pytest.raises(CapacityError, match="currently unavailable"):
        plugin.arb_start(account.context(), named)
    account.cloud.set_capacity("e2-standard-4@us-central1/us-central1-a", None)
    plugin.arb_start(account.context(), named)


def test_a_machine_that_still_stops_is_started_later(account):
    account.cloud.configure(stop_delay_s=60)
    _, result, machines = account.buy(account.offer("e2-standard-4"))
    named = references(account, result, machines)
    plugin.arb_stop(account.context(), named)
    with pytest.raises(CapacityError) as raised:
        plugin.arb_start(account.context(), named)
    assert raised.value.block_s == 10


def test_a_vanished_machine_is_gone(account):
    _, result, machines = account.buy()
    named = references(account, result, machines)
    account.cloud.break_machine(machines[0].id)
    account.cloud.advance(1)
    for hook in (plugin.arb_stop, plugin.arb_start):
        assert [m.state for m in hook(account.context(), named)] == [InstanceState.GONE]
