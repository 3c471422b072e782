"""The simulated AWS, driven by boto3 as anybody's program would: it says what the facts say."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest
from support.command import eventually

from arb.nodes.keys import generate_key
from arb.nodes.ssh import SshNode
from arb.nodes.user_data import node_setup
from arb.types import HostKey, SshEndpoint
from clouds.aws import OTHER_KEY, OWN_KEY, SECRET, shop

pytest.importorskip("moto", reason="the simulated AWS stands on it")
botocore_errors = pytest.importorskip("botocore.exceptions", reason="its client speaks the API")
RECORDED = Path(__file__).parents[2] / "plugins" / "arb-aws" / "tests" / "data"
UBUNTU = "ami-0aaa0000000000001"
GPU = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id"


def recorded(name):
    return json.loads((RECORDED / f"{name}.json").read_text())


@cache
def session():
    """Return a session; reading botocore's description of EC2 takes longer than most tests."""
    import boto3

    return boto3.session.Session()


@pytest.fixture
def connect(paper_aws):
    """Return what makes clients without hidden retries."""
    from botocore.config import Config

    def client(service="ec2", region="us-east-1", key=OWN_KEY, cloud=paper_aws):
        return session().client(
            service,
            region_name=region,
            endpoint_url=cloud.url,
            aws_access_key_id=key,
            aws_secret_access_key=SECRET,
            config=Config(retries={"total_max_attempts": 1}),
        )

    return client


@pytest.fixture
def ec2(connect):
    return connect()


def run(ec2, count=1, **changes):
    order = {
        "ImageId": UBUNTU,
        "InstanceType": "t3.micro",
        "MinCount": count,
        "MaxCount": count,
        "Placement": {"AvailabilityZone": "us-east-1a"},
    }
    return ec2.run_instances(**(order | changes))["Instances"]


def spot(**more):
    return {"InstanceMarketOptions": {"MarketType": "spot", "SpotOptions": more}}


def refused(code):
    return pytest.raises(botocore_errors.ClientError, match=rf"\({re.escape(code)}\)")


def shown(ec2, *ids):
    wanted = {"InstanceIds": list(ids)} if ids else {}
    said = ec2.describe_instances(**wanted)["Reservations"]
    return [i for r in said for i in r["Instances"]]


def state(ec2, id_):
    (instance,) = shown(ec2, id_)
    return instance["State"]["Name"], instance.get("StateReason", {}).get("Code", "")


def like(answer, example, leave=()):
    """Say what of a recorded answer is missing in one, or of another kind."""
    if isinstance(example, dict):
        return [
            fault
            for name, value in example.items()
            if name not in leave
            for fault in ([name] if name not in answer else like(answer[name], value, leave))
        ]
    if isinstance(example, list):
        return like(answer[0], example[0], leave) if example and answer else []
    return []


# -- shapes --------------------------------------------------------------------------------

_NEW = {
    "AttachmentLimitType", "ConnectionTrackingConfiguration", "EnaSrdSupported", "FlexibleEnaQueuesSupport",
    "GpuPartitionSize", "Ipv4AddressesPerSecondaryInterface", "LogicalGpuCount", "MaximumEbsAttachments",
    "RebootMigrationSupport", "SecondaryNetworkSupported", "SupportedInRegion", "Workloads",
}  # fmt: skip
"""What the oldest botocore that we allow does not read."""
_VARIES = {"Association", "SpotInstanceRequestId", "InstanceLifecycle", "PublicDnsName", "Tags"}
_VARIES |= {"PublicIpAddress", "HibernationOptions", "SecurityGroups", "Groups", "OwnerId"}


def test_instances_look_like_the_recorded_ones(ec2, paper_aws):
    paper_aws.configure(boot_delay_s=30)
    (bought,) = run(ec2, **spot())
    example = recorded("run-instances-response")["Instances"][0]
    assert like(bought, example, _VARIES) == []
    assert (bought["State"]["Name"], "PublicIpAddress" in bought) == ("pending", False)
    paper_aws.advance(31)
    (running,) = shown(ec2)
    example = recorded("describe-instances-running")["Reservations"][0]["Instances"][0]
    assert like(running, example, _VARIES) == []
    assert running["PublicIpAddress"] == running["PrivateIpAddress"]
    assert running["InstanceLifecycle"] == "spot"
    paper_aws.preempt(running["InstanceId"])
    (taken,) = shown(ec2)
    example = recorded("describe-instances-interrupted")["Reservations"][0]["Instances"][0]
    assert like(taken, example, _VARIES) == []
    assert taken["StateReason"] == example["StateReason"] | {
        "Message": taken["StateReason"]["Message"]
    }


