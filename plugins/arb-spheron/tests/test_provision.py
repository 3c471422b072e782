"""Ordering: what is sent, what a refusal means, and what a lost answer may cost."""

from __future__ import annotations

import json

import pytest
from clouds.spheron.customer import CLIENT
from clouds.spheron.settings import KEY

from arb.errors import (
    CapacityError,
    CredentialsError,
    ProviderUnavailable,
    RateLimited,
    Refusal,
    RequestError,
    Scope,
)
from arb.types import InstanceState
from arb_spheron import plugin

ORDER = "POST /api/deployments"


def sent(account):
    return [call.body for call in account.cloud.ledger().calls if call.operation == ORDER]


def machines(account):
    return account.cloud.ledger().of("machine")


def test_an_order_is_one_call_a_machine_with_its_name(account):
    request = account.request(2)
    result = plugin.arb_provision(account.context(), request)
    first, second = sent(account)
    assert first | {"cloudInit": ...} == {
        "provider": "spheron-ai",
        "offerId": "n3-A100x1__CANADA-1",
        "gpuType": "A100_80G_PCIE",
        "gpuCount": 1,
        "region": "CANADA-1",
        "operatingSystem": "Ubuntu Server 22.04 LTS R570 CUDA 12.8 with Docker",
        "instanceType": "DEDICATED",
        "ssh_public_key": CLIENT.public,
        "name": request.setups[0].token,
        "teamId": "team_0001",
        "cloudInit": ...,
    }
    assert second["name"] == request.setups[1].token
    assert [i.token for i in result.instances] == [s.token for s in request.setups]
    assert {i.region for i in result.instances} == {"CANADA-1"}
    assert result.account == "team_0001"
    assert account.budgets.taken.count("launch") == 2


def test_user_data_is_structured_and_whole(account):
    request = account.request()
    plugin.arb_provision(account.context(), request)
    parts, setup = sent(account)[0]["cloudInit"], request.setups[0]
    files = {f["path"]: (f["content"], f["permissions"], f["owner"]) for f in parts["writeFiles"]}
    assert files == {f.path: (f.content, f.mode, f.owner) for f in setup.files}
    assert parts["runcmd"] == list(setup.commands)


def test_an_offer_without_cloud_init_gets_no_user_data(account):
    account.buy(offer=account.offer("A100_sxm4_80G_0001_desmoines-usa-1"))
    assert "cloudInit" not in sent(account)[0]


@pytest.mark.parametrize(
    ("instance_type", "spot", "kind", "price"),
    [
        ("n3-A100x1-spot__CANADA-1", True, "SPOT", 1.15),
        ("1H100.80S.32V_FIN-03_500", True, "SPOT", 0.8),
        ("1H100.80S.32V_FIN-03_500", False, "DEDICATED", 2.91),
        ("vp-h100-sxm5-ib", False, "CLUSTER", 17.52),
    ],
)
def test_each_class_is_ordered_as_it_is_sold(account, instance_type, spot, kind, price):
    account.buy(offer=account.offer(instance_type, spot=spot))
    assert sent(account)[0]["instanceType"] == kind
    assert machines(account)[0].price_usd_hour == price


def test_the_users_image_is_sent_as_it_is(account):
    request = account.request(image="Ubuntu Server 24.04 LTS")
    plugin.arb_provision(account.context(), request)
    assert sent(account)[0]["operatingSystem"] == "Ubuntu Server 24.04 LTS"
    with pytest.raises(RequestError, match="operatingSystem is not an option"):
        plugin.arb_provision(account.context(), account.request(image="BeOS"))


@pytest.mark.parametrize(("gib", "fits"), [(0, True), (850, True), (1000, False)])
def test_a_disk_that_the_offer_does_not_have_is_refused_before_anything_is_sent(account, gib, fits):
    request = account.request(disk_gib=gib)
    if fits:
        plugin.arb_provision(account.context(), request)
    else:
        assert refusal(account, request, RequestError).scope is Scope.OFFER
    assert len(sent(account)) == fits


def test_a_second_call_takes_what_the_first_made(account):
    request = account.request(2)
    first = plugin.arb_provision(account.context(), request)
    again = plugin.arb_provision(account.context(), request)
    assert [i.id for i in again.instances] == [i.id for i in first.instances]
    assert len(machines(account)) == 2


@pytest.mark.parametrize("shape", ["array", "array-paged", "object"])
def test_what_was_made_is_found_on_any_page(account, shape):
    request = account.request()
    plugin.arb_provision(account.context(), request)
    for number in range(25):
        account.cloud.add_foreign(f"web-{number}")
    account.cloud.configure(list_shape=shape)
    plugin.arb_provision(account.context(), request)
    assert len(machines(account)) == 1


# -- refusals ------------------------------------------------------------------------------


def refusal(account, request=None, expected=Refusal):
    with pytest.raises(expected) as caught:
        plugin.arb_provision(account.context(), request or account.request())
    return caught.value


