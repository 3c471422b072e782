from __future__ import annotations

import re

import pytest

from arb.hookspecs import PROVIDER_HOOKS, STORE_HOOKS
from arb.plugins.frames import (
    CATALOG_COLUMNS,
    OPTIONAL_COLUMNS,
    PRICE_COLUMNS,
    check_adjusted,
    check_frame,
)
from arb.plugins.results import WrongResult, checked
from arb.types import (
    Catalog,
    CheckResult,
    CheckStatus,
    Instance,
    InstanceState,
    Leftovers,
    Listing,
    NoticeProbe,
    ProviderInfo,
    ProvisionResult,
    SelfTerminate,
    SshEndpoint,
    StoreRemote,
    Termination,
)

pd = pytest.importorskip("pandas")

MACHINE = Instance("claims-to-be-aws", "i-1", "r", InstanceState.RUNNING)
ROW = {
    "offer_id": "a",
    "region": "r",
    "zone": "",
    "instance_type": "t",
    "accelerator": "H100",
    "accelerator_count": 1.0,
    "accelerator_gib": 80.0,
    "vcpus": 8.0,
    "memory_gib": 64.0,
    "spot": False,
    "price_usd_hour": 2.5,
}
PRICE = {"offer_id": "a", "spot": True, "price_usd_hour": 1.0, "available": True}


def catalog(**changes):
    return Catalog(pd.DataFrame([ROW | changes]), "live", 0.0)