def test_types_prices_and_offerings_look_like_the_recorded_ones(ec2, connect):
    said = ec2.describe_instance_types(InstanceTypes=["p5.48xlarge"])["InstanceTypes"]
    example = recorded("describe-instance-types")["InstanceTypes"]
    assert like(said[0], example[1], _NEW) == []
    history = ec2.describe_spot_price_history(InstanceTypes=["p5.48xlarge"], MaxResults=5)
    assert like(history, recorded("spot-price-history")) == []
    filters = {"instanceType": "p5.48xlarge", "regionCode": "us-east-1", "operatingSystem": "Linux"}
    filters |= {"tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used"}
    terms = [{"Type": "TERM_MATCH", "Field": f, "Value": v} for f, v in filters.items()]
    products = connect("pricing").get_products(ServiceCode="AmazonEC2", Filters=terms)
    (text,) = products["PriceList"]
    (example,) = recorded("pricing-get-products")["PriceList"]
    assert set(json.loads(text)) >= {"product", "terms", "version"}
    attributes = json.loads(example)["product"]["attributes"]
    assert (
        json.loads(text)["product"]["attributes"].items()
        >= {k: v for k, v in attributes.items() if k not in {"memory", "gpu"}}.items()
    )


def test_a_filter_that_is_left_out_brings_other_products(connect):
    terms = [{"Type": "TERM_MATCH", "Field": "instanceType", "Value": "p5.48xlarge"}]
    whole = connect("pricing").get_products(ServiceCode="AmazonEC2", Filters=terms)["PriceList"]
    systems = {json.loads(text)["product"]["attributes"]["operatingSystem"] for text in whole}
    assert systems == {"Linux", "Windows"}


def test_lists_have_pages(ec2, paper_aws):
    paper_aws.configure(page_size=3)
    first = ec2.describe_instance_types(MaxResults=100)
    assert (len(first["InstanceTypes"]), bool(first["NextToken"])) == (3, True)
    more = ec2.describe_instance_types(MaxResults=100, NextToken=first["NextToken"])
    assert more["InstanceTypes"][0]["InstanceType"] != first["InstanceTypes"][0]["InstanceType"]
    paper_aws.configure(page_size=1)
    run(ec2)
    run(ec2)
    assert ec2.describe_instances()["NextToken"]
    pages = ec2.get_paginator("describe_instances").paginate()
    assert len([r for page in pages for r in page["Reservations"]]) == 2


# -- orders --------------------------------------------------------------------------------


def test_all_or_none(ec2, paper_aws):
    paper_aws.set_capacity("t3.micro@us-east-1/use1-az6#on-demand", 2)
    with refused("InsufficientInstanceCapacity") as caught:
        run(ec2, 3)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert "us-east-1b" in str(caught.value)
    assert paper_aws.ledger().entries == []
    assert len(run(ec2, 2)) == 2
    paper_aws.set_capacity("t3.micro@us-east-1/use1-az1#on-demand", 2)
    assert len(run(ec2, 1, MaxCount=5, Placement={"AvailabilityZone": "us-east-1b"})) == 2


