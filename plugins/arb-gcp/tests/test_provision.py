"""Ordering: one machine a token whatever happens, and refusals that come at once or later."""

from __future__ import annotations

from dataclasses import replace

import pytest
from clouds.gcp.customer import CLIENT, Customer

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
from arb_gcp import plugin
from arb_gcp.bodies import request_id
from arb_gcp.handles import Handle

INSERT = "compute.instances.insert"
RULE = "compute.firewalls.insert"


def machines(account):
    return account.cloud.ledger().of("machine")


def rules(account):
    return {e.name for e in account.cloud.ledger().alive("firewall")}


def calls(account, operation=INSERT):
    return [call for call in account.cloud.ledger().calls if call.operation == operation]


def test_an_order_is_an_insert_a_machine_under_its_token(account):
    request = account.request(count=2)
    result = account.provision(request)
    assert {e.name for e in machines(account)} == {s.token for s in request.setups}
    assert result.account == "arb-test"
    assert result.instances == ()  # none exists before its operation is over
    handle = Handle.of(result.handle)
    assert (handle.project, handle.zone, handle.rules) == ("arb-test", "us-central1-a", True)
    assert handle.operations.keys() == {s.token for s in request.setups}


def test_the_machine_has_keys_files_and_commands(account):
    request, _, (machine,) = account.buy()
    data = account.cloud.find(machine.id).order.user_data
    assert CLIENT.public in data.authorized_keys
    assert data.host_key() == request.setups[0].host_key.private
    assert data.bringup_timeout_s() == 1800
    assert (machine.instance_type, machine.spot, machine.zone) == (
        "a2-highgpu-1g",
        False,
        "us-central1-a",
    )


def test_an_order_that_is_sent_again_makes_nothing_new(account):
    request = account.request(count=2)
    first, again = account.provision(request), account.provision(request)
    assert Handle.of(first.handle).operations == Handle.of(again.handle).operations
    assert first.account == again.account
    assert len(machines(account)) == 2
    assert len(rules(account)) == 2  # ssh and peers
    ids = {call.path.partition("requestId=")[2] for call in calls(account)}
    assert ids == {request_id(s.token) for s in request.setups}


def test_a_machine_that_another_order_made_under_our_name_is_adopted(account):
    request = account.request()
    account.provision(request)
    account.cloud.engine.log.forget_requests()  # Google remembers request ids for some time only
    again = account.provision(request)
    assert Handle.of(again.handle).operations == {}
    (machine,) = account.running(request, again)
    assert machine.id == request.setups[0].token
    assert len(machines(account)) == 1


def test_until_the_operation_is_over_there_is_no_machine(account):
    account.cloud.configure(operation_s=10)
    request = account.request()
    result = account.provision(request)
    assert account.poll(request, result) == []
    account.cloud.advance(11)
    (machine,) = account.poll(request, result)
    assert machine.state is InstanceState.RUNNING


def test_machines_show_one_by_one_in_rank_order(account):
    account.cloud.configure(boot_delay_s=30)
    request = account.request(count=3)
    result = account.provision(request)
    account.cloud.advance(1)
    polled = account.poll(request, result)
    assert [m.token for m in polled] == [s.token for s in request.setups]
    assert {m.state for m in polled} == {InstanceState.PENDING}
    assert {m.detail for m in polled} == {"STAGING"}


@pytest.mark.parametrize("shown", [True, False])
def test_no_stock_is_told_by_the_operation(account, shown):
    account.cloud.configure(is_shown_early=shown)
    account.cloud.set_capacity("a2-highgpu-1g@us-central1/us-central1-a", 1)
    request = account.request(count=2)
    result = account.provision(request)  # which says nothing yet
    account.cloud.advance(1)
    with pytest.raises(CapacityError, match="currently unavailable in the us-central1-a") as raised:
        account.poll(request, result)
    assert raised.value.scope is Scope.ZONE
    assert {m.id for m in raised.value.made} == {e.name for e in machines(account)}