GOOD = {
    "arb_provider_info": [ProviderInfo("X", frozenset())],
    "arb_check": [CheckResult(CheckStatus.OK, "fine")],
    "arb_catalog": [catalog(), Catalog(pd.DataFrame(columns=list(CATALOG_COLUMNS)), "bundled", 1)],
    "arb_query_prices": [pd.DataFrame([PRICE]), pd.DataFrame([PRICE | {"available": None}])],
    "arb_provision": [ProvisionResult((MACHINE,), "h"), ProvisionResult(())],
    "arb_poll": [[MACHINE], (MACHINE,), ()],
    "arb_list_instances": [Listing((MACHINE,), frozenset({"r"}), {"q": "down"})],
    "arb_terminate": [Termination.GONE, Termination.PENDING],
    "arb_list_leftovers": [Leftovers(frozenset({"t"}), {"q": "down"}), Leftovers(("t",))],
    "arb_cleanup": [None],
    "arb_stop": [[MACHINE]],
    "arb_start": [(MACHINE,)],
    "arb_ssh_ports": [SshEndpoint("h")],
    "arb_open_ports": [None],
    "arb_credential_mounts": [{}, {"~/.x": "/home/x"}],
    "arb_self_terminate": [None, SelfTerminate("poweroff")],
    "arb_preemption_notice": [None, NoticeProbe(path="/notice")],
    "arb_store_config": [StoreRemote("s3", {})],
}
BAD = [
    ("arb_provider_info", None, "returned None, not ProviderInfo"),
    ("arb_provider_info", ProviderInfo("X", ["spot"]), "returned a list as capabilities"),
    (
        "arb_provider_info",
        ProviderInfo("X", frozenset(), hook_budgets_s={"arb_chek": 1}),
        "returned the budget arb_chek=1",
    ),
    ("arb_provider_info", ProviderInfo("X", frozenset(), hook_budgets_s={"arb_check": 0}), "=0"),
    ("arb_provider_info", ProviderInfo("X", frozenset(), options=["a"]), "a list as options"),
    ("arb_check", True, "returned a bool, not CheckResult"),
    ("arb_check", CheckResult("ok", "x"), "returned a str as status"),
    ("arb_catalog", pd.DataFrame(), "returned a DataFrame, not Catalog"),
    ("arb_catalog", Catalog([ROW], "live", 0.0), "returned a list, not a pandas DataFrame"),
    ("arb_catalog", Catalog(pd.DataFrame([ROW]), "guess", 0.0), "the source 'guess'"),
    ("arb_catalog", Catalog(pd.DataFrame([ROW]), "live", "today"), "a str as as_of"),
    ("arb_catalog", catalog(price_usd_hour="2.50"), "the column price_usd_hour as"),
    ("arb_catalog", catalog(spot="no"), "the column spot as"),
    ("arb_catalog", catalog(offer_id=7), "the column offer_id as int64, not text"),
    ("arb_query_prices", {"a": 1.0}, "returned a dict, not a pandas DataFrame"),
    ("arb_query_prices", pd.DataFrame([ROW]), "without the column available"),
    ("arb_provision", (MACHINE,), "returned a tuple, not ProvisionResult"),
    ("arb_provision", ProvisionResult(("i-1",)), "returned a str, not Instance"),
    ("arb_provision", ProvisionResult((MACHINE,), {"op": 1}), "returned a dict as handle"),
    ("arb_provision", ProvisionResult((), account=None), "returned None as account"),
    ("arb_list_instances", Listing((), frozenset(), account=7), "a int as account"),
    ("arb_catalog", catalog(available="yes"), "the column available as"),
    ("arb_catalog", catalog(payload=1), "the column payload as int64, not text"),
    ("arb_poll", [Instance("x", "i", None, InstanceState.GONE)], "whose region is None"),
    ("arb_provision", ProvisionResult((), notes="one"), "returned notes that are no texts"),
    ("arb_provision", ProvisionResult((), notes=(1,)), "returned notes that are no texts"),
    ("arb_ssh_ports", SshEndpoint(""), "without a host"),
    ("arb_ssh_ports", SshEndpoint("h\n  ProxyCommand x"), r"with the host 'h\n  ProxyCommand x'"),
    ("arb_ssh_ports", SshEndpoint("-oProxyCommand=x"), "with the host '-oProxyCommand=x'"),
    ("arb_ssh_ports", SshEndpoint("h", user='a"b'), "with the user 'a\"b'"),
    ("arb_ssh_ports", SshEndpoint("h", host_key=None), "returned None as host_key, not text"),
    ("arb_ssh_ports", SshEndpoint("h", "22"), "with the port '22'"),
    ("arb_ssh_ports", SshEndpoint("h", 70000), "with the port 70000"),
    ("arb_poll", MACHINE, "returned a Instance, not a sequence of Instance"),
    ("arb_poll", "i-1", "returned a str, not a sequence"),
    ("arb_poll", [Instance("x", "i", "r", "running")], "whose state is a str"),
    ("arb_poll", [Instance("x", "", "r", InstanceState.GONE)], "an Instance without an id"),
    ("arb_list_instances", [MACHINE], "returned a list, not Listing"),
    ("arb_list_instances", Listing((), "r"), "returned a str as complete"),
    ("arb_list_instances", Listing((), frozenset(), ["x"]), "returned a list as errors"),
    ("arb_terminate", True, "returned a bool, not Termination"),
    ("arb_terminate", Termination("yes"), "a Termination whose gone"),
    ("arb_list_leftovers", {"t"}, "returned a set, not Leftovers"),
    ("arb_list_leftovers", Leftovers("t"), "returned a str as tokens"),
    ("arb_list_leftovers", Leftovers(frozenset({1})), "tokens that are no texts"),
    ("arb_list_leftovers", Leftovers(frozenset(), ["x"]), "returned a list as errors"),
    ("arb_list_leftovers", Leftovers(frozenset(), account=3), "returned a int as account"),
    ("arb_cleanup", 3, "returned a int, not None"),
    ("arb_ssh_ports", ("h", 22), "returned a tuple, not SshEndpoint"),
    ("arb_credential_mounts", None, "returned None, not a mapping"),
    ("arb_credential_mounts", {"~/.x": 1}, "not of text to text"),
    ("arb_self_terminate", "poweroff", "returned a str, not SelfTerminate"),
    ("arb_store_config", None, "returned None, not StoreRemote"),
]


@pytest.mark.parametrize("hook", [*PROVIDER_HOOKS, *STORE_HOOKS])
def test_results_of_the_contract_are_accepted(hook):
    for value in GOOD[hook]:
        checked(hook, value, "me")


@pytest.mark.parametrize(("hook", "value", "text"), BAD, ids=[f"{b[0]}-{b[2]}" for b in BAD])
def test_results_outside_the_contract_are_refused(hook, value, text):
    with pytest.raises(WrongResult) as caught:
        checked(hook, value, "me")

    assert text in str(caught.value)


@pytest.mark.parametrize("hook", ["arb_poll", "arb_stop", "arb_start"])
def test_instances_become_a_tuple_with_the_providers_id(hook):
    assert [i.provider for i in checked(hook, [MACHINE], "me")] == ["me"]
    assert isinstance(checked(hook, [MACHINE], "me"), tuple)


def test_machines_of_a_purchase_and_a_listing_carry_the_providers_id():
    bought = checked("arb_provision", ProvisionResult((MACHINE,)), "me")
    listed = checked("arb_list_instances", Listing((MACHINE,), {"r"}), "me")

    assert bought.instances[0].provider == listed.instances[0].provider == "me"
    assert listed.complete == frozenset({"r"})


