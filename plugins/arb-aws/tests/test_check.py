"""What `arb check` says, and what the session of a bucket may do."""

from __future__ import annotations

import json

import pytest
from clouds.aws import OWN_KEY, SECRET

from arb.errors import CredentialsError, ProviderUnavailable, UsageError
from arb.types import CheckStatus, InstanceRef
from arb_aws import plugin, stores
from arb_aws.buckets import bucket_policy
from arb_aws.policy import least_policy
from arb_aws.settings import Settings


def check(customer):
    return plugin.arb_check(customer.context())


def test_an_account_that_may_everything_is_named_with_its_region(account):
    result = check(account)
    assert result.status is CheckStatus.OK
    assert account.cloud.accounts.own in result.summary
    assert set(result.may) == {
        "list", "look", "launch", "open ports", "find images", "spot prices", "on-demand prices",
    }  # fmt: skip
    assert account.cloud.ledger().entries == []


@pytest.mark.parametrize(
    ("denied", "what"),
    [
        ("ec2:RunInstances", "launch"),
        ("ec2:CreateSecurityGroup", "open ports"),
        ("pricing:GetProducts", "on-demand prices"),
        ("ssm:GetParameters", "find images"),
        ("ec2:DescribeRegions", "look"),
        ("ec2:DescribeImages", "look"),
        ("ec2:DescribeSubnets", "network"),
        ("ec2:DescribeVolumes", "look"),
    ],
)
def test_what_is_missing_is_named_with_the_policy_to_copy(account, denied, what):
    account.cloud.deny(denied)
    result = check(account)
    assert result.status is CheckStatus.LIMITED
    assert [text.partition(":")[0] for text in result.missing] == [what]
    assert denied in result.missing[0]
    assert denied in result.policy
    assert "--policy" in result.hint
    assert "aBcDeF0123456789" not in repr(result)


def test_a_region_that_the_organization_closed_says_what_to_set(account):
    account.cloud.configure(closed_regions=("us-east-1",))
    result = check(account)
    assert result.status is CheckStatus.LIMITED
    assert "provider_options.aws.regions" in result.hint
    assert "--policy" not in result.hint
    account.options["regions"] = ["us-west-2"]
    assert check(account).status is CheckStatus.OK


def test_every_look_that_is_missing_is_named_at_once(account):
    account.cloud.deny("ec2:DescribeVolumes", "ec2:DescribeInstanceTypes")
    (told,) = check(account).missing
    assert "ec2:DescribeInstanceTypes, ec2:DescribeVolumes" in told


def test_a_trial_of_an_order_tags_and_gives_a_role_as_orders_do(account):
    account.options["instance_profile"] = "for-machines"
    check(account)
    (call,) = [c for c in account.cloud.ledger().calls if c.operation == "RunInstances"]
    assert "IamInstanceProfile.Name=for-machines" in call.body
    assert "TagSpecification.3.ResourceType=network-interface" in call.body
    assert "arb-owner" in call.body


def test_no_default_vpc_says_what_to_do(account):
    account.buy()
    backend = account.cloud._insides[account.cloud.accounts.own].ec2("us-east-1")
    for subnets in backend.subnets.values():
        for subnet in subnets.values():
            subnet.default_for_az = False
    result = check(account)
    assert result.status is CheckStatus.LIMITED
    assert result.missing[0].startswith("network: ")
    assert "aws ec2 create-default-vpc --region us-east-1" in result.hint
    some = next(iter(backend.subnets["us-east-1b"]))
    account.options["subnets"] = {"us-east-1": [some]}
    assert check(account).status is CheckStatus.OK
    account.options["subnets"] = {"us-east-1": ["subnet-0123456789abcdef0"]}
    assert "subnet-0123456789abcdef0" in check(account).missing[0]


def test_no_gpu_quota_on_spot_is_told_by_itself(account):
    for code in ("L-7212CCBC", "L-C4BD4855", "L-3819A6DF"):
        account.cloud.set_quota(f"{code}@us-east-1", 0)
    (told,) = check(account).missing
    assert told.startswith("GPUs on spot:")
    assert "quota" in check(account).hint


