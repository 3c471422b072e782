"""Firewall rule sets: what lets whom in, what is removed, what is never touched."""

from __future__ import annotations

import pytest

from arb.errors import CredentialsError, ProviderUnavailable, QuotaError, RequestError, Scope
from arb_lambda import plugin
from arb_lambda.bodies import merged

OWNER = "ownerabc"

LAUNCH = "POST /instance-operations/launch"
ADD = "POST /firewall-rulesets"
CHANGE = "PATCH /firewall-rulesets/ID"


def rulesets(account):
    return account.cloud.ledger().alive("ruleset")


def bodies(account, operation):
    return [call.body for call in account.cloud.ledger().calls if call.operation == operation]


def lets_in(account, result, *ports):
    name = result.instances[0].id
    return [port for port in ports if account.cloud.lets_in(name, port)]


def bought(account, **changes):
    request = account.request(**changes)
    return request, account.provision(request)


def open_ports(account, request, result, *ports):
    plugin.arb_open_ports(account.context(), account.cluster(request, result), ports)


def clean(who, request, **changes):
    plugin.arb_cleanup(who.context(), who.cluster(request, **changes))


def test_a_purchase_has_a_rule_set_of_its_own_with_the_ports_that_were_asked_for(account):
    request, result = bought(account, ports=("8080", "8000-8010"))
    (ruleset,) = rulesets(account)
    assert (ruleset.name, ruleset.region) == (request.token, "us-east-1")
    assert lets_in(account, result, 22, 80, 8000, 8010, 8011, 8080) == [22, 8000, 8010, 8080]
    _, other = bought(account)
    assert lets_in(account, other, 22, 8080) == [22]


def test_the_ssh_server_is_for_those_whom_the_user_names(account):
    account.options["ssh_source_ranges"] = ["198.51.100.0/24", "203.0.113.7"]
    account.options["ssh_port"] = 2200
    account.buy()
    rules = bodies(account, ADD)[0]["rules"]
    assert [(r["source_network"], r["port_range"]) for r in rules] == [
        ("198.51.100.0/24", [2200, 2200]),
        ("203.0.113.7/32", [2200, 2200]),
    ]


@pytest.mark.parametrize(
    ("option", "region"), [({"firewall": False}, "us-east-1"), ({}, "us-south-1")]
)
def test_where_there_is_no_firewall_there_is_no_rule_set(account, option, region):
    account.options |= option
    offer = account.offer("gpu_1x_h100_sxm5", region)
    request, result = bought(account, offer=offer, ports=("8080",))
    open_ports(account, request, result, "9000")
    assert rulesets(account) == []
    assert "firewall_rulesets" not in bodies(account, LAUNCH)[0]
    assert lets_in(account, result, 9000) == ([9000] if region == "us-south-1" else [])


def test_ports_are_added_to_a_running_cluster_once(account):
    request, result = bought(account, ports=("8080",))
    for _ in range(2):
        open_ports(account, request, result, "8080", "9000-9010")
    assert lets_in(account, result, 22, 8080, 9000, 9010, 9011) == [22, 8080, 9000, 9010]
    assert len(bodies(account, CHANGE)) == 1


def test_a_rule_that_somebody_added_to_it_by_hand_stays(account):
    request, result = bought(account)
    rule = {"protocol": "udp", "port_range": [500, 500], "source_network": "0.0.0.0/0"}
    (ruleset,) = rulesets(account)
    account.cloud.firewalls._sets[ruleset.id]["rules"].append({**rule, "description": "by hand"})
    open_ports(account, request, result, "9000")
    assert [r["description"] for r in bodies(account, CHANGE)[0]["rules"]] == [
        "arb: ssh",
        "by hand",
        "arb: port 9000",
    ]


def test_what_lambda_adds_to_rules_is_not_sent_back():
    icmp = {"protocol": "icmp", "source_network": "0.0.0.0/0", "description": "ping"}
    shown = [{**icmp, "port_range": None, "id": "r1"}]
    assert merged(shown, ()) == [icmp]
    assert merged(shown, ("80",))[0] == icmp


