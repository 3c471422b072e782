"""Exit codes, and one JSON document for every failure when JSON was asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from arb.errors import ArbError, CredentialsError, NodeError, NoOfferError, StateError, UsageError

USAGE = [
    ["launch"],
    ["launch", "--nope", "true"],
    ["launch", "--num-nodes", "0", "true"],
    ["launch", "--num-nodes", "x", "true"],
    ["launch", "no.yaml"],
    ["launch", "-c", "1bad", "--infra", "local", "true"],
    ["launch", "--infra", "nope", "true"],
    ["launch", "--infra", "local", "--env", "NOT SET", "true"],
    ["launch", "--infra", "local", "--env-file", "no.env", "true"],
    ["launch", "--infra", "local", "--gpus", "H100:x", "true"],
    ["launch", "--infra", "local", "--workdir", "no/such", "true"],
    ["exec"],
    ["exec", "nosuch", "true"],
    ["queue"],
    ["queue", "nosuch"],
    ["logs", "nosuch"],
    ["logs", "nosuch", "one"],
    ["cancel", "nosuch"],
    ["cancel", "nosuch", "1", "--all"],
    ["cancel", "nosuch", "1"],
    ["status", "nosuch"],
    ["down"],
    ["down", "a", "--all"],
    ["down", "nosuch", "-y"],
    ["cost", "--days", "-1"],
    ["cost", "--days", "nan"],
    ["config", "nope"],
    ["config", "get"],
    ["config", "get", "nope"],
    ["config", "set", "nope", "x"],
    ["config", "set", "default_infra", "a: ["],
    ["nope"],
    ["--nope"],
]


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_wrong_usage_is_2_and_says_why_on_stderr(cli, arguments):
    done = cli(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_wrong_usage_with_json_is_one_document(cli, arguments):
    done = cli(*arguments, "--json")
    assert done.code == 2
    assert set(done.json) == {"error"}
    assert set(done.json["error"]) == {"summary", "code", "hint"}
    assert done.json["error"]["summary"]


@pytest.fixture
def fail(monkeypatch):
    """Let every command fail with an error when it opens its session."""

    def with_error(error):
        def broken(self):
            raise error

        from arb.clusters.session import Session

        monkeypatch.setattr(Session, "store", property(broken))

    return with_error


ERRORS = [
    (ArbError("x", code="x"), 1, 125),
    (StateError("x", code="x"), 1, 125),
    (NodeError("x", code="x"), 1, 125),
    (UsageError("x", code="x"), 2, 2),
    (NoOfferError("x", code="x"), 3, 3),
    (CredentialsError("x", code="x"), 4, 4),
    (ZeroDivisionError("a bug"), 1, 125),
    (EOFError("too soon"), 1, 125),
    (KeyboardInterrupt(), 130, 130),
]


@pytest.mark.parametrize(("error", "code", "_"), ERRORS, ids=repr)
@pytest.mark.parametrize("arguments", [["status"], ["cost"], ["queue", "x"]], ids=" ".join)
def test_a_failing_command(cli, fail, arguments, error, code, _):
    fail(error)
    done = cli(*arguments)
    assert (done.code, done.out) == (code, "")
    assert done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(("error", "_", "code"), ERRORS, ids=repr)
@pytest.mark.parametrize(
    "arguments",
    [["launch", "-c", "x", "--infra", "local", "true"], ["exec", "x", "true"], ["logs", "x"]],
    ids=lambda words: words[0],
)
def test_a_command_that_returns_a_tasks_code_tells_its_own_failure(
    cli, fail, arguments, error, code, _
):
    fail(type(error)(*error.args, **({"code": "x"} if isinstance(error, ArbError) else {})))
    done = cli(*arguments)
    assert (done.code, done.out) == (code, "")


@pytest.mark.parametrize("error", [case[0] for case in ERRORS], ids=repr)
@pytest.mark.parametrize("command", ["status", "cost"])
def test_any_failure_with_json_is_one_document(cli, fail, command, error):
    fail(error)
    assert set(cli(command, "--json").json) == {"error"}


def test_a_bug_says_how_to_see_more(cli, fail):
    fail(ZeroDivisionError("a bug"))
    done = cli("status")
    assert "arb failed: ZeroDivisionError: a bug" in done.err
    assert "ARB_DEBUG=1" in done.err


def test_an_end_of_file_is_told_as_what_it_is(cli, fail):
    fail(EOFError("too soon"))
    assert "arb failed: EOFError: too soon" in cli("status").err


def test_a_bug_is_raised_for_those_who_asked(cli, fail, monkeypatch):
    monkeypatch.setenv("ARB_DEBUG", "1")
    fail(ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        cli("status")


@pytest.mark.parametrize(
    "arguments", [["status", "--nope"], ["task"], ["queue"], ["logs", "x", "y"]]
)
def test_json_has_the_hint_of_the_text(cli, arguments):
    told, error = cli(*arguments), cli(*arguments, "--json").json["error"]
    assert told.code == 2
    assert error["hint"] == f"arb {arguments[0]} --help"
    assert arguments == ["task"] or error["summary"] in told.err
    assert arguments == ["task"] or error["hint"] in told.err


def run_in_shell(cli, line):
    """Run a line of the shell, in which ``arb`` is the command."""
    arb = f"{sys.executable} -m arb"
    done = subprocess.run(
        ["/bin/sh", "-c", line.replace("arb", arb, 1)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("arb status >&-", 0),
        ("arb status --json >&-", 0),
        ("arb status <&- >&- 2>&-", 0),
        ("arb config get nope --json >&-", 2),
        ("arb config get nope 2>&-", 2),
        ("arb logs nosuch >&-", 2),
    ],
)
def test_a_stream_that_is_closed_is_one_that_nobody_reads(cli, line, code):
    returned, out, err = run_in_shell(cli, line)
    assert (returned, out) == (code, "")
    assert "arb failed" not in err
    assert "Traceback" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize(("words", "code"), [("config get nope", 1), ("logs nosuch", 125)])
def test_an_error_that_cannot_be_written_leaves_no_traceback(cli, words, code):
    returned, _, err = run_in_shell(cli, f"arb {words} --json >/dev/full")
    assert returned == code
    assert err.startswith("error: arb failed: OSError: [Errno 28]")
    assert "Traceback" not in err


@pytest.mark.parametrize(("words", "code"), [("status --json", 1), ("logs nosuch --json", 125)])
def test_a_reader_who_went_away_gets_no_traceback(cli, words, code):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "arb", *words.split()]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (code, "")


def test_json_behind_two_dashes_belongs_to_the_task(cli):
    done = cli("exec", "nosuch", "--", "prog", "--json")
    assert (done.code, done.out) == (2, "")


def test_a_home_that_cannot_be_used_is_told(cli):
    cli.home.write_text("a file in the way")
    done = cli("status")
    assert done.code == 1
    assert "set ARB_HOME" in done.err


def test_who_gives_nothing_to_run_is_told_what_the_command_takes(cli):
    assert cli("launch").err.splitlines()[1].endswith("; launch also takes --cluster NAME alone")
    assert cli("exec", "train").err.splitlines()[1] == "  give a task file or a command"


@pytest.mark.parametrize("command", [["launch", "-y"], ["plan"]], ids=["launch", "plan"])
def test_words_behind_a_task_file_are_not_run(cli, tmp_path, command):
    (tmp_path / "task.yaml").write_text("run: echo")
    done = cli(*command, "task.yaml", "8")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: task.yaml is a task file, and '8' stands behind it\n")


def test_no_offer_is_3_and_names_the_filter(cli):
    pytest.importorskip("arb_local")
    done = cli("launch", "--infra", "local", "--gpus", "B200:72", "true")
    assert (done.code, done.out) == (3, "")
    assert "after the filter 'accelerators B200'" in done.err


def test_money_is_not_spent_without_an_answer(cli, monkeypatch):
    pytest.importorskip("arb_local")
    cli(
        "config",
        "set",
        "provider_options.local.simulated",
        "[{instance_type: t, price_usd_hour: 2}]",
    )
    done = cli("launch", "--infra", "local/sim", "--json", "true")
    assert done.code == 2
    assert done.json["error"]["code"] == "needs-yes"
    assert cli("status", "--json").json == []


@pytest.mark.parametrize(
    ("state", "code", "followed", "expected"),
    [
        ("SUCCEEDED", 0, True, 0),
        ("FAILED", 7, True, 7),
        ("FAILED_SETUP", None, True, 125),
        ("CANCELLED", 143, True, 130),
        ("RUNNING", None, False, 0),
        ("RUNNING", None, True, 125),
    ],
)
def test_a_jobs_exit_code_also_when_its_output_ended_and_it_did_not(
    state, code, followed, expected
):
    from arb.cli.follow import exit_code
    from arb.nodes.agent_client import AgentJob

    job = AgentJob.parse({"job": 1, "state": state, "exit_code": code})
    assert exit_code(job, followed=followed) == expected