def test_a_result_that_fails_when_it_is_read_is_refused():
    class Nasty(list):
        def __iter__(self):
            raise RuntimeError

    with pytest.raises(WrongResult, match="cannot be read"):
        checked("arb_poll", Nasty([MACHINE]), "me")


@pytest.mark.parametrize("column", CATALOG_COLUMNS)
def test_every_required_column_is_missed(column):
    with pytest.raises(WrongResult, match=f"without the column {column}$"):
        check_frame(pd.DataFrame([ROW]).drop(columns=column), CATALOG_COLUMNS)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("region", pd.Categorical(["r"])),
        ("region", pd.Series(["r"], dtype=object)),
        ("zone", pd.Categorical([None], categories=[])),
        ("vcpus", pd.Series([8], dtype="int64")),
        ("vcpus", pd.Series([8.0], dtype="float32")),
        ("spot", pd.Series([True], dtype="boolean")),
    ],
    ids=["category", "object", "empty-category", "integer", "float32", "nullable-boolean"],
)
def test_kin_types_are_the_right_kind(column, values):
    check_frame(pd.DataFrame([ROW]).assign(**{column: values}), CATALOG_COLUMNS)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("price_usd_hour", pd.Categorical([2.5])),
        ("price_usd_hour", pd.Series(["2.5"], dtype=object)),
        ("price_usd_hour", pd.Series([True])),
        ("spot", pd.Series([0], dtype="int64")),
        ("region", pd.Series([b"r"], dtype=object)),
        ("region", pd.Series([7], dtype=object)),
        ("vcpus", pd.to_datetime(pd.Series(["2026-01-01"]))),
    ],
    ids=["category", "text", "boolean", "integer", "bytes", "mixed", "time"],
)
def test_other_types_are_the_wrong_kind(column, values):
    with pytest.raises(WrongResult, match=f"the column {column} as "):
        check_frame(pd.DataFrame([ROW]).assign(**{column: values}), CATALOG_COLUMNS)


def test_a_column_that_is_there_twice_is_refused():
    frame = pd.DataFrame([ROW])
    with pytest.raises(WrongResult, match="a column twice"):
        check_frame(pd.concat([frame, frame[["spot"]]], axis=1), CATALOG_COLUMNS)


def test_columns_are_those_of_the_specification():
    from arb.hookspecs import market

    kinds = {"str": "text", "category": "text", "bool": "boolean"}
    optional = market.arb_catalog.__doc__.split("Optional ones")[1].split("Unknown columns")[0]
    rows = re.findall(
        r"^ +(\w+) +(str|category|float\d\d|bool)\b", market.arb_catalog.__doc__, re.MULTILINE
    )
    prices = re.findall(r"``(\w+)`` \(", market.arb_query_prices.__doc__)

    assert {name: kinds.get(kind, "number") for name, kind in rows} == CATALOG_COLUMNS
    assert prices == list(PRICE_COLUMNS)
    named = set(re.findall(r"``(\w+)``", optional))
    assert set(OPTIONAL_COLUMNS) <= named
    assert named - set(OPTIONAL_COLUMNS) <= {"USER_DATA", "simulated", "arb_provision"}


BEFORE = pd.DataFrame([ROW | {"provider": "p", "offer_id": x} for x in "abc"])


@pytest.mark.parametrize(
    "after",
    [
        BEFORE,
        BEFORE.iloc[:1],
        BEFORE.iloc[::-1],
        BEFORE.assign(price_usd_hour=0.5),
        BEFORE.iloc[:0],
    ],
    ids=["same", "fewer", "reordered", "cheaper", "none"],
)
def test_adjusted_offers_may_be_fewer_or_cheaper(after):
    check_adjusted(BEFORE, after)


@pytest.mark.parametrize(
    ("after", "text"),
    [
        (None, "returned a NoneType"),
        (BEFORE.drop(columns="zone"), "other columns"),
        (BEFORE.assign(more=1), "other columns"),
        (pd.concat([BEFORE, BEFORE]), "rows that are not among"),
        (BEFORE.set_index(pd.Index([7, 8, 9])), "rows that are not among"),
        (BEFORE.assign(offer_id="z"), "changed the column offer_id"),
        (BEFORE.assign(price_usd_hour=-1.0), "negative, missing"),
        (BEFORE.assign(price_usd_hour=float("nan")), "negative, missing"),
        (BEFORE.assign(price_usd_hour=float("inf")), "missing or infinite"),
        (BEFORE.assign(price_usd_hour="cheap"), "the column price_usd_hour as"),
    ],
)
def test_other_adjustments_are_refused(after, text):
    with pytest.raises(WrongResult, match=text):
        check_adjusted(BEFORE, after)
