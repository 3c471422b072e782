"""``arb check`` over providers that answer in every way."""

from __future__ import annotations

import sys

import pytest
from support.fakecloud import FakeCloud

from arb.errors import ProviderUnavailable
from arb.hookspecs import hookimpl
from arb.plugins import PluginTable
from arb.types import CheckResult, CheckStatus, SystemClock

GOOD = CheckResult(
    CheckStatus.OK, "account 1234", may=("launch", "terminate"), source="~/.good/key"
)
LIMITED = CheckResult(
    CheckStatus.LIMITED,
    "account 5678",
    hint="let an administrator attach the policy",
    may=("list",),
    missing=("launch",),
    policy='{"Allow": ["launch"]}',
    source="GOOD_KEY",
)
REFUSED = CheckResult(CheckStatus.REFUSED, "the key was refused (HTTP 401)", hint="make a new key")
ABSENT = CheckResult(CheckStatus.NOT_CONFIGURED, "no API key", hint="set ABSENT_API_KEY")


@pytest.fixture
def answering(monkeypatch):
    """Let providers of these names be installed, each giving or raising one answer to a check."""

    def install(**answers):
        entries = []
        for name, answer in answers.items():
            entry = FakeCloud(SystemClock(), name=name).entry()
            monkeypatch.setattr(sys.modules[entry.value], "arb_check", _hook(answer))
            entries.append(entry)
        monkeypatch.setattr(PluginTable, "load", lambda *_, **__: PluginTable(entries))

    return install


def _hook(answer):
    def arb_check(context):
        if isinstance(answer, Exception):
            raise answer
        return answer

    return hookimpl(arb_check)


def test_one_line_a_provider_with_what_to_do_below(cli, answering):
    answering(good=GOOD, limited=LIMITED, refused=REFUSED, absent=ABSENT)
    done = cli("check")
    assert done.out.splitlines() == [
        "provider  state           what it says                    credentials from",
        "absent    not-configured  no API key                      -",
        "    set ABSENT_API_KEY",
        "good      ok              account 1234                    ~/.good/key",
        "    may: launch, terminate",
        "limited   limited         account 5678                    GOOD_KEY",
        "    may: list",
        "    may not: launch",
        "    let an administrator attach the policy",
        "    arb check limited --policy",
        "refused   refused         the key was refused (HTTP 401)  -",
        "    make a new key",
    ]
    assert done.code == 4


@pytest.mark.parametrize(
    ("answers", "named", "code"),
    [
        ({"good": GOOD, "absent": ABSENT}, [], 0),
        ({"good": GOOD, "absent": ABSENT}, ["absent"], 4),
        ({"good": GOOD, "absent": ABSENT}, ["good"], 0),
        ({"limited": LIMITED}, ["limited"], 0),
        ({"good": GOOD, "refused": REFUSED}, [], 4),
        ({"good": GOOD, "silent": ProviderUnavailable("no answer", code="x")}, [], 1),
    ],
    ids=["absent", "absent-named", "good-named", "limited", "refused", "silent"],
)
def test_exit_code_says_whether_all_can_be_used(cli, answering, answers, named, code):
    answering(**answers)
    assert cli("check", *named).code == code


def test_a_provider_that_does_not_answer_costs_the_others_nothing(cli, answering):
    answering(good=GOOD, silent=ProviderUnavailable("no answer in 20 s", code="x", hint="wait"))
    found = {one["provider"]: one["result"] for one in cli("check", "--json").json}
    assert found["good"]["status"] == "ok"
    assert found["silent"]["status"] == "unreachable"
    assert (found["silent"]["summary"], found["silent"]["hint"]) == ("no answer in 20 s", "wait")


def test_a_plugin_that_crashes_is_broken_and_named_once(cli, answering):
    answering(good=GOOD, wild=RuntimeError("boom"))
    done = cli("check")
    assert "wild      broken" in done.out
    assert done.err.count("arb-wild") == 1
    assert done.code == 1


def test_policy_goes_to_stdout_ready_to_copy(cli, answering):
    answering(limited=LIMITED, good=GOOD)
    assert cli("check", "--policy").out == '{"Allow": ["launch"]}\n'


def test_unknown_provider_is_told_with_the_closest_name(cli, answering):
    answering(good=GOOD)
    done = cli("check", "goood")
    assert (done.code, done.out) == (2, "")
    assert "did you mean 'good'" in done.err


def test_nothing_installed_says_how_to_add_one(cli, answering):
    answering()
    done = cli("check")
    assert (done.code, done.out) == (0, "")
    assert "pip install arb-" in done.err


def test_asking_for_credentials_makes_no_state(cli, answering):
    answering(good=GOOD)
    assert cli("check").code == 0
    assert not (cli.home / "state.db").exists()