STOCK = "Deployment failed: {} API error: 400 Bad Request - {}"


def test_phantom_stock_is_no_capacity_for_this_offer_only(account):
    account.cloud.set_capacity("n3-A100x1__CANADA-1", 0)
    assert account.offer().available
    error = refusal(account, expected=CapacityError)
    assert (error.scope, error.made) == (Scope.OFFER, ())
    assert "n3-A100x1__CANADA-1 in CANADA-1" in error.summary


@pytest.mark.parametrize(
    "text",
    [
        "Not Enough Stock of RTX-A4000. Unable to launch virtual-machines.",
        "instance type sold out",
        "Out of stock",
        "insufficient capacity",
        "No available inventory in this region",
        "Offer not available",
        "GPU type is not available right now",
    ],
)
@pytest.mark.parametrize("status", [400, 409, 500, 503])
def test_no_stock_is_told_by_its_text_at_any_status(account, status, text):
    body = {"error": STOCK.format("Spheron AI", text)}
    account.cloud.fault("status", match=ORDER, status=status, body=body)
    assert refusal(account, expected=CapacityError).scope is Scope.OFFER


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "sold out", "code": 7}},
        {"message": "sold out"},
        {"error": "Bad Request", "details": [{"field": "offerId", "message": "sold out"}]},
        ["sold out"],
        "instance type sold out",
    ],
    ids=["object", "message", "details", "list", "no JSON"],
)
def test_the_text_is_found_wherever_it_stands(account, body):
    account.cloud.fault("status", match=ORDER, status=500, body=body)
    refusal(account, expected=CapacityError)


def test_an_unknown_offer_is_a_request_error(account):
    offer = account.offer()
    account.cloud.change_offer(offer.instance_type, provider="verda")
    error = refusal(account, account.request(offer=offer), RequestError)
    assert (error.scope, error.made) == (Scope.OFFER, ())
    assert "Invalid offer" in error.summary


@pytest.mark.parametrize("status", [400, 402, 403])
def test_no_balance_is_for_the_user_to_act_on(account, status):
    account.cloud.set_balance(0)
    account.cloud.configure(balance_status=status)
    error = refusal(account, expected=CredentialsError)
    assert (error.code, bool(error.hint)) == ("spheron-no-balance", True)


def test_a_team_that_is_gone_is_told_and_asked_for_again(account):
    account.buy()
    account.cloud.fault("status", match=ORDER, status=404, body={"error": "Team not found"})
    assert refusal(account, expected=CredentialsError).code == "spheron-no-team"
    account.buy()
    assert account.cloud.ledger().count("GET /api/balance") == 2


def test_too_many_orders_say_when_to_come_back(account):
    account.cloud.configure(posts=0 + 1)
    account.buy()
    error = refusal(account, expected=RateLimited)
    assert 890 < error.retry_after_s <= 900
    assert len(machines(account)) == 1


def test_a_refusal_repeats_no_secret(account):
    request = account.request()
    private = request.setups[0].host_key.private
    echoes = [private, f"value: {private.splitlines()[1][:20]} is too long", f"key {KEY}"]
    for echo in echoes:
        body = {"error": "Input payload validation failed", "details": [{"message": echo}]}
        account.cloud.fault("status", match=ORDER, status=400, body=body)
        error = refusal(account, request, RequestError)
        assert error.summary == "spheron refused the order of n3-A100x1__CANADA-1 (HTTP 400)"


def test_a_long_refusal_is_cut(account):
    account.cloud.fault("status", match=ORDER, status=400, body={"error": "x" * 5000})
    assert len(refusal(account, expected=RequestError).summary) < 300


# -- gangs ---------------------------------------------------------------------------------


def test_a_broken_gang_names_what_was_made(account):
    account.cloud.set_capacity("n3-A100x1__CANADA-1", 2)
    error = refusal(account, account.request(4), CapacityError)
    assert [i.id for i in error.made] == [m.id for m in machines(account)]
    assert len(error.made) == 2


@pytest.mark.parametrize(
    ("status", "body", "kind", "scope"),
    [
        (401, {"error": "no"}, RequestError, Scope.PROVIDER),
        (402, {"error": "Insufficient balance"}, RequestError, Scope.PROVIDER),
        (400, {"error": "Invalid offer"}, RequestError, Scope.OFFER),
    ],
    ids=["key", "balance", "request"],
)
def test_any_refusal_inside_a_gang_names_what_was_made(account, status, body, kind, scope):
    account.cloud.fault("status", match=ORDER, skip=1, status=status, body=body)
    error = refusal(account, account.request(2), kind)
    assert ([i.id for i in error.made], error.scope) == (
        [m.id for m in machines(account)],
        scope,
    )