def test_a_token_orders_once_for_the_same_parameters_in_a_region(ec2, connect, paper_aws):
    first = run(ec2, 2, ClientToken="mine")
    again = run(ec2, 2, ClientToken="mine")
    assert [i["InstanceId"] for i in first] == [i["InstanceId"] for i in again]
    with refused("IdempotentParameterMismatch"):
        run(ec2, 1, ClientToken="mine")
    place = {"AvailabilityZone": "us-west-2a"}
    run(connect(region="us-west-2"), 2, ClientToken="mine", Placement=place)
    run(connect(key=OTHER_KEY), 2, ClientToken="mine")
    assert len(paper_aws.ledger().of("machine")) == 6


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"InstanceType": "x9.large"}, "InvalidInstanceType.NotFound"),
        ({"ImageId": "ami-0123456789abcdef0"}, "InvalidAMIID.NotFound"),
        ({"ImageId": "resolve:ssm:/nothing"}, "InvalidAMIID.NotFound"),
        ({"Placement": {"AvailabilityZone": "us-east-1z"}}, "InvalidParameterValue"),
        ({"SubnetId": "subnet-0123456789abcdef0"}, "InvalidSubnetID.NotFound"),
        (
            {"InstanceType": "g6.xlarge", "Placement": {"AvailabilityZone": "us-east-1e"}},
            "Unsupported",
        ),
        ({"InstanceType": "c7g.large"}, "InvalidParameterValue"),
        ({"UserData": "x" * 17_000}, "InvalidParameterValue"),
        ({"ClientToken": "x" * 65}, "InvalidParameterValue"),
        (
            {"SubnetId": "subnet-1", "NetworkInterfaces": [{"DeviceIndex": 0}]},
            "InvalidParameterCombination",
        ),
        (
            {**spot(), "InstanceInitiatedShutdownBehavior": "terminate"},
            "InvalidParameterCombination",
        ),
        ({"DryRun": True}, "DryRunOperation"),
        (
            {
                "TagSpecifications": [
                    {"ResourceType": "instance", "Tags": [{"Key": "aws:x", "Value": "y"}]}
                ]
            },
            "InvalidParameterValue",
        ),
        (
            {"BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 4}}]},
            "InvalidBlockDeviceMapping",
        ),
    ],
)
def test_wrong_orders_are_refused_and_make_nothing(ec2, paper_aws, changes, code):
    with refused(code):
        run(ec2, **changes)
    assert paper_aws.ledger().entries == []


