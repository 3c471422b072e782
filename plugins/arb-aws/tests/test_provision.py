"""Buying on the simulated AWS."""

from __future__ import annotations

import pytest

from arb.errors import (
    CapacityError,
    CredentialsError,
    ProviderUnavailable,
    QuotaError,
    RateLimited,
    RequestError,
    Scope,
)
from arb.types import GoneReason, InstanceState

ORDER = "RunInstances"


def orders(cloud):
    return cloud.ledger().count(ORDER)


def moto(account, id_):
    return account.cloud.engine.records[id_].instance


def test_a_machine_is_where_and_what_was_bought(account):
    request, result, (machine,) = account.buy(count=1, ports=("8080", "9000-9010"))
    assert (machine.zone, machine.instance_type) == ("use1-az1", "g6.xlarge")
    assert result.account == account.cloud.accounts.own
    instance = moto(account, machine.id)
    assert instance.metadata_options.http_tokens == "required"
    assert instance.instance_initiated_shutdown_behavior == "terminate"
    assert instance.get_tags()[0]["key"] in {"Name", "arb-token", "arb-owner", "arb-cluster"}
    (group,) = instance.nics[0].group_set
    open_to = {
        (r.from_port, r.to_port): (r.ip_range or {}).get("CidrIp") for r in group.ingress_rules
    }
    assert open_to[2222, 2222] == open_to[8080, 8080] == open_to[9000, 9010] == "0.0.0.0/0"
    assert any(r.ip_protocol == "-1" and r.source_group for r in group.ingress_rules)
    assert request.token == group.name


def test_a_gang_is_one_call(account):
    _, result, machines = account.buy(count=3)
    assert orders(account.cloud) == 1
    assert [m.id for m in result.instances] == [m.id for m in machines]
    assert all(m.state is InstanceState.PENDING or m.address for m in result.instances)


def test_spot_is_ordered_as_spot_without_a_shutdown_behaviour(account):
    _, _, (machine,) = account.buy(account.offer(spot=True))
    assert machine.spot
    assert moto(account, machine.id).lifecycle == "spot"
    kinds = {e.kind for e in account.cloud.ledger().alive()}
    assert "spot-request" in kinds


@pytest.mark.parametrize("spot", [False, True], ids=["on-demand", "spot"])
def test_no_stock_is_heard_after_one_call_and_leaves_nothing(account, spot):
    offer = account.offer(spot=spot)
    account.cloud.set_capacity(f"g6.xlarge@us-east-1/use1-az1#{'spot' if spot else 'on-demand'}", 0)
    with pytest.raises(CapacityError) as caught:
        account.provision(account.request(offer))
    assert (caught.value.scope, orders(account.cloud)) == (Scope.ZONE, 1)
    assert account.cloud.ledger().alive() == []


def test_a_quota_names_its_family(account):
    account.cloud.set_quota("L-DB2E81BA@us-east-1", 8)
    with pytest.raises(QuotaError) as caught:
        account.provision(account.request(count=3))
    assert (caught.value.scope, caught.value.family) == (Scope.QUOTA_FAMILY, "G-VT")
    account.provision(account.request(count=2))


def test_the_same_order_again_is_the_same_machines_and_another_one_under_its_token_is_no_refusal(
    account,
):
    request = account.request(count=2)
    first, second = account.provision(request), account.provision(request)
    assert [i.id for i in first.instances] == [i.id for i in second.instances]
    account.options["disk_gib"] = 333
    with pytest.raises(ProviderUnavailable) as caught:
        account.provision(request)
    assert (caught.value.code, caught.value.never_sent) == ("aws-token-used", False)
    assert len(account.cloud.ledger().alive("machine")) == 2


def test_a_lost_answer_may_have_made_something_and_a_broken_look_up_not(account):
    account.cloud.fault("drop", match=ORDER)
    with pytest.raises(ProviderUnavailable) as caught:
        account.provision(account.request())
    assert not caught.value.never_sent
    account.cloud.fault("status", match="DescribeSubnets", count=9)
    with pytest.raises(ProviderUnavailable) as caught:
        account.provision(account.request())
    assert (caught.value.never_sent, caught.value.scope) == (True, Scope.REGION)
    assert len(account.cloud.ledger().alive("machine")) == 1


def test_a_limit_of_orders_is_told_and_not_slept_on(account):
    account.cloud.say(ORDER, "RequestLimitExceeded", status=503)
    with pytest.raises(RateLimited) as caught:
        account.provision(account.request())
    assert (caught.value.retry_after_s, orders(account.cloud)) == (5, 1)


def test_the_zone_of_a_configured_subnet_is_used_and_no_other(account):
    account.provision(account.request())
    subnets = account.cloud._insides[account.cloud.accounts.own].ec2("us-east-1").subnets
    own = next(iter(subnets["us-east-1b"]))  # use1-az1
    account.options["subnets"] = {"us-east-1": [own]}
    _, _, (machine,) = account.buy()
    assert moto(account, machine.id).subnet_id == own
    with pytest.raises(RequestError, match="no subnet that is configured") as caught:
        account.provision(account.request(account.offer(zone="use1-az2")))
    assert caught.value.scope is Scope.ZONE


