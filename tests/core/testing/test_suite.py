"""The conformance suite as plugin authors meet it: verdicts, deviations, reports, quotations."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.core.testing.batch import Batch
from tests.core.testing.broken_orders import ReturnsMachinesBackwards
from tests.core.testing.memory_cloud import KEY, MemoryCloud
from tests.core.testing.reference import Reference
from tests.core.testing.suite import ReferenceContract, suite_of

from arb import errors, hookspecs, types
from arb.testing import (
    CloudMachine,
    ContractBroken,
    ContractCloud,
    FakeClock,
    Login,
    NotProven,
    ProviderContract,
    Verdict,
    prove,
)
from arb.testing.report import checks_of

pytest_plugins = ["pytester"]

COUNT = "test_an_order_makes_as_many_machines_as_it_asks_for"
QUOTATION = re.compile(r'``([\w.]+)``: "(.+?)"(?=\n *``|\n *$|$)', re.DOTALL)


def plain(text: str) -> str:
    return " ".join(text.replace('\\"', '"').split())


def sources() -> dict[str, str]:
    """Return the words that promises are quoted from: of hooks, of the contract's classes."""
    found = {"arb.hookspecs": hookspecs.__doc__, "arb.types": types.__doc__}
    for name in hookspecs.SPEC_MODULES:
        module = importlib.import_module(f"arb.hookspecs.{name}")
        found |= {n: f.__doc__ for n, f in vars(module).items() if n.startswith("arb_")}
    for module, names in ((types, types.__all__), (errors, errors.__all__)):
        for name in names:
            if inspect.isclass(kind := getattr(module, name)):
                found[name] = inspect.getsource(kind)
    return {name: plain(text) for name, text in found.items()}


def promises() -> list[tuple[str, str, str]]:
    return [
        (check, source, plain(words))
        for check in checks_of(ProviderContract)
        for source, words in QUOTATION.findall(inspect.getdoc(getattr(ProviderContract, check)))
    ]


def test_every_check_quotes_a_promise() -> None:
    assert {check for check, _, _ in promises()} == set(checks_of(ProviderContract))


def test_every_quotation_is_the_contracts_own_words() -> None:
    said = sources()
    wrong = [promise for promise in promises() if promise[2] not in said[promise[1]]]
    assert wrong == []


def test_every_hook_of_a_provider_has_a_check() -> None:
    quoted = {source for _, source, _ in promises()}
    assert set(hookspecs.PROVIDER_HOOKS) <= quoted


def test_a_provider_that_buys_in_batches_passes() -> None:
    report = prove(suite_of(Batch))
    assert report.named(Verdict.BROKEN) == frozenset(), report.text()


