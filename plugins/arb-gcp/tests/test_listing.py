"""Listings: every page and zone, where they can be trusted, and how machines ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from clouds.gcp import discovery
from clouds.gcp.customer import OWNER

from arb.errors import ProviderUnavailable
from arb.types import GoneReason, InstanceRef, InstanceState, Listing
from arb_gcp.machines import instance_of, region_of, seconds

AGGREGATED = "compute.instances.aggregatedList"
LOG = "compute.globalOperations.aggregatedList"


def states(listing):
    return {m.id: (m.state, m.reason) for m in listing.instances}


def test_a_listing_needs_one_call_and_covers_everywhere(account):
    _, result, (machine,) = account.buy()
    before = account.cloud.ledger()
    listing = account.list(tokens=frozenset({machine.token}))
    after = account.cloud.ledger()
    assert [c.operation for c in after.calls[len(before.calls) :]] == [AGGREGATED]
    assert states(listing) == {machine.id: (InstanceState.RUNNING, GoneReason.NONE)}
    assert Listing.EVERYWHERE in listing.complete
    assert listing.covers("us-central1", result.account)


def test_somebody_elses_machines_are_not_shown_even_with_our_label(account):
    account.cloud.add_foreign("web-1", **{"arb-owner": OWNER})
    account.cloud.add_foreign(f"arb-{OWNER}-x", **{"arb-owner": OWNER})
    assert account.list(owner=OWNER).instances == ()
    assert account.list().instances == ()


@pytest.mark.parametrize("whole", [False, True], ids=["new version", "old version"])
def test_a_zone_that_is_silent_leaves_its_region_open(account, whole):
    _, _, (near,) = account.buy()
    _, _, (far,) = account.buy(account.offer(zone="europe-west4-a"))
    account.cloud.configure(zones_down=["us-central1-f"], lists_fail_whole=whole)
    listing = account.list(owner=OWNER)
    assert {near.id, far.id} == {m.id for m in listing.instances}  # the zone of neither
    assert "us-central1" not in listing.complete
    assert Listing.EVERYWHERE not in listing.complete
    assert {"us-east4", "europe-west4"} <= listing.complete
    assert list(listing.errors) == ["us-central1"]
    assert "us-central1-f" in listing.errors["us-central1"]


def test_of_a_silent_zone_nothing_is_gone(account):
    _, result, (machine,) = account.buy()
    account.terminate(account.ref(machine, result))
    account.cloud.advance(5)
    account.cloud.configure(zones_down=["us-central1-a"])
    assert account.list(tokens=frozenset({machine.token})).instances == ()


def test_when_nothing_answers_that_is_an_error(account):
    account.offers()
    account.cloud.fault("status", match="compute.*", status=503, count=99)
    with pytest.raises(ProviderUnavailable):
        account.list()


@pytest.mark.parametrize("body", [{}, {"items": []}, {"error": "no"}, []])
def test_an_answer_of_another_form_ends_nothing(account, body):
    account.buy()
    account.cloud.fault("status", match=AGGREGATED, status=200, body=body, count=9)
    with pytest.raises(ProviderUnavailable):
        account.list()


def answered(account, **facts):
    body = {"kind": "compute#instanceAggregatedList", "id": "x", **facts}
    account.cloud.fault("status", match=AGGREGATED, status=200, body=body)
    return account.list(owner=OWNER)


def test_a_list_without_the_empty_zones_covers_everywhere_all_the_same(account):
    assert answered(account).complete == {Listing.EVERYWHERE}
    zones = {"zones/us-east4-a": {"instances": []}}
    assert answered(account, items=zones).complete == {Listing.EVERYWHERE, "us-east4"}


def test_a_list_that_misses_something_somewhere_covers_nothing(account):
    _, result, (machine,) = account.buy()
    account.terminate(account.ref(machine, result))
    account.cloud.advance(5)
    listing = answered(
        account,
        items={"zones/us-east4-a": {"warning": {"code": "NO_RESULTS_ON_PAGE"}}},
        warning={"code": "PARTIAL_SUCCESS", "message": "the list is not complete"},
    )
    assert (listing.instances, listing.complete) == ((), frozenset())
    assert listing.errors == {Listing.EVERYWHERE: "the list is not complete"}
    harmless = answered(account, warning={"code": "NO_RESULTS_ON_PAGE", "message": "none"})
    assert harmless.complete == {Listing.EVERYWHERE}


def test_a_region_that_is_silent_is_not_covered(account):
    zones = {"zones/us-east4-a": {"instances": []}, "zones/us-central1-a": {"instances": []}}
    listing = answered(account, items=zones, unreachables=["regions/us-east4"])
    assert (listing.complete, set(listing.errors)) == ({"us-central1"}, {"us-east4"})


@pytest.mark.parametrize("status", [404, 501])
def test_where_no_log_over_all_zones_is_told_the_zones_own_are_read(account, status):
    _, _, (machine,) = account.buy(account.offer(spot=True))
    account.cloud.preempt(machine.id)
    account.cloud.advance(5)
    body = {"error": {"code": status, "message": "no", "errors": [{"reason": "notFound"}]}}
    account.cloud.fault("status", match=LOG, status=status, body=body, count=9)
    wanted = {machine.id: (InstanceState.GONE, GoneReason.PREEMPTED)}
    assert states(account.list(tokens=frozenset({machine.token}))) == wanted


@pytest.mark.parametrize("filters", ["ignored", "refused"])
def test_a_server_that_does_not_filter_shows_the_same(account, filters):
    account.cloud.add_foreign("web-1")
    account.buy()
    request, result, (machine,) = account.buy()
    account.cloud.configure(filters=filters)
    assert [m.id for m in account.poll(request, result)] == [machine.id]
    assert [m.id for m in account.list(tokens=frozenset({machine.token})).instances] == [machine.id]
    account.terminate(account.ref(machine, result))
    account.cloud.advance(5)
    wanted = {machine.id: (InstanceState.GONE, GoneReason.USER)}
    assert states(account.list(tokens=frozenset({machine.token}))) == wanted


def test_reads_are_tried_again_and_then_answered(account):
    _, _, (machine,) = account.buy()
    account.cloud.fault("reset", match=AGGREGATED)
    account.cloud.fault("status", match=AGGREGATED, status=502)
    assert [m.id for m in account.list().instances] == [machine.id]


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda a, m, r: a.cloud.preempt(m.id), GoneReason.PREEMPTED),
        (lambda a, m, r: a.cloud.break_machine(m.id), GoneReason.HARDWARE),
        (lambda a, m, r: a.terminate(a.ref(m, r)), GoneReason.USER),
    ],
    ids=["preempted", "hardware", "user"],
)
def test_a_deleted_machine_is_gone_with_its_reason(account, end, reason):
    _, result, (machine,) = account.buy(account.offer(spot=True))
    end(account, machine, result)
    account.cloud.advance(5)
    wanted = {machine.id: (InstanceState.GONE, reason)}
    assert states(account.list(tokens=frozenset({machine.token}))) == wanted
    assert states(account.list(owner=OWNER)) == wanted
    assert states(account.list(owner="strange2")) == {}
    account.cloud.advance(2 * 3600)
    assert states(account.list(owner=OWNER)) == {}
    assert states(account.list(tokens=frozenset({machine.token}))) == wanted


def test_while_it_goes_a_taken_machine_is_ending_and_not_gone(account):
    account.cloud.configure(end_delay_s=30)
    _, _, (machine,) = account.buy(account.offer(spot=True))
    account.cloud.preempt(machine.id, notice_s=30)
    account.cloud.advance(1)
    (shown,) = account.list(tokens=frozenset({machine.token})).instances
    assert shown.state is InstanceState.RUNNING  # until the notice is over
    account.cloud.advance(30)
    assert states(account.list(tokens=frozenset({machine.token}))) == {
        machine.id: (InstanceState.GONE, GoneReason.PREEMPTED)
    }


def test_a_machine_that_shut_itself_down_is_stopped_and_on_spot_ending(account):
    _, _, (stays,) = account.buy()
    _, _, (ends,) = account.buy(account.offer(spot=True))
    for machine in (stays, ends):
        vm = account.cloud.find(machine.id)
        account.cloud.stop_vm(vm)
        account.cloud.engine.on_power_off(vm)
    assert states(account.list(owner=OWNER)) == {
        stays.id: (InstanceState.STOPPED, GoneReason.USER),
        ends.id: (InstanceState.TERMINATING, GoneReason.USER),
    }


def test_without_the_log_machines_are_listed_all_the_same(account):
    _, _, (machine,) = account.buy()
    account.cloud.deny("compute.zoneOperations.list")
    assert states(account.list(owner=OWNER)) == {
        machine.id: (InstanceState.RUNNING, GoneReason.NONE)
    }


def test_failed_operations_and_those_under_way_end_nothing(account):
    account.cloud.configure(operation_s=100, end_delay_s=100)
    request = account.request()
    result = account.provision(request)
    account.cloud.advance(101)
    (machine,) = account.running(request, result)
    account.terminate(account.ref(machine, result))
    (shown,) = account.list(tokens=frozenset({machine.token})).instances
    assert shown.state is InstanceState.STOPPING  # Google has one word for both


STATUSES = {
    "PROVISIONING": (InstanceState.PENDING, InstanceState.PENDING),
    "STAGING": (InstanceState.PENDING, InstanceState.PENDING),
    "PENDING": (InstanceState.PENDING, InstanceState.PENDING),
    "REPAIRING": (InstanceState.PENDING, InstanceState.PENDING),
    "RUNNING": (InstanceState.RUNNING, InstanceState.RUNNING),
    "PENDING_STOP": (InstanceState.STOPPING, InstanceState.TERMINATING),
    "STOPPING": (InstanceState.STOPPING, InstanceState.TERMINATING),
    "SUSPENDING": (InstanceState.STOPPING, InstanceState.TERMINATING),
    "SUSPENDED": (InstanceState.STOPPED, InstanceState.TERMINATING),
    "STOPPED": (InstanceState.STOPPED, InstanceState.TERMINATING),
    "TERMINATED": (InstanceState.STOPPED, InstanceState.TERMINATING),
    "DEPROVISIONING": (InstanceState.TERMINATING, InstanceState.TERMINATING),
}


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_is_read(status):
    said = {"name": "n", "zone": "zones/us-central1-a", "status": status}
    spot = {**said, "scheduling": {"provisioningModel": "SPOT"}}
    read = (instance_of("gcp", "p", said).state, instance_of("gcp", "p", spot).state)
    assert read == STATUSES[status]


def test_a_status_that_is_new_is_no_end():
    said = {"name": "n", "zone": "zones/us-central1-a", "status": "REBUILDING"}
    machine = instance_of("gcp", "p", said)
    assert (machine.state, machine.detail) == (InstanceState.PENDING, "REBUILDING")


def test_the_statuses_are_all_that_google_describes():
    pytest.importorskip("googleapiclient")
    described = discovery.load("compute.v1")._schemas["Instance"]["properties"]["status"]["enum"]
    assert set(STATUSES) == set(described)


def test_the_recorded_machine_is_read_whole():
    path = Path(__file__).parent / "data" / "instance-running.json"
    machine = instance_of("gcp", "arb-test", json.loads(path.read_text()))
    assert (machine.id, machine.region, machine.zone) == (
        "arb-run-7d1e-0",
        "us-central1",
        "us-central1-a",
    )
    assert (machine.address, machine.private_address) == ("127.77.0.1", "10.128.0.2")
    assert (machine.instance_type, machine.spot) == ("a3-highgpu-8g", True)
    assert machine.made_at == seconds("2026-11-24T14:00:02+00:00") > 0
    assert region_of("us-central1-a") == "us-central1"


def test_a_machine_without_a_public_address_is_reached_by_its_private_one(account):
    account.options["external_ip"] = False
    _, _, (machine,) = account.buy()
    assert machine.address == machine.private_address != ""


def test_until_it_has_its_public_address_a_machine_has_none():
    inside = {"networkIP": "10.0.0.2"}
    said = {"name": "n", "zone": "zones/z-a", "status": "RUNNING"}
    without = instance_of("gcp", "p", {**said, "networkInterfaces": [inside]})
    assert (without.address, without.private_address) == ("10.0.0.2", "10.0.0.2")
    coming = {**inside, "accessConfigs": [{"type": "ONE_TO_ONE_NAT"}]}
    waiting = instance_of("gcp", "p", {**said, "networkInterfaces": [coming]})
    assert (waiting.address, waiting.private_address) == ("", "10.0.0.2")
    coming["accessConfigs"][0]["natIP"] = "192.0.2.1"
    assert instance_of("gcp", "p", {**said, "networkInterfaces": [coming]}).address == "192.0.2.1"


def test_the_older_word_for_spot_is_known_and_the_zone_of_the_scope():
    said = {"name": "n", "status": "STOPPING", "scheduling": {"preemptible": True}}
    machine = instance_of("gcp", "p", said, "us-east4-a")
    assert (machine.spot, machine.state) == (True, InstanceState.TERMINATING)
    assert (machine.zone, machine.region) == ("us-east4-a", "us-east4")


def test_what_a_listing_tells_is_enough_to_end_a_machine(account):
    account.buy()
    (machine,) = account.list(owner=OWNER).instances
    reference = InstanceRef(
        "gcp", machine.id, machine.region, machine.token, handle=machine.payload
    )
    assert not account.terminate(reference).gone
    account.cloud.advance(5)
    assert account.terminate(reference).gone