def test_a_refused_gang_names_what_is_still_being_made(account):
    account.cloud.set_capacity("a2-highgpu-1g@us-central1/us-central1-a", 0)
    request = account.request(count=2)
    result = account.provision(request)
    account.cloud.advance(1)
    account.cloud.configure(is_shown_early=False)
    first, second = account.cloud.engine.log._operations.values(), request.setups[1].token
    slow = next(o for o in first if o.target.endswith(second))
    slow.is_over, slow.errors = False, []
    with pytest.raises(CapacityError) as raised:
        account.poll(request, result)
    assert [m.id for m in raised.value.made] == [second]


def test_quotas_of_region_and_project_are_told_apart(account):
    account.cloud.set_quota("PREEMPTIBLE_NVIDIA_A100_GPUS@us-central1", 0)
    request = account.request(account.offer(spot=True))
    result = account.provision(request)
    account.cloud.advance(1)
    with pytest.raises(QuotaError) as region:
        account.poll(request, result)
    assert (region.value.scope, region.value.family) == (Scope.QUOTA_FAMILY, "NVIDIA_A100_GPUS")
    account.cloud.set_quota("GPUS_ALL_REGIONS", 0)
    request = account.request(account.offer(zone="europe-west4-a"))
    result = account.provision(request)
    account.cloud.advance(1)
    with pytest.raises(QuotaError) as everywhere:
        account.poll(request, result)
    assert everywhere.value.scope is Scope.QUOTA_FAMILY_EVERYWHERE
    assert everywhere.value.family in request.offer.quota_family.split()


def test_a_machine_that_is_taken_while_it_comes_up_is_told_as_preempted(account):
    account.cloud.configure(boot_delay_s=5, boots="taken")
    request = account.request(account.offer(spot=True))
    result = account.provision(request)
    account.cloud.advance(6)
    (machine,) = account.poll(request, result)
    assert (machine.state, machine.reason) == (InstanceState.GONE, GoneReason.PREEMPTED)


def test_polling_long_after_the_end_tells_the_end(account):
    request, result, (machine,) = account.buy()
    account.terminate(account.ref(machine, result))
    account.cloud.advance(100)
    account.cloud.engine.log._operations.clear()  # the log forgets
    (gone,) = account.poll(request, result)
    assert (gone.state, gone.reason) == (InstanceState.GONE, GoneReason.UNKNOWN)


def test_accelerators_that_are_added_are_ordered_as_offered(account):
    offer = account.offer("n1-standard-8", accelerator="T4", accelerator_count=2)
    request, _, (machine,) = account.buy(offer)
    assert calls(account)[0].body["guestAccelerators"][0]["acceleratorCount"] == 2
    assert machine.instance_type == "n1-standard-8"
    assert account.cloud.find(machine.id).order.price_usd_hour == pytest.approx(
        request.offer.price_usd_hour, rel=1e-3
    )


@pytest.mark.parametrize(
    ("options", "scope", "code"),
    [
        ({"network": "nowhere"}, Scope.PROVIDER, "gcp-network"),
        ({"subnetwork": "nowhere"}, Scope.REGION, "gcp-subnetwork"),
        ({"network": "custom"}, Scope.REGION, "gcp-subnetwork"),
        ({"image": "nowhere"}, Scope.INSTANCE_TYPE, "gcp-image"),
    ],
)
def test_what_is_configured_wrongly_is_told_with_the_option(account, options, scope, code):
    offer = account.offer()
    account.options |= options
    with pytest.raises(RequestError) as raised:
        account.provision(account.request(offer))
    assert (raised.value.scope, raised.value.code) == (scope, code)
    assert machines(account) == []


def test_what_was_configured_works(account):
    account.options |= {
        "network": "custom",
        "subnetwork": "gpus",
        "image": "our-own",
        "disk_gib": 20,
    }
    account.buy()


def test_a_policy_of_the_organization_ends_the_provider(account):
    offer = account.offer()
    account.cloud.configure(policies=["constraints/compute.requireOsLogin"])
    with pytest.raises(RequestError, match="requireOsLogin") as raised:
        account.provision(account.request(offer))
    assert raised.value.scope is Scope.PROVIDER


