"""Listing deployments."""

from __future__ import annotations

import pytest
from clouds.spheron.customer import OWNER, Account
from clouds.spheron.settings import OTHER_KEY

from arb.errors import CredentialsError, ProviderUnavailable
from arb.types import GoneReason, InstanceState, ListQuery
from arb_spheron import plugin

LIST = "GET /api/deployments"


def listed(account, **query):
    return plugin.arb_list_instances(account.context(), ListQuery(**query))


def ids(listing):
    return {instance.id for instance in listing.instances}


def test_a_listing_covers_everything_of_the_team(account):
    (bought,) = account.buy().instances
    listing = listed(account, owner=OWNER)
    (instance,) = listing.instances
    assert (instance.id, instance.state) == (bought.id, InstanceState.RUNNING)
    assert listing.covers("anywhere", "team_0001")
    assert not listing.covers("anywhere", "team_0002")


def test_machines_of_others_are_never_shown(account):
    for name in ("web-1", "arb-training", f"arb-{OWNER}", f"my-arb-{OWNER}-clusterx-000-0000"):
        account.cloud.add_foreign(name)
    assert listed(account).instances == ()


def test_a_listing_is_restricted_as_asked(account):
    near = account.buy().instances[0]
    far = account.buy(offer=account.offer("n3-RTX-A4000x1__NORWAY-1")).instances[0]
    assert ids(listed(account)) == {near.id, far.id}
    assert ids(listed(account, owner="strangerx")) == set()
    assert ids(listed(account, tokens=frozenset({far.token}))) == {far.id}
    assert ids(listed(account, regions=frozenset({"CANADA-1"}))) == {near.id}
    both = {"tokens": frozenset({near.token}), "regions": frozenset({"NORWAY-1"})}
    assert ids(listed(account, **both)) == set()


@pytest.mark.parametrize(
    "settings",
    [
        {"list_shape": "array"},
        {"list_shape": "array-paged"},
        {"list_shape": "object"},
        {"page_size": 2},
        {"page_size": 2, "list_shape": "array-paged"},
        {"page_size": 7, "list_shape": "data", "total_pages": "text"},
        {"page_size": 2, "total_pages": "none"},
        {"knows_pages": False},
    ],
    ids=[
        *("array", "paged array", "object", "pages of two", "array in pages of two"),
        *("a number told as a text", "no number told", "no parameters allowed"),
    ],
)
@pytest.mark.parametrize("count", [1, 10, 13])
def test_every_page_is_read_in_any_form(account, settings, count):
    account.cloud.configure(posts=100, reads=1000, **settings)
    offer = account.offer()
    made = {i.id for n in range(count) for i in account.buy(offer=offer).instances}
    assert ids(listed(account, owner=OWNER)) == made


@pytest.mark.parametrize("knows_pages", [True, False])
def test_how_a_server_pages_is_found_out_once(account, knows_pages):
    account.cloud.configure(knows_pages=knows_pages)
    made = {account.buy().instances[0].id for _ in range(3)}
    reads = []
    for _ in range(2):
        before = account.cloud.ledger().count(LIST)
        assert ids(listed(account, owner=OWNER)) == made
        reads.append(account.cloud.ledger().count(LIST) - before)
    assert reads[1] == 1


def pages_of(account, *pages, total=3):
    for page in pages:
        body = page if isinstance(page, str) else {"deployments": page, "totalPages": total}
        status = 404 if isinstance(page, str) else 200
        account.cloud.fault("status", match=LIST, status=status, body=body)


def test_a_page_in_the_middle_may_be_empty_where_their_number_is_told(account):
    made = [account.cloud.shown(account.buy().instances[0].id) for _ in range(2)]
    pages_of(account, made[:1], [], made[1:])
    assert ids(listed(account, owner=OWNER)) == {row["id"] for row in made}


@pytest.mark.parametrize("total", [3, None], ids=["told", "not told"])
def test_a_page_that_a_proxy_cannot_find_is_no_end(account, total):
    made = account.cloud.shown(account.buy().instances[0].id)
    pages_of(account, [made], "<html>Not Found</html>", total=total)
    with pytest.raises(ProviderUnavailable):
        listed(account, owner=OWNER)


def test_a_round_number_of_rows_may_be_a_full_page_though_pages_were_unknown(account):
    account.cloud.configure(posts=100)
    listed(account, owner=OWNER)
    offer = account.offer()
    made = {account.buy(offer=offer).instances[0].id for _ in range(10)}
    assert ids(listed(account, owner=OWNER)) == made
    account.cloud.configure(list_shape="array-paged")
    made |= {account.buy(offer=offer).instances[0].id for _ in range(3)}
    assert ids(listed(account, owner=OWNER)) == made