def test_no_gpu_quota_at_all_is_told(account):
    for code in ("L-417A185B", "L-DB2E81BA"):
        account.cloud.set_quota(f"{code}@us-east-1", 0)
    result = check(account)
    assert result.status is CheckStatus.LIMITED
    assert result.missing[0].startswith("GPUs:")
    account.cloud.deny("servicequotas:GetServiceQuota")
    assert check(account).status is CheckStatus.OK


def test_the_first_region_of_the_option_is_tried(account):
    account.options["regions"] = ["us-west-2"]
    assert check(account).summary.endswith("us-west-2")
    account.cloud.configure(regions=("us-east-1",))
    result = check(account)
    assert result.status is CheckStatus.LIMITED
    told = [text for text in result.missing if text.startswith("launch")]
    assert told == ["launch: aws: region us-west-2 is not enabled for the account"]


def test_no_answer_and_no_credentials_are_told_apart(account, anybody):
    assert check(anybody).status is CheckStatus.NOT_CONFIGURED
    account.env["AWS_ACCESS_KEY_ID"] = "AKIANOBODYSKEYTEST03"
    assert check(account).status is CheckStatus.REFUSED
    account.env["AWS_ACCESS_KEY_ID"] = OWN_KEY
    account.cloud.fault("status", match="GetCallerIdentity", count=9)
    assert check(account).status is CheckStatus.UNREACHABLE


def test_the_policy_names_every_action_that_is_called(account):
    """What the simulated AWS was asked for in a whole life is in the policy."""
    from arb.types import ClusterRef

    request, result, machines = account.buy(account.offer(spot=True), ports=("8080",))
    cluster = account.cluster(request, result, machines)
    plugin.arb_open_ports(account.context(), cluster, ("9090",))
    _, of_demand, (machine,) = account.buy()
    refs = [account.ref(machine, of_demand)]
    plugin.arb_stop(account.context(), refs)
    plugin.arb_start(account.context(), refs)
    account.terminate(account.ref(machines[0], result))
    plugin.arb_cleanup(account.context(), cluster)
    plugin.arb_cleanup(account.context(), ClusterRef("x", "o", ("t",), frozenset(), handles=("",)))
    check(account)
    account.offers()
    account.list()
    actions = {a for s in json.loads(least_policy(Settings()))["Statement"] for a in s["Action"]}
    named = {action.partition(":")[2] for action in actions}
    called = {call.operation for call in account.cloud.ledger().calls} - {"GetCallerIdentity"}
    assert called <= named


def test_changes_are_allowed_on_what_carries_our_tag_only():
    statements = json.loads(least_policy(Settings(instance_profile="x")))["Statement"]
    changing = next(s for s in statements if "ec2:TerminateInstances" in s["Action"])
    assert changing["Condition"] == {"StringLike": {"aws:ResourceTag/arb-owner": "?*"}}
    assert any("iam:PassRole" in s["Action"] for s in statements)


# -- nodes ---------------------------------------------------------------------------------


def test_a_spot_machine_has_no_way_to_end_itself(account):
    for spot in (False, True):
        _, result, (machine,) = account.buy(account.offer(spot=spot))
        for handle in (result.handle, machine.payload):
            reference = InstanceRef("aws", machine.id, "us-east-1", machine.token, handle=handle)
            recipe = plugin.arb_self_terminate(reference)
            assert (recipe is None) is spot