def test_os_login_of_the_project_does_not_lock_us_out(account):
    account.cloud.configure(os_login=True)
    _, _, (machine,) = account.buy()
    assert CLIENT.public in account.cloud.find(machine.id).order.user_data.authorized_keys


@pytest.mark.parametrize("permission", ["compute.instances.create", "compute.firewalls.create"])
def test_a_missing_permission_makes_nothing(account, permission):
    request = account.request()
    account.cloud.deny(permission)
    with pytest.raises(CredentialsError, match=permission) as raised:
        account.provision(request)
    assert "arb check gcp" in raised.value.hint
    assert machines(account) == []
    account.cloud.advance(1)
    assert rules(account) == set()  # those that were made before are taken back


def test_a_permission_that_goes_in_the_middle_of_a_gang_names_what_was_made(account):
    request = account.request(count=2)
    denied = {"error": {"code": 403, "message": "Required 'x' permission"}}
    account.cloud.fault("status", match=INSERT, status=403, body=denied)
    with pytest.raises(RequestError, match="of the gang were taken") as raised:
        account.provision(request)
    assert raised.value.scope is Scope.PROVIDER
    assert {m.id for m in raised.value.made} == {e.name for e in machines(account)}
    assert len(machines(account)) == 1


def test_too_many_calls_are_waited_for_in_a_gang_and_told_otherwise(account):
    limit = {"status": 429, "headers": {"Retry-After": "7"}, "match": INSERT}
    request = account.request()
    account.cloud.fault("status", **limit)
    with pytest.raises(RateLimited) as raised:
        account.provision(request)
    assert raised.value.retry_after_s == 7
    assert machines(account) == []
    account.cloud.fault("status", **limit)
    account.provision(account.request(count=2))
    assert len(machines(account)) == 2


def test_a_rate_limit_that_outlasts_the_call_gives_the_gang_back(account):
    request = account.request(count=2)
    account.cloud.fault("status", status=429, headers={"Retry-After": "99"}, match=INSERT)
    with pytest.raises(CapacityError) as raised:
        account.provision(request)
    assert raised.value.block_s == 99
    assert {m.id for m in raised.value.made} == {e.name for e in machines(account)}


LOST = pytest.mark.parametrize(
    "fault",
    [{"kind": "drop"}, {"kind": "reset"}, {"kind": "garbage"}, {"kind": "status", "status": 502}],
    ids=lambda fault: fault["kind"],
)


@LOST
def test_a_lost_answer_is_asked_for_under_the_same_request_id(account, fault):
    request = account.request()
    account.cloud.fault(**fault, match=INSERT)
    (machine,) = account.running(request, account.provision(request))
    assert [m.name for m in machines(account)] == [machine.id]
    sent = {call.path.partition("requestId=")[2] for call in calls(account)}
    assert (len(calls(account)), sent) == (2, {request_id(request.setups[0].token)})


def test_a_rule_whose_order_was_late_is_not_made_after_it_was_removed(account):
    request = account.request()
    account.cloud.fault("late", match=RULE, delay_s=90)
    result = account.provision(request)
    assert len(rules(account)) == 1
    plugin.arb_cleanup(account.context(), account.cluster(request, result))
    account.cloud.advance(91)
    assert rules(account) == set()


@LOST
def test_answers_that_stay_lost_leave_the_order_unknown(account, fault):
    request = account.request()
    account.cloud.fault(**fault, match=INSERT, count=99)
    with pytest.raises(ProviderUnavailable):
        account.provision(request)
    assert len(calls(account)) == 3
    assert len(machines(account)) <= 1


def test_with_little_time_left_nothing_is_sent_again(account):
    request = account.request()
    account.offer()
    account.list()  # the token is there
    account.cloud.fault("status", match=INSERT, status=502)
    account.budget_s = 4
    with pytest.raises(ProviderUnavailable):
        account.provision(request)
    assert len(calls(account)) == 1