def test_without_a_default_vpc_the_region_is_closed(account):
    account.provision(account.request())
    backend = account.cloud._insides[account.cloud.accounts.own].ec2("us-east-1")
    for subnets in backend.subnets.values():
        for subnet in subnets.values():
            subnet.default_for_az = False
    with pytest.raises(RequestError) as caught:
        account.provision(account.request())
    assert (caught.value.scope, caught.value.code) == (Scope.REGION, "aws-no-vpc")


def test_a_region_that_is_off_closes_itself_and_not_the_provider(account):
    offer = account.offer()
    account.cloud.say(ORDER, "OptInRequired", status=401)
    with pytest.raises(RequestError) as caught:
        account.provision(account.request(offer))
    assert (caught.value.scope, caught.value.code) == (Scope.REGION, "aws-region-off")
    account.cloud.configure(regions=("us-west-2",))
    with pytest.raises(RequestError) as caught:  # every call there is AuthFailure
        account.provision(account.request(offer))
    assert caught.value.scope is Scope.REGION


def test_a_permission_that_is_missing_drops_the_provider_and_a_policy_of_the_organization_a_region(
    account,
):
    account.cloud.deny("ec2:RunInstances")
    with pytest.raises(CredentialsError) as caught:
        account.provision(account.request())
    assert "arb check aws" in caught.value.hint
    account.cloud.deny("ec2:RunInstances", why="with an explicit deny in a service control policy")
    with pytest.raises(RequestError) as caught:
        account.provision(account.request())
    assert caught.value.scope is Scope.REGION
    assert account.cloud.ledger().alive() == []


def test_a_role_that_spot_takes_closes_spot_alone_and_says_how_to_make_it(account):
    code = "AuthFailure.ServiceLinkedRoleCreationNotPermitted"
    account.cloud.say(ORDER, code, status=403)
    with pytest.raises(RequestError, match="iam:CreateServiceLinkedRole") as caught:
        account.provision(account.request(account.offer(spot=True)))
    assert caught.value.scope is Scope.REGION  # of the class that was ordered
    assert "aws iam create-service-linked-role" in caught.value.hint


def test_an_order_that_ends_while_it_is_made_is_a_late_refusal(account):
    account.cloud.configure(boots="fail", boot_delay_s=5)
    request = account.request(count=2)
    result = account.provision(request)
    account.cloud.advance(6)
    with pytest.raises(CapacityError, match="InsufficientInstanceCapacity") as caught:
        account.poll(request, result)
    assert (caught.value.scope, caught.value.made) == (Scope.ZONE, ())


@pytest.mark.parametrize(
    ("reason", "kind", "scope"),
    [
        ("Client.InvalidKMSKey.InvalidState", RequestError, Scope.REGION),
        ("Client.VolumeLimitExceeded", QuotaError, Scope.REGION),
        ("Server.InternalError", CapacityError, Scope.ZONE),
    ],
)
def test_a_late_refusal_covers_what_its_reason_says(account, monkeypatch, reason, kind, scope):
    from clouds.aws import engine

    monkeypatch.setitem(engine._REASONS, "failed-start", reason)
    account.cloud.configure(boots="fail", boot_delay_s=5)
    request = account.request()
    result = account.provision(request)
    account.cloud.advance(6)
    with pytest.raises(kind) as caught:
        account.poll(request, result)
    assert caught.value.scope is scope


def test_a_machine_that_is_taken_while_it_boots_is_told_as_such(account):
    account.cloud.configure(boots="taken", boot_delay_s=5)
    request = account.request(account.offer(spot=True))
    result = account.provision(request)
    account.cloud.advance(6)
    (machine,) = account.poll(request, result)
    assert (machine.state, machine.reason) == (InstanceState.GONE, GoneReason.PREEMPTED)


@pytest.mark.parametrize("gpu_names", [True, False])
def test_both_spellings_of_the_images_parameter_are_known(account, gpu_names):
    account.cloud.configure(gpu_names=gpu_names)
    account.buy()
    (call,) = [c for c in account.cloud.ledger().calls if c.operation == ORDER]
    assert "resolve%3Assm%3A%2Faws%2Fservice%2Fdeeplearning%2Fami%2Fx86_64" in call.body
    assert ("driver-gpu-ubuntu" in call.body) is gpu_names


@pytest.mark.parametrize(
    ("kind", "image", "why"),
    [
        ("g6.xlarge", "ami-0aaa0000000000003", "no parameters"),
        ("g5g.xlarge", "ami-0aaa0000000000004", "may not read them"),
        ("p3dn.24xlarge", "ami-0aaa0000000000005", "no parameters"),
        ("c7g.large", "ami-0aaa0000000000002", "no parameters"),
        ("inf2.xlarge", "ami-0aaa0000000000007", "no parameters"),
    ],
)
def test_without_parameters_the_newest_image_of_the_kind_is_found(account, why, kind, image):
    if why == "no parameters":
        account.cloud.configure(has_parameters=False)
    else:
        account.cloud.deny("ssm:GetParameters")
    zone = {"inf2.xlarge": "use1-az2"}.get(kind, "use1-az1")
    _, _, (machine,) = account.buy(account.offer(kind, zone))
    assert moto(account, machine.id).image_id == image