def test_ports_of_a_cluster_whose_rule_set_is_gone_cannot_be_opened(account):
    request, result = bought(account)
    (ruleset,) = rulesets(account)
    del account.cloud.firewalls._sets[ruleset.id]
    with pytest.raises(ProviderUnavailable, match="no firewall rule set in us-east-1") as caught:
        open_ports(account, request, result, "9000")
    assert "launch it anew" in caught.value.hint


@pytest.mark.parametrize(
    ("code", "kind"), [("quota-exceeded", QuotaError), ("x", ProviderUnavailable)]
)
def test_ports_that_cannot_be_opened_are_an_error(account, code, kind):
    request, result = bought(account)
    error = {"code": f"global/{code}", "message": "?"}
    account.cloud.fault("status", match=CHANGE, status=400, body={"error": error})
    with pytest.raises(kind):
        open_ports(account, request, result, "9000")


def test_a_used_up_quota_of_rule_sets_makes_nothing(account):
    account.cloud.set_quota("rulesets", 1)
    with pytest.raises(QuotaError) as caught:
        account.buy()
    assert (caught.value.scope, caught.value.made) == (Scope.PROVIDER, ())
    assert "firewall: false" in caught.value.hint
    assert account.cloud.ledger().of("machine") == []


def test_a_region_that_takes_no_rule_set_is_skipped(account):
    error = {"code": "global/invalid-parameters", "message": "region has no firewall."}
    account.cloud.fault("status", match=ADD, status=400, body={"error": error})
    with pytest.raises(RequestError, match=r"region has no firewall\.") as caught:
        account.buy()
    assert caught.value.scope is Scope.REGION


# -- cleaning up ---------------------------------------------------------------------------


def test_what_belongs_to_a_cluster_goes_and_nothing_else(account):
    request, result = bought(account)
    kept, _ = bought(account)
    account.cloud.add_foreign(f"{request.token}-mine", "ruleset")
    account.terminate(result.instances[0])
    for _ in range(2):
        clean(account, request)
    assert [entry.name for entry in rulesets(account)] == [kept.token]
    assert len(account.cloud.ledger().alive("key")) == 1


def test_what_is_still_in_use_is_asked_for_again(account):
    account.cloud.configure(end_delay_s=60)
    request, result = bought(account)
    account.terminate(result.instances[0])
    with pytest.raises(ProviderUnavailable, match="still in use"):
        clean(account, request)
    account.cloud.advance(61)
    clean(account, request)
    assert rulesets(account) == []


def test_another_accounts_rule_sets_are_not_looked_for_here(account):
    request, _ = bought(account)
    with pytest.raises(CredentialsError, match="another account"):
        clean(account, request, account="somebody else's")
    assert len(rulesets(account)) == 1


def told(account, owner=OWNER):
    return plugin.arb_list_leftovers(account.context(), owner)


def test_rule_sets_of_orders_that_nobody_knows_are_told_by_owner(account):
    account.cloud.add_foreign(f"arb-{OWNER}-by-hand", "ruleset")
    one, result = bought(account)
    two, _ = bought(account)
    found = told(account)
    assert found.tokens == {one.token, two.token}
    assert (found.account, found.errors) == (result.account, {})
    assert told(account, "otherabc").tokens == frozenset()


def test_who_makes_no_rule_sets_looks_for_none(account):
    bought(account)
    account.options["firewall"] = False
    assert told(account).tokens == frozenset()


@pytest.mark.parametrize("fault", ["status", "reset", "garbage"])
def test_rule_sets_that_cannot_be_listed_are_an_error(account, fault):
    account.cloud.fault(fault, match="GET /firewall-rulesets", count=9)
    with pytest.raises(ProviderUnavailable):
        told(account)


@pytest.mark.parametrize("fault", ["status", "reset", "garbage"])
def test_no_good_answer_to_a_clean_up_is_an_error(account, fault):
    request, result = bought(account)
    account.terminate(result.instances[0])
    account.cloud.fault(fault, match="DELETE *")
    with pytest.raises(ProviderUnavailable):
        clean(account, request)
    clean(account, request)
    assert rulesets(account) == []
