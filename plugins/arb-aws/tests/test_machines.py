"""Reading what EC2 says of instances, types and prices; the values are invented, the forms are AWS's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from arb.types import GoneReason, InstanceState
from arb_aws.catalog.kinds import kind_of
from arb_aws.catalog.prices import prices_in
from arb_aws.handles import Handle
from arb_aws.machines import instance_of, seconds

DATA = Path(__file__).with_name("data")
ZONES = {"us-east-1a": "use1-az2"}


def recorded(name):
    return json.loads((DATA / f"{name}.json").read_text())


def read(said):
    return instance_of("aws", "us-east-1", said, ZONES)


def test_a_running_machine_as_recorded():
    machine = read(recorded("describe-instances-running")["Reservations"][0]["Instances"][0])
    assert (machine.id, machine.state, machine.zone) == (
        "i-629d1bcc497d46995",
        "running",
        "use1-az2",
    )
    assert (machine.address, machine.private_address) == ("127.77.0.1", "10.14.185.228")
    assert (machine.spot, machine.instance_type, machine.reason) == (True, "p5.48xlarge", "")
    assert machine.made_at == seconds("2026-11-24T06:26:27+00:00") > 0
    assert Handle.of(machine.payload) == Handle("us-east-1", spot=True)


def test_an_interrupted_machine_as_recorded():
    machine = read(recorded("describe-instances-interrupted")["Reservations"][0]["Instances"][0])
    assert (machine.state, machine.reason) == (InstanceState.GONE, GoneReason.PREEMPTED)
    assert machine.detail == "terminated (Server.SpotInstanceTermination)"
    assert machine.address == ""


def test_a_bought_machine_as_recorded():
    machine = read(recorded("run-instances-response")["Instances"][0])
    assert machine.state is InstanceState.PENDING


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending", "pending"),
        ("running", "running"),
        ("shutting-down", "terminating"),
        ("terminated", "gone"),
        ("stopping", "stopping"),
        ("stopped", "stopped"),
    ],
)
def test_every_state_has_a_meaning(status, state):
    assert read({"InstanceId": "i-1", "State": {"Name": status}}).state == state


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("Server.SpotInstanceTermination", "preempted"),
        ("Client.UserInitiatedShutdown", "user"),
        ("Client.InstanceInitiatedShutdown", "user"),
        ("Server.InsufficientInstanceCapacity", "failed-start"),
        ("Server.InternalError", "hardware"),
        ("Client.InvalidKMSKey.InvalidState", "failed-start"),
        ("Server.SomethingNew", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_reason_of_an_end_is_told(code, reason):
    said = {"InstanceId": "i-1", "State": {"Name": "terminated"}, "StateReason": {"Code": code}}
    assert read(said).reason == reason


def test_a_stopped_machine_has_no_reason_to_be_gone():
    code = {"Code": "Client.UserInitiatedShutdown"}
    said = {"InstanceId": "i-1", "State": {"Name": "stopped"}, "StateReason": code}
    assert read(said).reason is GoneReason.NONE


def test_a_machine_without_a_public_address_is_reached_by_its_private_one_only_if_that_is_meant():
    said = {"InstanceId": "i-1", "State": {"Name": "running"}, "PrivateIpAddress": "10.0.0.1"}
    assert read(said).address == ""
    tags = [{"Key": "arb-address", "Value": "private"}]
    assert read({**said, "Tags": tags}).address == "10.0.0.1"


def test_zone_ids_that_are_told_are_believed():
    place = {"AvailabilityZone": "us-east-1a", "AvailabilityZoneId": "use1-az6"}
    said = {"InstanceId": "i-1", "State": {"Name": "running"}, "Placement": place}
    assert read(said).zone == "use1-az6"


def test_types_as_recorded():
    small, large = map(kind_of, recorded("describe-instance-types")["InstanceTypes"])
    assert (small.name, small.vcpus, small.memory_gib) == ("g6e.xlarge", 4, 32)
    assert (small.accelerator, small.count, small.accelerator_gib) == ("L40S", 1, 44.7)
    assert (small.interconnect, large.interconnect) == ("PCIe", "SXM")
    assert (large.accelerator, large.count, large.accelerator_gib) == ("H100", 8, 80)
    assert "capacity-block" in large.usage


def test_a_share_of_an_accelerator_is_a_fraction():
    gpu = {"Name": "L4", "Count": 0, "LogicalGpuCount": 1, "GpuPartitionSize": 0.125}
    gpu["MemoryInfo"] = {"SizeInMiB": 2861}
    (said, _) = recorded("describe-instance-types")["InstanceTypes"]
    kind = kind_of({**said, "InstanceType": "g6f.large", "GpuInfo": {"Gpus": [gpu]}})
    assert (kind.accelerator, kind.count) == ("L4", 0.125)
    assert kind.accelerator_gib == pytest.approx(22.35, abs=0.01)


def test_what_runs_no_linux_is_left_out():
    (said, _) = recorded("describe-instance-types")["InstanceTypes"]
    assert kind_of({**said, "ProcessorInfo": {"SupportedArchitectures": ["arm64_mac"]}}) is None


def test_a_price_as_recorded():
    assert prices_in(recorded("pricing-get-products")["PriceList"]) == {"p5.48xlarge": 55.04}


def test_a_product_without_a_price_on_demand_is_left_out():
    (text,) = recorded("pricing-get-products")["PriceList"]
    said = json.loads(text)
    assert prices_in([json.dumps({**said, "terms": {}})]) == {}
    free = text.replace("55.0400000000", "0.0000000000")
    assert prices_in([free]) == {}


@pytest.mark.parametrize("text", ["", "not json", "[]", "7", '{"unknown": 1}'])
def test_a_handle_of_another_version_is_an_empty_one(text):
    assert Handle.of(text) == Handle()