class Number:
    """An id that is no text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


class Numbered(MemoryCloud):
    """A cloud whose ids are no texts, and whose address everybody knows."""

    def everybody(self):
        return Login({"MEMORY_URL": self.url})

    def login(self):
        return Login({"MEMORY_API_KEY": KEY})

    def machines(self):
        rows = super().machines()
        return [CloudMachine(Number(r.id), r.name, r.gone_at, r.region) for r in rows]

    def received(self, machine_id):
        return super().received(machine_id.text)

    def shown(self, machine_id):
        return super().shown(machine_id.text)

    def endpoint(self, machine_id):
        return super().endpoint(machine_id.text)

    def foreign_machine(self, name):
        return Number(super().foreign_machine(name))

    def preempt(self, machine_id):
        super().preempt(machine_id.text)

    def fail_machine(self, machine_id):
        super().fail_machine(machine_id.text)

    def unknown_state(self, machine_id):
        super().unknown_state(machine_id.text)


def test_ids_of_the_cloud_may_be_numbers_and_its_address_everybodys() -> None:
    suite = suite_of(Reference)
    suite.make_cloud = lambda _: Numbered()
    report = prove(suite)
    assert report.named(Verdict.KEPT) == frozenset(checks_of(suite)), report.text()


class Forgetful(MemoryCloud):
    """A cloud whose methods return nothing where something is asked for."""

    def foreign_machine(self, name):
        super().foreign_machine(name)

    def stock_out(self, offer, left=0):
        super().stock_out(offer, left)


@pytest.mark.parametrize(
    ("check", "method"),
    [
        ("test_a_listing_shows_no_foreign_machine", "foreign_machine"),
        ("test_no_stock_covers_no_more_than_what_is_sold_out", "stock_out"),
    ],
)
def test_a_cloud_that_returns_nothing_is_told_what_is_missing(check: str, method: str) -> None:
    suite = suite_of(Reference)
    suite.make_cloud = lambda _: Forgetful()
    (outcome,) = prove(suite, only=[check]).outcomes
    assert outcome.verdict is Verdict.BROKEN
    assert method in outcome.reason


@pytest.mark.parametrize(
    "login",
    [
        Login({"MEMORY_API_KEY": KEY}, secrets=("abc",)),
        Login({}, {".memory/credentials": f"[me]\nkey = {KEY}\n"}),
    ],
    ids=["too short", "a file with more"],
)
def test_secrets_that_nobody_would_recognise_prove_nothing(login: Login) -> None:
    suite = suite_of(Reference)

    class Known(MemoryCloud):
        def everybody(self):
            return Login({"MEMORY_URL": self.url, "MEMORY_API_KEY": KEY})

        def login(self):
            return login

    suite.make_cloud = lambda _: Known()
    (outcome,) = prove(suite, only=["test_no_secret_is_told"]).outcomes
    assert outcome.verdict is Verdict.NOT_PROVEN
    assert "would be recognised" in outcome.reason


class Unique(MemoryCloud):
    """A cloud that knows each name once only."""

    def foreign_machine(self, name):
        if any(row.name == name for row in self.machines()):
            raise KeyError(name)
        return super().foreign_machine(name)


def test_a_cloud_may_refuse_a_second_machine_of_a_name() -> None:
    suite = suite_of(Reference)
    suite.make_cloud = lambda _: Unique()
    (outcome,) = prove(
        suite, only=["test_of_two_machines_under_one_token_the_named_one_ends"]
    ).outcomes
    assert outcome.verdict is Verdict.NOT_PROVEN


class Untouched(ReferenceContract):
    def make_cloud(self):
        return ContractCloud()


def test_without_a_cloud_nothing_is_bought_and_nothing_called_broken() -> None:
    report = prove(Untouched)
    assert report.named(Verdict.BROKEN) == frozenset(), report.text()
    assert COUNT in report.named(Verdict.NOT_PROVEN)
    assert "test_the_catalog_needs_no_credentials" in report.named(Verdict.KEPT)


def test_a_broken_promise_that_is_declared_is_a_deviation_with_its_reason() -> None:
    suite = suite_of(ReturnsMachinesBackwards)
    suite.deviations = {COUNT: "the API sorts them"}
    (outcome,) = prove(suite, only=[COUNT]).outcomes
    assert (outcome.verdict, outcome.reason) == (Verdict.DEVIATION, "the API sorts them")


def test_a_promise_that_is_kept_may_not_be_declared_as_a_deviation() -> None:
    suite = suite_of(Reference)
    suite.deviations = {COUNT: "not any more"}
    (outcome,) = prove(suite, only=[COUNT]).outcomes
    assert outcome.verdict is Verdict.BROKEN
    assert "take it out" in outcome.reason


def test_a_deviation_from_no_check_is_an_error() -> None:
    suite = suite_of(Reference)
    suite.deviations = {"test_something": "misspelt"}
    with pytest.raises(ContractBroken, match="test_something"):
        prove(suite)


def test_a_report_tells_what_is_not_proven_and_why() -> None:
    text = prove(Untouched, only=[COUNT]).text()
    assert text == (
        "Untouched: 1 check: 1 not proven\n"
        f"  not proven: {COUNT}: the cloud of this suite has no ledger of machines"
    )


def test_a_broken_promise_is_quoted_in_the_failure() -> None:
    suite = suite_of(ReturnsMachinesBackwards)()
    with pytest.raises(ContractBroken, match="returned in the order") as caught:
        getattr(suite, COUNT)()
    suite.teardown_method()
    assert "machines in rank order" in caught.value.__notes__[0]


def test_a_cloud_that_cannot_do_something_says_what() -> None:
    with pytest.raises(NotProven, match="not proven: the cloud of this suite cannot hang"):
        ContractCloud().hang()


def test_time_of_a_cloud_without_a_clock_to_push_cannot_pass() -> None:
    cloud = ContractCloud(types.SystemClock())
    with pytest.raises(NotProven, match="cannot let time pass"):
        cloud.advance(1)
    assert isinstance(ContractCloud().clock, FakeClock)


def test_credentials_are_in_no_repr_of_a_login() -> None:
    login = Login(env={"KEY": "s3cret-1"}, files={"a": "s3cret-2"}, secrets=("s3cret-3",))
    assert "s3cret" not in repr(login)
    assert Login(env={"KEY": "s3cret-1"}).canaries() == ("s3cret-1",)
    assert login.canaries() == ("s3cret-3",)


def test_the_suite_needs_no_test_runner() -> None:
    code = (
        "import sys; sys.modules['pytest'] = None; import arb.testing.contract, arb.testing.report"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_clock_costs_no_suite() -> None:
    code = "import sys, arb.testing; arb.testing.FakeClock(); print(*sys.modules)"
    output = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert not {"arb.testing.contract", "arb.plugins", "pandas", "unittest"} & set(output.split())


SUITE = """
from tests.core.testing.suite import ReferenceContract

