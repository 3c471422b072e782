"""What the simulated AWS uses of moto's inside, each by itself: a new version says here what moved."""

from __future__ import annotations

import pytest

pytest.importorskip("moto", reason="this is about it")

from importlib.metadata import version
from pathlib import Path

from clouds.aws import shop
from clouds.aws.calls import AwsCall
from clouds.aws.inside import Inside, load_moto
from clouds.http import Request

FORM = {"content-type": "application/x-www-form-urlencoded"}
IMAGE = "ami-0aaa0000000000001"


@pytest.fixture
def inside():
    load_moto()
    inside = Inside("999999999901")
    yield inside
    inside.close()


def call(action, service="ec2", **parameters):
    scope = f"AWS4-HMAC-SHA256 Credential=AKIAX/20260101/us-east-1/{service}/aws4_request,"
    request = Request("POST", "/", {}, {**FORM, "authorization": scope})
    form = {"Action": action, "Version": "2016-11-15", **parameters}
    return AwsCall(request, service, "us-east-1", "AKIAX", action, "999999999901", form)


def run(inside, **more):
    inside.add_image("us-east-1", IMAGE, name="x", architecture="x86_64")
    parameters = {"ImageId": IMAGE, "InstanceType": "t3.micro", "MinCount": "2", "MaxCount": "2"}
    answer = inside.forward(call("RunInstances", **(parameters | more)))
    assert answer.status == 200, answer.body
    (reservation,) = inside.reservations("us-east-1").values()
    return reservation


def test_the_version_is_the_pinned_one():
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    assert f'"moto=={version("moto")}"' in pyproject.read_text()


def test_dispatch_answers_without_a_server(inside):
    answer = inside.forward(call("DescribeVpcs"))
    assert answer.status == 200
    assert "<isDefault>true</isDefault>" in answer.body
    assert "<requestId>" in answer.body
    answer = inside.forward(call("DescribeSubnets", SubnetId=""))
    refused = inside.forward(call("DeleteSecurityGroup", GroupId="sg-0123456789abcdef0"))
    assert refused.status == 400
    assert "<Code>InvalidGroup.NotFound</Code>" in refused.body


def test_default_subnets_tell_zone_ids(inside):
    filters = {"Filter.1.Name": "default-for-az", "Filter.1.Value.1": "true"}
    answer = inside.forward(call("DescribeSubnets", **filters))
    assert answer.body.count("<availabilityZoneId>use1-az") == 6
    assert answer.body.count("<mapPublicIpOnLaunch>true") == 6


def test_there_are_no_images_but_those_that_are_published(inside):
    assert inside.ec2("us-east-1").amis == {}
    run(inside)
    answer = inside.forward(call("DescribeImages", **{"ImageId.1": IMAGE}))
    assert answer.body.count("<imageId>") == 1


def test_as_many_instances_are_made_as_the_least_that_is_asked_for(inside):
    reservation = run(inside, MaxCount="5")
    assert len(reservation.instances) == 2
    assert [i.ami_launch_index for i in reservation.instances] == [0, 1]


def test_what_is_set_of_an_instance_shows(inside):
    first, second = run(inside).instances
    inside.settle(first, "127.77.0.1", {"Name": "nic"})
    inside.show(first, "terminated", 1_800_000_000, "", "Server.SpotInstanceTermination")
    inside.settle(second, "127.77.0.2", {})
    inside.show(second, "running", 1_800_000_000, "127.77.0.2", "")
    body = inside.forward(call("DescribeInstances")).body
    assert "<code>Server.SpotInstanceTermination</code>" in body
    assert "<name>terminated</name>" in body
    assert body.count("<privateIpAddress>127.77.0.1<") >= 1
    assert "<ipAddress>127.77.0.2</ipAddress>" in body
    assert "<ipAddress>127.77.0.1</ipAddress>" not in body
    assert "<launchTime>2027-01-15T08:00:00" in body
    second.spot_instance_request_id = "sir-1"
    second.placement.availability_zone_id = "use1-az6"
    body = inside.forward(call("DescribeInstances")).body
    assert "<spotInstanceRequestId>sir-1</spotInstanceRequestId>" in body
    assert "<availabilityZoneId>use1-az6</availabilityZoneId>" in body


def test_reservations_can_be_hidden(inside):
    run(inside)
    inside.show_only("us-east-1", {})
    assert "<instanceId>" not in inside.forward(call("DescribeInstances")).body


def test_disks_and_interfaces_end_with_their_instance(inside):
    disk = {
        "BlockDeviceMapping.1.DeviceName": "/dev/sda1",
        "BlockDeviceMapping.1.Ebs.VolumeSize": "9",
    }
    ends = {"BlockDeviceMapping.1.Ebs.DeleteOnTermination": "true"}
    first, second = run(inside, **disk, **ends).instances
    backend = inside.ec2("us-east-1")
    assert [ended for _, ended in inside.volumes_of(first)] == [True]
    (volume, _) = next(iter(inside.volumes_of(first)))
    inside.end("us-east-1", first)
    assert volume not in backend.volumes
    assert first.nics[0].id not in backend.enis
    for _, block in second.get_block_device_mapping:
        block.delete_on_termination = False
    (volume, _) = next(iter(inside.volumes_of(second)))
    inside.end("us-east-1", second)
    assert backend.volumes[volume].status == "available"


def test_spot_orders_are_known_by_their_lifecycle(inside):
    (first, _) = run(inside, **{"InstanceMarketOptions.MarketType": "spot"}).instances
    assert first.lifecycle == "spot"


def test_sessions_have_the_key_that_the_accounts_know(inside):
    from clouds.aws.accounts import SESSION_KEY

    asked = call("GetFederationToken", "sts", Name="arb", DurationSeconds="900", Policy="{}")
    assert SESSION_KEY in inside.forward(asked).body


def test_an_account_that_is_closed_leaves_nothing(inside):
    from moto.ec2.models import ec2_backends

    inside.ec2("us-east-1")
    inside.close()
    assert inside.account not in ec2_backends


def test_the_tables_of_types_and_zones_are_there():
    load_moto()
    assert len(shop.types()) > 1000
    assert shop.types()["p5.48xlarge"]["GpuInfo"]["Gpus"][0]["Name"] == "H100"
    assert "p5.48xlarge" in shop.offered("us-east-1")
    assert shop.zones_of("us-east-1")["us-east-1a"].startswith("use1-az")
    assert set(shop.SOME_TYPES) <= set(shop.types())