@pytest.mark.parametrize(
    ("notice", "path"),
    [
        ("interruption", "latest/meta-data/spot/instance-action"),
        ("rebalance", "latest/meta-data/events/recommendations/rebalance"),
    ],
)
def test_the_warning_is_asked_for_with_a_token(account, notice, path):
    import urllib.error
    import urllib.request

    account.options |= {"notice": notice, "metadata_url": account.cloud.url}
    probe = plugin.arb_preemption_notice(account.context())
    assert probe.url == f"{account.cloud.url}/{path}"

    def ask(url, method="GET", headers=None):
        request = urllib.request.Request(url, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, ""

    assert ask(probe.url)[0] == 401
    _, token = ask(probe.token_url, "PUT", dict(probe.token_request_headers))
    shown = {probe.token_header: token}
    assert ask(probe.url, headers=shown)[0] == 404
    _, _, (machine,) = account.buy(account.offer(spot=True))
    account.cloud.configure(rebalance=True)
    account.cloud.preempt(machine.id, notice_s=120)
    status, text = ask(probe.url, headers=shown)
    assert status == 200
    wanted = {"interruption": {"action", "time"}, "rebalance": {"noticeTime"}}
    assert set(json.loads(text)) == wanted[notice]


def test_the_user_of_the_option_wins_over_the_images(account):
    _, _, (machine,) = account.buy(image="ami-0aaa0000000000006", disk_gib=30)
    assert plugin.arb_ssh_ports(account.context(), machine).user == "ec2-user"
    account.options["ssh_user"] = "me"
    assert plugin.arb_ssh_ports(account.context(), machine).user == "me"


def test_the_files_of_keys_and_profiles_are_what_a_node_may_be_given(account):
    assert plugin.arb_credential_mounts(account.context()) == {}
    folder = account.folder / "home" / ".aws"
    folder.mkdir(parents=True)
    (folder / "credentials").write_text("[default]\n")
    mounts = plugin.arb_credential_mounts(account.context())
    assert mounts == {"~/.aws/credentials": str(folder / "credentials")}


# -- buckets -------------------------------------------------------------------------------


@pytest.fixture
def bucket(account):
    import boto3

    keys = {"aws_access_key_id": OWN_KEY, "aws_secret_access_key": SECRET}
    where = {"region_name": "us-west-2", "endpoint_url": account.cloud.url}
    place = {"LocationConstraint": "us-west-2"}
    boto3.client("s3", **keys, **where).create_bucket(
        Bucket="of-tests", CreateBucketConfiguration=place
    )
    account.options = {"endpoint_url": account.cloud.url}
    return account


def test_a_bucket_is_opened_with_a_session_for_it_alone(bucket):
    remote = stores.arb_store_config(bucket.context(), "s3://of-tests/a/b/")
    assert (remote.type, remote.root) == ("s3", "of-tests/a/b")
    assert (remote.options["region"], remote.options["provider"]) == ("us-west-2", "AWS")
    assert set(remote.secrets) == {"access_key_id", "secret_access_key", "session_token"}
    assert SECRET not in remote.secrets.values()
    (call,) = [c for c in bucket.cloud.ledger().calls if c.operation == "GetFederationToken"]
    assert "arn%3Aaws%3As3%3A%3A%3Aof-tests%2F%2A" in call.body
    assert "wJalr" not in repr(remote)


def test_who_may_not_limit_a_session_gets_one_all_the_same(bucket):
    bucket.cloud.deny("sts:GetFederationToken")
    assert stores.arb_store_config(bucket.context(), "s3://of-tests").secrets["session_token"]
    bucket.cloud.deny("sts:GetSessionToken")
    with pytest.raises(CredentialsError):
        stores.arb_store_config(bucket.context(), "s3://of-tests")


def test_credentials_that_end_by_themselves_are_used_as_they_are(bucket):
    bucket.env["AWS_SESSION_TOKEN"] = "token-of-a-role"
    secrets = stores.arb_store_config(bucket.context(), "s3://of-tests").secrets
    assert secrets["session_token"] == "token-of-a-role"
    assert bucket.cloud.ledger().count("GetFederationToken") == 0


@pytest.mark.parametrize(
    ("uri", "code"), [("s3://not-there-at-all", "s3-no-bucket"), ("s3://UPPER_case", "s3-uri")]
)
def test_what_is_no_bucket_is_a_usage_error(bucket, uri, code):
    with pytest.raises(UsageError) as caught:
        stores.arb_store_config(bucket.context(), uri)
    assert caught.value.code == code


def test_a_bucket_of_somebody_else_and_no_answer_are_told_apart(bucket):
    bucket.cloud.deny("s3:HeadBucket")
    with pytest.raises(CredentialsError, match="may not"):
        stores.arb_store_config(bucket.context(), "s3://of-tests")
    bucket.cloud.allow()
    bucket.cloud.fault("status", match="HeadBucket", count=9)
    with pytest.raises(ProviderUnavailable):
        stores.arb_store_config(bucket.context(), "s3://of-tests")


def test_a_session_may_nothing_but_its_bucket():
    resources = {s["Resource"] for s in json.loads(bucket_policy("b"))["Statement"]}
    assert resources == {"arn:aws:s3:::b", "arn:aws:s3:::b/*"}
