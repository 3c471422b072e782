"""Ordering: what is sent, what a refusal means, and what a lost answer may cost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from clouds.lambda_cloud import KEY
from clouds.lambda_cloud.customer import CLIENT, OWNER, recorded

from arb.errors import (
    CapacityError,
    CredentialsError,
    ProviderUnavailable,
    QuotaError,
    RateLimited,
    Refusal,
    RequestError,
    Scope,
)
from arb.types import InstanceState, NodeFile
from arb_lambda import plugin
from arb_lambda.client import LambdaClient

LAUNCH = "POST /instance-operations/launch"
A10 = "gpu_1x_a10@us-east-1"


def sent(account):
    return [call.body for call in account.cloud.ledger().calls if call.operation == LAUNCH]


def machines(account):
    return account.cloud.ledger().of("machine")


def rulesets(account):
    return account.cloud.ledger().alive("ruleset")


def refusal(account, request=None, expected=Refusal):
    with pytest.raises(expected) as caught:
        account.provision(request or account.request())
    return caught.value


def answer(account, status, code, **how):
    error = {"code": code, "message": "Lambda's own words.", "suggestion": "Do something."}
    account.cloud.fault("status", match=LAUNCH, status=status, body={"error": error}, **how)


def test_an_order_is_one_launch_a_machine_with_its_name_and_tag(account):
    request = account.request(2)
    result = account.provision(request)
    first, second = sent(account)
    (ruleset,) = rulesets(account)
    tags = {"arb-token": request.setups[0].token, "arb-cluster": "mine"}
    assert first | {"user_data": ...} == {
        "region_name": "us-east-1",
        "instance_type_name": "gpu_1x_a10",
        "ssh_key_names": [f"arb-{OWNER}"],
        "name": request.setups[0].token,
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
        "user_data": ...,
        "firewall_rulesets": [{"id": ruleset.id}],
    }
    assert second["name"] == request.setups[1].token
    assert [i.token for i in result.instances] == [s.token for s in request.setups]
    assert {(i.region, i.state) for i in result.instances} == {("us-east-1", InstanceState.PENDING)}
    assert [i.price_usd_hour for i in result.instances] == [1.29, 1.29]


def test_an_order_has_the_form_of_the_recorded_one(account):
    account.buy()
    example = recorded("launch-request")
    assert set(example) <= set(sent(account)[0])
    for name, value in example.items():
        assert type(sent(account)[0][name]) is type(value)


def test_launches_are_twelve_seconds_apart_and_all_calls_one(account):
    account.cloud.configure(retry_after=True)
    before = account.cloud.clock.now()
    account.buy(4)
    at = [call.at for call in account.cloud.ledger().calls if call.operation == LAUNCH]
    assert all(12 <= later - earlier < 15 for earlier, later in pairwise(at))
    assert account.cloud.clock.now() - before < 50
    assert {call.status for call in account.cloud.ledger().calls} == {200}
    assert account.budgets.taken.count("launch") == 4


def test_user_data_is_one_document_with_files_and_commands(account):
    request = account.request()
    account.provision(request)
    data = account.cloud.find(machines(account)[0].id).order.user_data
    setup = request.setups[0]
    assert [(f.path, f.content) for f in data.files] == [(f.path, f.content) for f in setup.files]
    assert list(data.commands) == list(setup.commands)
    assert CLIENT.public.split()[1] in data.authorized_keys[0]


def test_user_data_that_lambda_would_not_take_is_refused_before_anything_is_sent(account):
    request = account.request()
    calls = len(account.cloud.ledger().calls)
    setup = request.setups[0]
    large = (*setup.files, NodeFile("/etc/large", "x" * 1_000_000))
    setups = (type(setup)(setup.token, 0, setup.authorized_key, setup.host_key, large),)
    request = account.request(setups=setups)
    error = refusal(account, request, RequestError)
    assert (error.code, error.scope) == ("lambda-user-data", Scope.PROVIDER)
    assert len(account.cloud.ledger().calls) == calls


@pytest.mark.parametrize(
    ("image", "option", "told"),
    [
        ("lambda-stack-24-04", "", {"family": "lambda-stack-24-04"}),
        ("", "ubuntu-24-04-lts", {"family": "ubuntu-24-04-lts"}),
        (
            "a1b2c3d4-0000-4000-8000-000000000001",
            "x",
            {"id": "a1b2c3d4-0000-4000-8000-000000000001"},
        ),
        ("", "", None),
    ],
    ids=["family", "option", "id", "none"],
)
def test_the_users_image_is_sent_by_id_or_family(account, image, option, told):
    if option:
        account.options["image"] = option
    account.buy(image=image)
    assert sent(account)[0].get("image") == told


def images(account, *rows):
    shown = [{**recorded("images")["data"][0], **row} for row in rows]
    account.cloud.fault("status", match="GET /images", status=200, body={"data": shown}, count=9)


def test_an_unknown_image_costs_no_launch_and_the_next_one_is_named(account):
    error = refusal(account, account.request(image="lambda-stack-24.04"), RequestError)
    assert (error.scope, error.made, error.block_s) == (Scope.PROVIDER, (), 5)
    assert "unknown image 'lambda-stack-24.04': did you mean 'lambda-stack-24-04'?" in str(error)
    assert (sent(account), rulesets(account)) == ([], [])


@pytest.mark.parametrize(
    ("row", "scope", "told"),
    [
        ({"region": {"name": "us-west-1"}}, Scope.REGION, "in us-west-1 only"),
        ({"architecture": "arm64"}, Scope.INSTANCE_TYPE, "is for arm64, gpu_1x_a10 is x86_64"),
    ],
    ids=["region", "architecture"],
)
def test_an_image_that_does_not_fit_costs_no_launch(account, row, scope, told):
    images(account, row)
    for image in ("lambda-stack-24-04", recorded("images")["data"][0]["id"]):
        error = refusal(account, account.request(image=image), RequestError)
        assert (error.scope, error.code) == (scope, "lambda-image")
        assert told in str(error)
    assert sent(account) == []


def test_an_id_of_any_form_is_known_by_the_list(account):
    images(account, {"id": "img-7"}, {"id": "img-8", "family": "other"})
    body = {"data": {"instance_ids": ["i-1"]}}
    account.cloud.fault("status", match=LAUNCH, status=200, body=body)
    account.buy(image="img-8")
    assert sent(account)[0]["image"] == {"id": "img-8"}


@pytest.mark.parametrize("status", [404, 503])
def test_without_the_list_the_launch_says_whether_there_is_such_an_image(account, status):
    account.cloud.fault("status", match="GET /images", status=status, body={}, count=9)
    error = refusal(account, account.request(image="beos"), RequestError)
    assert (error.scope, error.made) == (Scope.OFFER, ())
    assert "The image does not exist" in error.summary
    assert rulesets(account) == []
    account.buy(image="a1b2c3d4-0000-4000-8000-000000000001")
    assert sent(account)[-1]["image"] == {"id": "a1b2c3d4-0000-4000-8000-000000000001"}


@pytest.mark.parametrize(("gib", "fits"), [(0, True), (1400, True), (1500, False)])
def test_a_disk_that_the_offer_does_not_have_is_refused_before_anything_is_sent(account, gib, fits):
    request = account.request(disk_gib=gib)
    if fits:
        account.provision(request)
    else:
        assert refusal(account, request, RequestError).scope is Scope.OFFER
    assert len(sent(account)) == fits


def test_labels_become_tags_in_the_form_that_lambda_takes(account):
    labels = {
        "Cost Center": "R&D / Team 12",
        "team": "Ä. Müller",
        "long": "x" * 200,
        "42": "no name left",
        "arb-token": "not ours",
        "k" * 80: "cut",
    }
    request = account.request(labels=labels)
    account.provision(request)
    tags = {tag["key"]: tag["value"] for tag in sent(account)[0]["tags"]}
    assert tags == {
        "cost-center": "R&D / Team 12",
        "team": "Ä. Müller",
        "long": "x" * 128,
        "k" * 55: "cut",
        "arb-token": request.setups[0].token,
        "arb-cluster": "mine",
    }


def test_a_second_call_takes_what_the_first_made(account):
    request = account.request(2)
    first = account.provision(request)
    again = account.provision(request)
    assert [i.id for i in again.instances] == [i.id for i in first.instances]
    assert again.account == first.account
    assert (len(machines(account)), len(rulesets(account))) == (2, 1)


# -- refusals ------------------------------------------------------------------------------


def test_no_capacity_is_for_this_type_in_this_region(account):
    account.cloud.set_capacity(A10, 0)
    account.cloud.configure(phantom=True)
    error = refusal(account, expected=CapacityError)
    assert (error.scope, error.made) == (Scope.INSTANCE_TYPE, ())
    assert error.summary == "lambda has no gpu_1x_a10 in us-east-1 now"
    assert rulesets(account) == []


def test_a_used_up_quota_is_for_all_of_lambda(account):
    account.cloud.set_quota("gpus", 0)
    error = refusal(account, expected=QuotaError)
    assert (error.scope, error.made, bool(error.hint)) == (Scope.PROVIDER, (), True)
    assert rulesets(account) == []


@pytest.mark.parametrize(
    ("status", "code", "kind", "scope"),
    [
        (400, "global/invalid-parameters", RequestError, Scope.OFFER),
        (404, "global/object-does-not-exist", RequestError, Scope.OFFER),
        (
            400,
            "instance-operations/launch/file-system-in-wrong-region",
            RequestError,
            Scope.REGION,
        ),
        (
            500,
            "instance-operations/launch/insufficient-capacity",
            CapacityError,
            Scope.INSTANCE_TYPE,
        ),
        (503, "global/quota-exceeded", QuotaError, Scope.PROVIDER),
    ],
)
def test_the_code_says_what_is_refused_whatever_the_status(account, status, code, kind, scope):
    answer(account, status, code, count=2)
    error = refusal(account, expected=kind)
    assert (error.scope, error.made) == (scope, ())
    assert (machines(account), rulesets(account)) == ([], [])


@pytest.mark.parametrize("code", ["global/account-inactive", "global/invalid-address"])
def test_an_account_that_may_not_is_for_the_user_to_act_on(account, code):
    answer(account, 403, code)
    error = refusal(account, expected=CredentialsError)
    assert error.hint
    assert rulesets(account) == []


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, "global/internal-error"),
        (400, "provider/internal-unavailable"),
        (409, "global/conflict"),
        (400, "global/duplicate"),
        (500, "global/unknown"),
        (502, ""),
    ],
)
def test_what_may_have_made_something_is_unavailability(account, status, code):
    answer(account, status, code)
    assert not refusal(account, expected=ProviderUnavailable).never_sent
    assert len(sent(account)) == 1


def test_a_refusal_repeats_no_secret(account):
    request = account.request()
    private = request.setups[0].host_key.private
    for echo in (private, f"value: {private.splitlines()[1][:20]} is too long", f"key {KEY}"):
        body = {"error": {"code": "global/invalid-parameters", "message": echo}}
        account.cloud.fault("status", match=LAUNCH, status=400, body=body)
        error = refusal(account, request, RequestError)
        assert error.summary == "lambda refused the launch of gpu_1x_a10 in us-east-1"


def test_a_long_refusal_is_cut(account):
    body = {"error": {"code": "global/invalid-parameters", "message": "x" * 5000}}
    account.cloud.fault("status", match=LAUNCH, status=400, body=body)
    assert len(refusal(account, expected=RequestError).summary) < 300


def test_a_rule_set_that_cannot_be_removed_leaves_the_order_unknown(account):
    account.cloud.set_capacity(A10, 0)
    account.cloud.fault("status", match="DELETE *")
    error = refusal(account, expected=ProviderUnavailable)
    assert "lambda has no gpu_1x_a10" in error.summary
    assert not error.never_sent  # so the core comes back, and cleans up
    (left,) = rulesets(account)
    request_token = left.name
    cluster = account.cluster(account.request(), tokens=(request_token,))
    plugin.arb_cleanup(account.context(), cluster)
    assert rulesets(account) == []


# -- gangs ---------------------------------------------------------------------------------


def test_a_broken_gang_names_what_was_made(account):
    account.cloud.set_capacity(A10, 2)
    error = refusal(account, account.request(4), CapacityError)
    assert [i.id for i in error.made] == [m.id for m in machines(account)]
    assert (len(error.made), error.scope) == (2, Scope.INSTANCE_TYPE)
    assert len(rulesets(account)) == 1  # in use until they are gone


@pytest.mark.parametrize(
    ("status", "code", "kind", "scope"),
    [
        (401, "global/invalid-api-key", RequestError, Scope.PROVIDER),
        (403, "global/account-inactive", RequestError, Scope.PROVIDER),
        (400, "global/quota-exceeded", QuotaError, Scope.PROVIDER),
        (400, "global/invalid-parameters", RequestError, Scope.OFFER),
    ],
)
def test_any_refusal_inside_a_gang_names_what_was_made(account, status, code, kind, scope):
    answer(account, status, code, skip=1)
    error = refusal(account, account.request(2), kind)
    assert [i.id for i in error.made] == [m.id for m in machines(account)]
    assert (len(error.made), error.scope) == (1, scope)


def test_the_rest_of_a_gang_that_was_begun_is_ordered_and_no_more(account):
    request = account.request(3)
    account.cloud.fault("drop", match=LAUNCH, skip=1)
    refusal(account, request, ProviderUnavailable)
    assert len(machines(account)) == 2
    account.provision(request)
    assert [m.name for m in machines(account)] == [s.token for s in request.setups]


# -- limits --------------------------------------------------------------------------------


@pytest.mark.parametrize("skip", [0, 1], ids=["first machine", "second machine"])
@pytest.mark.parametrize("headers", [{"Retry-After": "20"}, {}], ids=["told", "not told"])
def test_a_limit_is_waited_for(account, skip, headers):
    account.cloud.fault("status", match=LAUNCH, skip=skip, status=429, headers=headers)
    account.buy(2)
    assert len(machines(account)) == 2
    assert len(sent(account)) == 3


def test_a_long_limit_makes_nothing_and_says_when_to_come_back(account):
    account.cloud.fault("status", match=LAUNCH, status=429, headers={"Retry-After": "90"})
    error = refusal(account, expected=RateLimited)
    assert error.retry_after_s == 90
    assert (machines(account), rulesets(account)) == ([], [])


def test_a_long_limit_inside_a_gang_is_waited_for_while_there_is_time(account):
    account.budget_s = 300
    account.cloud.fault("status", match=LAUNCH, skip=1, status=429, headers={"Retry-After": "90"})
    account.buy(2)
    assert len(machines(account)) == 2


def test_a_limit_that_is_too_long_to_wait_for_names_what_was_made(account):
    account.cloud.fault("status", match=LAUNCH, skip=1, status=429, headers={"Retry-After": "900"})
    error = refusal(account, account.request(2), CapacityError)
    assert [i.id for i in error.made] == [m.id for m in machines(account)]
    assert (error.scope, error.block_s) == (Scope.PROVIDER, 900)


def test_a_used_up_budget_orders_nothing(account):
    request = account.request()
    calls = len(account.cloud.ledger().calls)
    account.budgets.raises = RateLimited("used up", retry_after_s=9)
    assert refusal(account, request, RateLimited).retry_after_s == 9
    assert len(account.cloud.ledger().calls) == calls


def test_a_machine_is_counted_from_its_order_however_late_the_answer_is_read(account, monkeypatch):
    send = LambdaClient.send

    def stand_still(client, method, path, *arguments, **named):
        reply = send(client, method, path, *arguments, **named)
        account.cloud.advance(90 if LAUNCH.endswith(path) else 0)
        return reply

    monkeypatch.setattr(LambdaClient, "send", stand_still)
    (instance,) = account.provision(account.request()).instances
    (row,) = machines(account)
    assert row.made_at - 5 < instance.made_at <= row.made_at


# -- lost answers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "made"), [("drop", 1), ("garbage", 1), ("reset", 0), ("late", 0), ("status", 0)]
)
def test_no_answer_to_a_launch_says_nothing_and_is_not_tried_again(account, fault, made):
    account.cloud.fault(fault, match=LAUNCH, delay_s=20)
    assert not refusal(account, expected=ProviderUnavailable).never_sent
    assert len(machines(account)) == made
    assert len(sent(account)) == 1


def test_after_a_lost_answer_an_equal_request_takes_what_was_made(account):
    request = account.request()
    account.cloud.fault("drop", match=LAUNCH)
    refusal(account, request, ProviderUnavailable)
    (instance,) = account.provision(request).instances
    assert [m.id for m in machines(account)] == [instance.id]


@pytest.mark.parametrize("data", [{}, {"instance_ids": []}, {"instance_ids": [7]}, []], ids=str)
def test_an_answer_that_names_no_machine_is_lost(account, data):
    account.cloud.fault("status", match=LAUNCH, status=200, body={"data": data})
    assert "did not name" in refusal(account, expected=ProviderUnavailable).summary


def test_when_lambda_is_down_before_the_order_nothing_was_made_for_certain(account):
    request = account.request()
    account.cloud.fault("status", match="GET *", count=9)
    assert refusal(account, request, ProviderUnavailable).never_sent
    assert (sent(account), rulesets(account)) == ([], [])


def test_when_a_rule_set_may_have_been_made_the_core_has_to_look(account):
    account.cloud.fault("drop", match="POST /firewall-rulesets")
    assert not refusal(account, expected=ProviderUnavailable).never_sent
    assert (sent(account), len(rulesets(account))) == ([], 1)