def test_a_status_that_is_neither_active_nor_inactive_hides_no_machine(account):
    account.cloud.configure(odd_status="queued", boot_delay_s=300)
    (bought,) = account.buy().instances
    (instance,) = listed(account, tokens=frozenset({bought.token})).instances
    assert (instance.id, instance.state, instance.detail) == (
        bought.id,
        InstanceState.PENDING,
        "queued",
    )


@pytest.mark.parametrize("told", [None, "canada 1"], ids=["no region", "spelled otherwise"])
def test_a_machine_is_found_in_its_region_however_that_is_told(account, told):
    (bought,) = account.buy().instances
    shown = account.cloud.shown(bought.id) | {"region": told}
    account.cloud.fault("status", match=LIST, status=200, body=[shown])
    query = {"tokens": frozenset({bought.token}), "regions": frozenset({"CANADA-1"})}
    assert ids(listed(account, **query)) == {bought.id}


def test_a_team_that_is_gone_is_asked_for_again(account):
    account.buy()
    account.cloud.fault("status", match=LIST, status=404, body={"error": "Team not found"}, count=2)
    with pytest.raises(CredentialsError):
        listed(account)
    listed(account)
    assert account.cloud.ledger().count("GET /api/balance") == 2


def test_a_page_that_is_missing_makes_the_whole_unknown(account):
    account.cloud.configure(page_size=2)
    for _ in range(3):
        account.buy()
    account.cloud.fault("status", match=LIST, skip=1, count=9)
    with pytest.raises(ProviderUnavailable):
        listed(account, owner=OWNER)


@pytest.mark.parametrize(
    "body", [{"deployments": None}, {"rows": []}, ["x"], 7, [{"name": "no id"}]], ids=str
)
def test_an_answer_of_another_form_is_no_empty_listing(account, body):
    account.buy()
    account.cloud.fault("status", match=LIST, status=200, body=body)
    with pytest.raises(ProviderUnavailable, match="lists no deployments"):
        listed(account)


def test_who_asks_by_name_costs_one_read_while_the_machines_live(account):
    (bought,) = account.buy().instances
    before = account.cloud.ledger().count(LIST)
    assert ids(listed(account, tokens=frozenset({bought.token}))) == {bought.id}
    assert account.cloud.ledger().count(LIST) - before == 1


@pytest.mark.parametrize(
    ("spot", "reason"), [(True, GoneReason.PREEMPTED), (False, GoneReason.HARDWARE)]
)
def test_what_the_provider_took_is_gone_with_its_reason(account, spot, reason):
    offer = account.offer("1H100.80S.32V_FIN-03_500", spot=spot)
    (bought,) = account.buy(offer=offer).instances
    account.cloud.preempt(bought.id)
    (instance,) = listed(account, tokens=frozenset({bought.token})).instances
    assert (instance.state, instance.reason) == (InstanceState.GONE, reason)
    assert instance.detail == "terminated-provider"


def test_a_machine_that_failed_is_not_gone_while_it_may_be_billed(account):
    (bought,) = account.buy().instances
    account.cloud.fail_machine(bought.id)
    (instance,) = listed(account).instances
    assert (instance.state, instance.reason) == (
        InstanceState.TERMINATING,
        GoneReason.FAILED_START,
    )


def test_a_machine_that_is_booting_has_no_address(account):
    account.cloud.configure(boot_delay_s=300)
    account.buy()
    (instance,) = listed(account).instances
    assert (instance.state, instance.address) == (InstanceState.PENDING, "")
    account.cloud.advance(301)
    (instance,) = listed(account).instances
    assert (instance.state, bool(instance.address)) == (InstanceState.RUNNING, True)


def test_what_it_cost_so_far_is_told(account):
    account.buy()
    account.cloud.advance(1800)
    (instance,) = listed(account).instances
    assert instance.reported_usd == pytest.approx(1.43 / 2, abs=0.01)


def test_another_accounts_listing_is_another_accounts(account, tmp_path):
    account.buy()
    other = Account(account.cloud, tmp_path / "other", OTHER_KEY)
    listing = listed(other)
    assert (listing.instances, listing.account) == ((), "team_0900")


def test_a_refused_key_lists_nothing(account):
    account.env = {"SPHERON_API_KEY": "sai_pk_wrong"}
    with pytest.raises(CredentialsError):
        listed(account)