def test_quotas_count_cpus_by_family_class_and_region(ec2, connect, paper_aws):
    paper_aws.set_quota("L-1216C47A@us-east-1", 4)
    run(ec2, 2)
    with refused("VcpuLimitExceeded"):
        run(ec2)
    run(ec2, **spot())
    paper_aws.set_quota("L-34B43A08@us-east-1", 2)
    with refused("MaxSpotInstanceCountExceeded"):
        run(ec2, **spot())
    run(connect(region="us-west-2"), Placement={"AvailabilityZone": "us-west-2a"})
    quota = connect("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode="L-1216C47A")
    assert quota["Quota"]["Value"] == 4


def test_everything_that_is_made_is_in_the_ledger_and_ends_with_its_machine(ec2, paper_aws):
    tags = [{"Key": "Name", "Value": "one"}]
    kinds = ("instance", "volume", "network-interface", "spot-instances-request")
    marked = [{"ResourceType": kind, "Tags": tags} for kind in kinds]
    (made,) = run(ec2, TagSpecifications=marked, **spot())
    group = ec2.create_security_group(GroupName="one", Description="x")["GroupId"]
    assert {(e.kind, e.name) for e in paper_aws.ledger().alive()} == {
        ("machine", "one"),
        ("volume", "one"),
        ("network-interface", "one"),
        ("spot-request", "one"),
        ("security-group", "one"),
    }
    assert ec2.describe_volumes()["Volumes"][0]["Tags"] == tags
    ec2.terminate_instances(InstanceIds=[made["InstanceId"]])
    assert [e.kind for e in paper_aws.ledger().alive()] == ["security-group"]
    assert ec2.describe_volumes()["Volumes"] == []
    ec2.delete_security_group(GroupId=group)
    assert paper_aws.ledger().alive() == []


# -- life ----------------------------------------------------------------------------------


def test_a_machine_lives_and_ends_by_the_clouds_clock(ec2, paper_aws):
    paper_aws.configure(boot_delay_s=30, end_delay_s=40, stop_delay_s=20)
    (made,) = run(ec2)
    id_ = made["InstanceId"]
    with refused("IncorrectInstanceState"):
        ec2.stop_instances(InstanceIds=[id_])
    paper_aws.advance(31)
    assert state(ec2, id_) == ("running", "")
    ec2.stop_instances(InstanceIds=[id_])
    assert state(ec2, id_) == ("stopping", "Client.UserInitiatedShutdown")
    with refused("IncorrectInstanceState"):
        ec2.start_instances(InstanceIds=[id_])
    paper_aws.advance(21)
    ec2.start_instances(InstanceIds=[id_])
    assert state(ec2, id_)[0] == "pending"
    paper_aws.advance(31)
    answer = ec2.terminate_instances(InstanceIds=[id_])["TerminatingInstances"][0]
    assert (answer["PreviousState"]["Name"], answer["CurrentState"]["Name"]) == (
        "running",
        "shutting-down",
    )
    paper_aws.advance(41)
    assert state(ec2, id_) == ("terminated", "Client.UserInitiatedShutdown")
    ec2.terminate_instances(InstanceIds=[id_])  # again is no error
    paper_aws.advance(3601)
    assert shown(ec2) == []
    with refused("InvalidInstanceID.NotFound"):
        ec2.terminate_instances(InstanceIds=[id_])


def test_listings_lag_and_so_does_what_can_be_ended(ec2, paper_aws):
    paper_aws.configure(listing_lag_s=30)
    (made,) = run(ec2)
    assert shown(ec2) == []
    with refused("InvalidInstanceID.NotFound"):
        ec2.terminate_instances(InstanceIds=[made["InstanceId"]])
    paper_aws.advance(31)
    assert len(shown(ec2)) == 1


def test_spot_machines_cannot_be_stopped(ec2):
    (made,) = run(ec2, **spot())
    with refused("UnsupportedOperation"):
        ec2.stop_instances(InstanceIds=[made["InstanceId"]])


def test_an_order_may_be_taken_and_come_to_nothing(ec2, paper_aws):
    paper_aws.configure(boots="fail", boot_delay_s=10)
    (made,) = run(ec2)
    paper_aws.advance(11)
    assert state(ec2, made["InstanceId"]) == ("terminated", "Server.InsufficientInstanceCapacity")


def test_a_group_in_use_stays(ec2):
    group = ec2.create_security_group(GroupName="g", Description="x")["GroupId"]
    (made,) = run(ec2, SecurityGroupIds=[group])
    with refused("DependencyViolation"):
        ec2.delete_security_group(GroupId=group)
    ec2.terminate_instances(InstanceIds=[made["InstanceId"]])
    ec2.delete_security_group(GroupId=group)
    with refused("InvalidGroup.NotFound"):
        ec2.delete_security_group(GroupId=group)


def test_zones_may_be_shown_by_id(ec2, paper_aws):
    paper_aws.configure(shows_zone_ids=True)
    run(ec2)
    assert shown(ec2)[0]["Placement"]["AvailabilityZoneId"] == "use1-az6"


# -- accounts ------------------------------------------------------------------------------


def test_keys_that_nobody_has_are_refused_by_every_service(connect):
    for service, code, call in (
        ("ec2", "AuthFailure", lambda c: c.describe_instances()),
        ("sts", "InvalidClientTokenId", lambda c: c.get_caller_identity()),
        ("ssm", "UnrecognizedClientException", lambda c: c.get_parameters(Names=[GPU])),
    ):
        with refused(code):
            call(connect(service, key="AKIANOBODYSKEYTEST03"))


def test_a_region_that_is_not_enabled_does_not_know_the_key(connect):
    with refused("AuthFailure"):
        connect(region="eu-west-1").describe_instances()


def test_a_permission_can_be_taken_away(ec2, connect, paper_aws):
    paper_aws.deny("ec2:RunInstances", names=["pricing:GetProducts"])
    with refused("UnauthorizedOperation"):
        run(ec2, DryRun=True)
    with refused("AccessDeniedException"):
        connect("pricing").get_products(ServiceCode="AmazonEC2")


def test_accounts_do_not_see_each_other(ec2, connect, paper_aws):
    run(ec2)
    assert shown(connect(key=OTHER_KEY)) == []
    accounts = {
        connect("sts", key=k).get_caller_identity()["Account"] for k in (OWN_KEY, OTHER_KEY)
    }
    assert accounts == {paper_aws.accounts.own, paper_aws.accounts.other}


def test_what_is_somebody_elses_is_shown_and_noticed_when_it_is_ended(ec2, paper_aws):
    id_ = paper_aws.add_foreign("web")
    paper_aws.add_foreign("web", "security-group")
    assert [i["InstanceId"] for i in shown(ec2)] == [id_]
    ec2.terminate_instances(InstanceIds=[id_])
    assert [e.id for e in paper_aws.ledger().harmed()] == [id_]
    paper_aws._entries.clear()  # what the fixture looks at in the end


# -- prices and images ---------------------------------------------------------------------


def test_spot_prices_differ_by_zone_and_only_the_one_in_force_is_told_from_now_on(ec2, paper_aws):
    from datetime import UTC, datetime

    paper_aws.set_spot_price("g6.xlarge", "use1-az6", 0.33)
    now = datetime.fromtimestamp(paper_aws.clock.now(), UTC)
    asked = {"InstanceTypes": ["g6.xlarge"], "ProductDescriptions": ["Linux/UNIX"]}
    current = ec2.describe_spot_price_history(**asked, StartTime=now)["SpotPriceHistory"]
    prices = {p["AvailabilityZoneId"]: float(p["SpotPrice"]) for p in current}
    assert prices["use1-az6"] == 0.33
    assert set(prices) == set(shop.offered("us-east-1")["g6.xlarge"])
    whole = ec2.describe_spot_price_history(**asked)["SpotPriceHistory"]
    assert len(whole) == 2 * len(current)
    with pytest.raises(botocore_errors.ClientError):
        ec2.describe_instance_types(InstanceTypes=["no.such"])


@pytest.mark.parametrize("gpu", [True, False])
def test_parameters_lead_to_images(ec2, connect, paper_aws, gpu):
    paper_aws.configure(gpu_names=gpu)
    found = connect("ssm").get_parameters(Names=[GPU, "/nothing"])
    assert ("/nothing" in found["InvalidParameters"]) is True
    assert (GPU in {p["Name"] for p in found["Parameters"]}) is gpu
    names = [{"Name": "name", "Values": ["Deep Learning Base OSS Nvidia Driver GPU AMI *"]}]
    (image,) = ec2.describe_images(Owners=["amazon"], Filters=names)["Images"]
    assert image["RootDeviceName"] == "/dev/sda1"
    assert ec2.describe_images(Owners=["099720109477"], Filters=names)["Images"] == []


def test_buckets_are_motos(connect):
    s3 = connect("s3")
    s3.create_bucket(Bucket="of-tests")
    s3.put_object(Bucket="of-tests", Key="a/b", Body=b"text")
    assert s3.get_object(Bucket="of-tests", Key="a/b")["Body"].read() == b"text"
    assert s3.head_bucket(Bucket="of-tests")["BucketRegion"] == "us-east-1"
    with refused("404"):
        s3.head_bucket(Bucket="not-there")


# -- faults and nodes ----------------------------------------------------------------------


def test_a_refusal_can_be_put_into_its_mouth(ec2, paper_aws):
    paper_aws.say("RunInstances", "SpotMaxPriceTooLow", "too low")
    with refused("SpotMaxPriceTooLow"):
        run(ec2)
    run(ec2)


def test_one_region_can_fail_alone(ec2, connect, paper_aws):
    paper_aws.configure(failing_regions=["us-east-1"])
    with refused("Unavailable"):
        ec2.describe_instances()
    assert shown(connect(region="us-west-2")) == []


def test_user_data_makes_a_node_that_one_can_log_in_to_packed_or_not(aws, connect):
    import gzip

    client, host = generate_key(), generate_key()
    setup = node_setup("t", None, client.public, HostKey(host.public, host.private), 1800)
    ec2 = connect(cloud=aws)
    for data in (setup.user_data().encode(), gzip.compress(setup.user_data().encode())):
        (made,) = run(ec2, UserData=data)
        (said,) = shown(ec2, made["InstanceId"])
        endpoint = SshEndpoint(said["PublicIpAddress"], aws.nodes.port, "ubuntu")
        with SshNode(endpoint, client, host.public) as ssh:
            eventually(lambda ssh=ssh: _echo(ssh), what="the node")


def _echo(ssh):
    from arb.errors import NodeUnreachable

    try:
        return ssh.exec("echo here").stdout == b"here\n"
    except NodeUnreachable:
        return False