@pytest.mark.parametrize("kind", ["drop", "reset"])
def test_a_lost_answer_about_a_rule_makes_it_once(account, kind):
    account.cloud.fault(kind, match=RULE)
    account.buy()
    assert len(rules(account)) == 1


def test_a_stock_out_that_comes_at_once_is_one(account):
    request = account.request()
    body = {"error": {"code": 503, "errors": [{"reason": "ZONE_RESOURCE_POOL_EXHAUSTED"}]}}
    account.cloud.fault("status", match=INSERT, status=503, body=body)
    with pytest.raises(CapacityError) as raised:
        account.provision(request)
    assert raised.value.scope is Scope.ZONE


def test_no_more_rules_ends_the_provider(account):
    account.cloud.set_quota("FIREWALLS", 0)
    with pytest.raises(QuotaError) as raised:
        account.provision(account.request())
    assert raised.value.scope is Scope.PROVIDER
    assert machines(account) == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [("QUOTA_EXCEEDED", QuotaError), ("RESOURCE_ALREADY_EXISTS", None)],
)
def test_a_rule_that_is_refused_late_gives_the_machines_back(account, code, kind):
    request, result, (machine,) = account.buy()
    assert Handle.of(result.handle).rule_operations
    message = "Quota 'FIREWALLS' exceeded." if kind else "it exists"
    for (_, zone, _), operation in account.cloud.engine.log._operations.items():
        operation.errors = [] if zone else [{"code": code, "message": message}]
    if kind is None:
        assert [m.id for m in account.poll(request, result)] == [machine.id]
        return
    with pytest.raises(kind) as raised:
        account.poll(request, result)
    assert raised.value.scope is Scope.PROVIDER
    assert [m.id for m in raised.value.made] == [machine.id]


def test_without_rules_of_ours_none_are_made(account):
    account.options["firewall"] = False
    request, result, _ = account.buy()
    assert rules(account) == set()
    account.options["firewall"] = True
    plugin.arb_cleanup(account.context(), account.cluster(request, result))
    assert calls(account, "compute.firewalls.delete") == []


def test_a_zone_that_is_not_there_is_skipped_alone(account):
    offer = replace(account.offer(), zone="us-central1-x")
    with pytest.raises(RequestError) as raised:
        account.provision(account.request(offer))
    assert raised.value.scope is Scope.ZONE


def test_secrets_of_the_setup_are_in_no_message(account):
    request = account.request()
    private = request.setups[0].host_key.private.splitlines()[1]
    words = f"Invalid value for field 'resource.metadata.items[3].value': '{private}'."
    body = {"error": {"code": 400, "message": words, "errors": [{"reason": "invalid"}]}}
    account.cloud.fault("status", match=INSERT, status=400, body=body)
    with pytest.raises(RequestError, match="it repeats a secret") as raised:
        account.provision(request)
    told = f"{raised.value.to_dict()} {raised.value.__cause__!r} {raised.value.__context__!r}"
    assert private[:16] not in told


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 503, "body": {"error": {"code": 503, "status": "UNAVAILABLE", "message": "x"}}},
        {"status": 500, "body": {"error": {"code": 500, "errors": [{"reason": "internalError"}]}}},
        {"status": 408, "body": {"error": {"code": 408, "status": "DEADLINE_EXCEEDED"}}},
        {"status": 400, "body": "<html>proxy</html>"},
        {"status": 302, "body": "", "headers": {"Location": "http://elsewhere.invalid/"}},
    ],
    ids=["unavailable", "internal", "timed out", "proxy", "redirect"],
)
def test_an_answer_that_says_nothing_of_the_order_leaves_it_unknown(account, answer):
    account.cloud.fault("status", match=INSERT, count=9, **answer)
    with pytest.raises(ProviderUnavailable):
        account.provision(account.request())


def test_two_accounts_do_not_see_each_other(account, paper_gcp, tmp_path):
    account.buy()
    other = Customer(paper_gcp, tmp_path / "other", key="other")
    assert other.list().instances == ()