def test_looking_changes_nothing():
    pass

class TestMine(ReferenceContract):
    deviations = {"test_nothing_is_printed": "the SDK does"}

class TestOther(ReferenceContract):
    def make_cloud(self):
        from arb.testing import ContractCloud
        return ContractCloud()
"""


def test_pytest_ends_with_a_summary_of_each_suite(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    pytester.makeconftest("")
    root = Path(__file__).parents[3]
    few = "looking_changes_nothing or nothing_is_printed"
    result = pytester.runpytest_subprocess(
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "arb.testing.summary",
        "-k",
        few,
        f"-opythonpath={root}",
    )
    result.assert_outcomes(passed=2, failed=1, skipped=2)
    result.stdout.fnmatch_lines(
        [
            "*provider contract*",  # without the function whose name is a check's
            "TestMine: 2 checks: 1 kept, 1 broken",
            "  broken: test_nothing_is_printed: test_nothing_is_printed is declared as a deviation (the SDK does)*",
            "TestOther: 2 checks: 2 not proven",
            "  not proven: test_*: the cloud of this suite allows no purchase",
        ]
    )


PAGE = Path(__file__).parents[3] / "docs" / "conformance.md"


def snippets() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_documented_suites_can_be_written_so(monkeypatch: pytest.MonkeyPatch) -> None:
    server = type("AcmeServer", (), {"url": "http://127.0.0.1", "ever_made": (), "stock": {}})
    made = SimpleNamespace(AcmeServer=lambda now: server)
    monkeypatch.setitem(sys.modules, "acme_server", made)
    monkeypatch.setitem(sys.modules, "arb_acme", SimpleNamespace(plugin=Reference()))
    names: dict[str, Any] = {"pytest": pytest, "print": lambda _: None}
    smallest, proved, *more = snippets()
    exec(smallest, names)
    names["TestAcmeContract"].provider = "acme"
    exec(proved, names)
    for snippet in more:
        exec(snippet, names)
        checks_of(names["TestAcmeContract"])
    cloud = names["AcmeCloud"]()
    assert cloud.login().canaries() == ("key-that-works",)
    assert list(cloud.machines()) == []


def test_the_page_names_everything_that_a_cloud_can_be_asked_for() -> None:
    page = PAGE.read_text()
    asked = {name for name in vars(ContractCloud) if not name.startswith("_")} - {"close"}
    calls = {
        name: list(inspect.signature(getattr(ContractCloud, name)).parameters.values())[1:]
        for name in asked
    }
    shown = {
        name: ", ".join(_as_shown(p) for p in parameters) for name, parameters in calls.items()
    }
    assert [name for name in sorted(asked) if f"`{name}({shown[name]})`" not in page] == []


def _as_shown(parameter: inspect.Parameter) -> str:
    default = parameter.default
    return parameter.name if default is inspect.Parameter.empty else f"{parameter.name}={default}"
