"""The one call that buys, as a function of the order."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pytest

from arb.errors import RequestError
from arb.types import NodeFile, NodeSetup, Offer, ProvisionRequest
from arb_aws.bodies import MOST_USER_DATA, run_parameters, user_data
from arb_aws.images import Image
from arb_aws.network import Place
from arb_aws.settings import Settings
from arb_aws.tags import tags_of

OFFER = Offer("aws", "g6.xlarge@use1-az1", "us-east-1", "g6.xlarge", 0.8048, zone="use1-az1")
TOKEN = "arb-ownerabc-clusterx-000"
SETUP = NodeSetup(TOKEN, None, "ssh-ed25519 AAAA key", files=(NodeFile("/etc/x", "y"),))
PLACE = Place("vpc-1", "subnet-1")
IMAGE = Image("resolve:ssm:/x")


def order(offer=OFFER, **changes):
    return replace(ProvisionRequest("mine", TOKEN, offer, 2, (SETUP,)), **changes)


def parameters(request=None, settings=None, image=IMAGE):
    return run_parameters(request or order(), settings or Settings(), image, PLACE, "sg-1")


def test_all_machines_or_none_under_our_token():
    made = parameters()
    assert (made["MinCount"], made["MaxCount"], made["ClientToken"]) == (2, 2, TOKEN)
    assert made == parameters()


def test_the_metadata_service_wants_tokens():
    assert parameters()["MetadataOptions"]["HttpTokens"] == "required"


def test_only_on_demand_machines_end_by_a_shutdown():
    assert parameters()["InstanceInitiatedShutdownBehavior"] == "terminate"
    assert "InstanceMarketOptions" not in parameters()
    spot = parameters(order(replace(OFFER, spot=True)))
    assert "InstanceInitiatedShutdownBehavior" not in spot
    assert spot["InstanceMarketOptions"] == {
        "MarketType": "spot",
        "SpotOptions": {
            "SpotInstanceType": "one-time",
            "InstanceInterruptionBehavior": "terminate",
        },
    }


def test_everything_is_tagged():
    kinds = [tags["ResourceType"] for tags in parameters()["TagSpecifications"]]
    assert kinds == ["instance", "volume", "network-interface"]
    spot = parameters(order(replace(OFFER, spot=True)))["TagSpecifications"]
    assert spot[-1]["ResourceType"] == "spot-instances-request"
    tags = {tag["Key"]: tag["Value"] for tag in spot[-1]["Tags"]}
    assert (tags["arb-token"], tags["arb-owner"], tags["Name"]) == (TOKEN, "ownerabc", TOKEN)


def test_disk_and_image_are_the_tasks():
    (disk,) = parameters(order(disk_gib=250.5), image=Image("ami-1", "/dev/xvda"))[
        "BlockDeviceMappings"
    ]
    assert disk["DeviceName"] == "/dev/xvda"
    assert disk["Ebs"] == {"VolumeSize": 251, "VolumeType": "gp3", "DeleteOnTermination": True}
    (least,) = parameters(order(disk_gib=10), image=Image("ami-1", least_gib=75))[
        "BlockDeviceMappings"
    ]
    assert least["Ebs"]["VolumeSize"] == 75
    (usual,) = parameters(settings=Settings(disk_gib=120, disk_type="gp2"))["BlockDeviceMappings"]
    assert (usual["Ebs"]["VolumeSize"], usual["Ebs"]["VolumeType"]) == (120, "gp2")


def test_the_interface_is_in_the_subnet_and_the_group():
    (interface,) = parameters()["NetworkInterfaces"]
    assert (interface["SubnetId"], interface["Groups"]) == ("subnet-1", ["sg-1"])
    assert interface["AssociatePublicIpAddress"] is True
    private = parameters(settings=Settings(public_ip=False))
    assert private["NetworkInterfaces"][0]["AssociatePublicIpAddress"] is False
    tags = {t["Key"]: t["Value"] for t in private["TagSpecifications"][0]["Tags"]}
    assert tags["arb-address"] == "private"


@pytest.mark.parametrize(
    ("named", "how"), [("arb-role", "Name"), ("arn:aws:iam::1:instance-profile/arb", "Arn")]
)
def test_an_instance_profile_is_named_or_an_arn(named, how):
    assert parameters(settings=Settings(instance_profile=named))["IamInstanceProfile"] == {
        how: named
    }


def test_long_user_data_is_packed_the_same_every_time():
    setup = replace(SETUP, files=(NodeFile("/etc/x", "line of text\n" * 3000),))
    packed = user_data(setup)
    assert len(packed) <= MOST_USER_DATA
    assert gzip.decompress(packed).decode() == setup.user_data()
    assert packed == user_data(setup)
    assert user_data(SETUP) == SETUP.user_data().encode()


def test_user_data_that_is_too_long_is_refused_before_the_order():
    import secrets

    setup = replace(SETUP, files=(NodeFile("/etc/x", secrets.token_hex(MOST_USER_DATA)),))
    with pytest.raises(RequestError, match="16 KB"):
        user_data(setup)


def test_labels_become_tags_that_ec2_takes():
    labels = {
        "aws:team": "a",
        "Cost Center": "R&D",
        "x" * 200: "y" * 300,
        "arb-token": "mine",
        "": "z",
    }
    many = {f"k{n:03}": "v" for n in range(80)}
    tags = tags_of(order(labels={**labels, **many}))
    assert tags["arb-token"] == TOKEN
    assert tags["Cost Center"] == "R&D"
    assert len(tags) <= 50
    assert all(0 < len(k) <= 128 and len(v) <= 256 for k, v in tags.items())
    assert not any(key.lower().startswith("aws:") for key in tags)


def test_the_document_of_the_core_fits(account):
    request = account.request()
    assert len(user_data(request.setups[0])) < 12 * 1024
    assert json.loads(user_data(request.setups[0]).decode().partition("\n")[2])