def test_a_limit_inside_a_gang_is_waited_for(account):
    account.budget_s = 300
    limit = {"status": 429, "headers": {"Retry-After": "90"}, "body": {"error": "slow down"}}
    account.cloud.fault("status", match=ORDER, skip=1, **limit)
    before = account.cloud.clock.now()
    account.buy(2)
    assert 90 <= account.cloud.clock.now() - before < 100
    assert len(machines(account)) == 2


def test_a_limit_that_is_too_long_to_wait_for_names_what_was_made(account):
    account.cloud.configure(posts=1)
    error = refusal(account, account.request(2), CapacityError)
    assert [i.id for i in error.made] == [m.id for m in machines(account)]
    assert error.scope is Scope.PROVIDER
    assert 890 < error.block_s <= 900


# -- lost answers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "made"), [("drop", 1), ("garbage", 1), ("reset", 0), ("late", 0), ("status", 0)]
)
def test_no_answer_to_an_order_says_nothing_and_is_not_tried_again(account, fault, made):
    account.cloud.fault(fault, match=ORDER, delay_s=20)
    assert not refusal(account, expected=ProviderUnavailable).never_sent
    assert len(machines(account)) == made
    assert len(sent(account)) == 1


def test_after_a_lost_answer_an_equal_request_takes_what_was_made(account):
    request = account.request()
    account.cloud.fault("drop", match=ORDER)
    with pytest.raises(ProviderUnavailable):
        plugin.arb_provision(account.context(), request)
    (instance,) = plugin.arb_provision(account.context(), request).instances
    assert [m.id for m in machines(account)] == [instance.id]


def test_an_answer_that_names_no_machine_is_lost(account):
    account.cloud.fault("status", match=ORDER, status=200, body={"message": "queued"})
    with pytest.raises(ProviderUnavailable, match="did not name"):
        account.buy()


def test_an_answer_around_the_deployment_is_understood(account):
    deployment = {"id": "dep_7", "status": "deploying", "createdAt": "2026-11-24T06:00:00.000Z"}
    body = {"message": "created", "deployment": deployment}
    account.cloud.fault("status", match=ORDER, status=201, body=body)
    request = account.request()
    (instance,) = plugin.arb_provision(account.context(), request).instances
    assert (instance.id, instance.token) == ("dep_7", request.setups[0].token)
    assert (instance.state, instance.region) == (InstanceState.PENDING, "CANADA-1")


def test_an_answer_that_names_nothing_else_than_the_id_is_understood(account):
    deployment = {"id": 7, "name": None, "region": None, "status": "queued"}
    account.cloud.fault("status", match=ORDER, status=200, body={"data": deployment})
    request = account.request()
    (instance,) = plugin.arb_provision(account.context(), request).instances
    assert (instance.id, instance.token) == ("7", request.setups[0].token)
    assert (instance.state, instance.region) == (InstanceState.PENDING, "CANADA-1")


def test_a_machine_of_a_status_that_nobody_knows_is_not_ordered_again(account):
    account.cloud.configure(odd_status="queued", boot_delay_s=300)
    request = account.request()
    for _ in range(2):
        plugin.arb_provision(account.context(), request)
    assert len(machines(account)) == 1


@pytest.mark.parametrize("status", [408, 409])
def test_a_conflict_may_mean_that_something_was_made(account, status):
    body = {"error": "A deployment with this name is being created"}
    account.cloud.fault("status", match=ORDER, status=status, body=body)
    refusal(account, expected=ProviderUnavailable)


def test_when_spheron_is_down_before_the_order_nothing_was_made_for_certain(account):
    request = account.request()
    account.cloud.fault("status", match="GET *", count=9)
    assert refusal(account, request, ProviderUnavailable).never_sent
    assert sent(account) == []


def test_a_used_up_read_budget_orders_nothing(account):
    request = account.request()
    account.budgets.raises = RateLimited("used up", retry_after_s=9)
    assert refusal(account, request, RateLimited).retry_after_s == 9
    assert sent(account) == []


# -- who pays ------------------------------------------------------------------------------


@pytest.mark.parametrize("team", ["team_0002", "the other one"])
def test_the_configured_team_pays_by_id_or_name(account, team):
    account.cloud.add_team("team_0002", "the other one")
    account.options["team"] = team
    assert account.buy().account == "team_0002"
    assert sent(account)[0]["teamId"] == "team_0002"


def test_a_team_that_is_not_the_users_is_named_with_those_that_are(account):
    account.options["team"] = "team_0900"
    error = refusal(account, expected=CredentialsError)
    assert "team_0900" in error.summary
    assert "team_0001 (arb test)" in error.hint


def test_the_team_is_asked_for_once_and_for_each_key(account):
    account.buy()
    account.buy()
    assert account.cloud.ledger().count("GET /api/balance") == 1
    kept = (account.folder / "cache" / "teams.json").read_text()
    assert KEY not in kept
    assert "team_0001" in json.loads(kept).values()