def test_the_users_image_says_whom_it_lets_in_and_where_its_disk_is(account):
    _, result, (machine,) = account.buy(image="ami-0aaa0000000000006", disk_gib=30)
    assert '"user": "ec2-user"' in result.handle
    assert machine.payload == result.handle
    instance = moto(account, machine.id)
    assert [device for device, _ in instance.get_block_device_mapping] == ["/dev/xvda"]


@pytest.mark.parametrize("image", ["ami-0123456789abcdef0", "my-image"])
def test_an_image_that_is_not_there_is_named_before_the_order(account, image):
    with pytest.raises(RequestError, match=image) as caught:
        account.provision(account.request(image=image))
    assert caught.value.code == "aws-image"
    assert orders(account.cloud) == 0


def test_a_disk_that_the_image_does_not_fit_on_says_what_to_do(account):
    with pytest.raises(RequestError, match="smaller than snapshot") as caught:
        account.provision(account.request(disk_gib=20))
    assert "disk_size" in caught.value.hint
    assert caught.value.scope is Scope.PROVIDER


def test_a_group_that_is_not_known_everywhere_yet_is_waited_for(account):
    for action in ("AuthorizeSecurityGroupIngress", ORDER):
        account.cloud.say(action, "InvalidGroup.NotFound", count=2)
    _, _, (machine,) = account.buy()
    assert machine.address
    assert orders(account.cloud) == 3
    account.cloud.say(ORDER, "InvalidGroup.NotFound", count=9)
    with pytest.raises(RequestError):
        account.provision(account.request())


def test_without_the_zones_ids_machines_are_found_all_the_same(account):
    account.cloud.deny("ec2:DescribeAvailabilityZones")
    _, result, (machine,) = account.buy()
    assert machine.zone == "us-east-1b"
    assert account.terminate(account.ref(machine, result)).gone


def test_nothing_is_ordered_when_the_answer_would_come_too_late(account):
    request = account.request()
    account.budget_s = 9
    with pytest.raises(ProviderUnavailable) as caught:
        account.provision(request)
    assert caught.value.never_sent
    assert orders(account.cloud) == 0


def test_rules_that_are_refused_leave_no_group(account):
    account.cloud.say("AuthorizeSecurityGroupIngress", "RulesPerSecurityGroupLimitExceeded")
    with pytest.raises(QuotaError):
        account.provision(account.request())
    account.cloud.deny("ec2:AuthorizeSecurityGroupIngress")
    with pytest.raises(CredentialsError, match="ec2:AuthorizeSecurityGroupIngress"):
        account.provision(account.request())
    assert account.cloud.ledger().alive() == []


def test_a_group_whose_making_was_not_answered_is_found_and_waited_for(account):
    from clouds.aws.xml import ec2_answer

    nothing = ec2_answer("DescribeSecurityGroups", "securityGroupInfo", ()).body
    shown = {"match": "DescribeSecurityGroups", "status": 200, "body": nothing}
    account.cloud.fault("drop", match="CreateSecurityGroup")
    account.cloud.fault("status", count=2, **shown)
    account.buy()
    account.cloud.fault("drop", match="CreateSecurityGroup")
    account.cloud.fault("status", count=99, **shown)
    with pytest.raises(ProviderUnavailable, match="not shown yet") as caught:
        account.provision(account.request())
    assert caught.value.never_sent


def test_where_a_parameters_name_is_no_image_what_it_holds_is_ordered(account):
    account.cloud.say(ORDER, "InvalidAMIID.Malformed", 'Invalid id: "resolve:ssm:..."')
    _, _, (machine,) = account.buy()
    assert moto(account, machine.id).image_id == "ami-0aaa0000000000003"
    account.cloud.say(ORDER, "InvalidAMIID.NotFound", count=2)
    with pytest.raises(RequestError) as caught:
        account.provision(account.request())
    assert caught.value.scope is Scope.REGION


@pytest.mark.parametrize("error", [OSError(101, "unreachable"), KeyError("x"), RuntimeError("x")])
def test_whatever_breaks_while_an_order_is_answered_may_have_made_something(
    account, monkeypatch, error
):
    from botocore.httpsession import URLLib3Session

    request, send = account.request(), URLLib3Session.send

    def broken(session, prepared):
        answer = send(session, prepared)
        if "Action=RunInstances" in str(prepared.body):
            raise error
        return answer

    monkeypatch.setattr(URLLib3Session, "send", broken)
    with pytest.raises(ProviderUnavailable) as caught:
        account.provision(request)
    assert not caught.value.never_sent
    assert len(account.cloud.ledger().alive("machine")) == 1


def test_an_answer_without_machines_may_have_made_some(account):
    body = "<RunInstancesResponse><requestId>1</requestId></RunInstancesResponse>"
    account.cloud.fault("status", match=ORDER, status=200, body=body)
    with pytest.raises(ProviderUnavailable, match="cannot be read") as caught:
        account.provision(account.request())
    assert not caught.value.never_sent
