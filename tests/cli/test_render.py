from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from arb.cli import render
from arb.errors import UsageError


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m 0s"),
        (3599, "59m 59s"),
        (3600, "1h 0m"),
        (90061, "1d 1h"),
    ],
)
def test_durations_have_two_units(seconds, text):
    assert render.age(seconds) == text


@pytest.mark.parametrize(
    ("usd", "text"), [(0, "$0.00"), (0.00419, "$0.0042"), (1, "$1.00"), (18493.4, "$18,493.40")]
)
def test_money(usd, text):
    assert render.money(usd) == text


def test_tables_are_aligned(capsys):
    render.table(("a", "n"), [("x", "1"), ("long", "10")], right="n")
    assert capsys.readouterr().out == "a      n\nx      1\nlong  10\n"


ROWS = [("acme", "a3-big-8g (unverified) spot", "eu-1/eu-1-a", "88.49"), ("b", "x", "y", "1.00")]


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        ("80", """\
who   type                         place          $/h
acme  a3-big-8g (unverified) spot  eu-1/eu-1-a  88.49
b     x                            y             1.00
"""),
        ("43", """\
who   type               place          $/h
acme  a3-big-8g          eu-1/eu-1-a  88.49
      (unverified) spot
b     x                  y             1.00
"""),
        ("1", """\
who   type            place          $/h
acme  a3-big-8g       eu-1/eu-1-a  88.49
      (unverified)
      spot
b     x               y             1.00
"""),
    ],
)  # fmt: skip
def test_a_table_folds_on_a_terminal_that_is_narrow(monkeypatch, capsys, columns, shown):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", columns)
    render.table(("who", "type", "place", "$/h"), ROWS, right="$/h")
    assert capsys.readouterr().out == shown


def test_where_no_folding_helps_each_row_is_a_list(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    columns = ("cluster", "machine time", "started", "$/h now", "cost")
    rows = [
        ("train-of-the-weekend-of-november", "3m 9s", "-", "20.00", "$0.10"),
        ("b", "1s", "2h", "1.00", "$0.20"),
    ]
    render.table(columns, rows, right="machine time,$/h now,cost", notes=[["mind the gap"], []])
    assert capsys.readouterr().out.splitlines() == [
        "cluster       train-of-the-weekend-of-",
        "              november",
        "machine time  3m 9s",
        "$/h now       20.00",
        "cost          $0.10",
        "    mind the gap",
        "",
        "cluster       b",
        "machine time  1s",
        "started       2h",
        "$/h now       1.00",
        "cost          $0.20",
        "",
    ]


def test_a_pipe_gets_whole_lines(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    render.table(("who", "type", "place", "$/h"), ROWS, right="$/h")
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_table_may_be_empty(capsys):
    render.table(("a", "n"), [])
    assert capsys.readouterr().out == "a  n\n"


HOSTILE = "a\x1b[31m\x1b]0;title\x07\r\x9b2J\u202eb\ud800"
SHOWN = r"a\u001b[31m\u001b]0;title\u0007\u000d\u009b2J\u202eb\ud800"


def test_nothing_that_others_wrote_steers_the_terminal(capsys):
    render.line(HOSTILE)
    render.note(HOSTILE)
    render.warn(HOSTILE)
    render.hint(HOSTILE)
    render.error(UsageError(HOSTILE, hint=HOSTILE), as_json=False)
    out, err = capsys.readouterr()
    assert out == SHOWN + "\n"
    assert [line.strip() for line in err.splitlines()] == [
        SHOWN, f"warning: {SHOWN}", SHOWN, f"error: {SHOWN}", SHOWN
    ]  # fmt: skip


def test_a_cell_takes_one_line_and_its_whole_width(capsys):
    render.table((HOSTILE, "b"), [("x\ny\tz", "1")], notes=[[HOSTILE]])
    head, row, note = capsys.readouterr().out.splitlines()
    assert head == f"{SHOWN}  b"
    assert row == r"x\ny\tz".ljust(len(SHOWN)) + "  1"
    assert note.strip() == SHOWN


def test_a_document_says_what_it_said(capsys):
    render.json_document({"name": HOSTILE})
    out = capsys.readouterr().out
    assert json.loads(out) == {"name": HOSTILE}
    assert out.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colour_is_for_terminals_that_want_it(monkeypatch, variables, coloured):
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", Terminal())
    render.error(UsageError("oops", code="x", hint="do this"), as_json=False)
    text = sys.stderr.getvalue()
    assert ("\033[" in text) is coloured
    assert "oops" in text
    assert "do this" in text


def test_a_pipe_gets_no_colour(capsys):
    render.error(UsageError("oops", code="x", hint="do this"), as_json=False)
    assert capsys.readouterr().err == "error: oops\n  do this\n"


def test_text_and_json_show_the_same_three(capsys):
    render.error(UsageError("oops", code="x", hint="do this"), as_json=True)
    out, err = capsys.readouterr()
    assert json.loads(out) == {"error": {"summary": "oops", "code": "x", "hint": "do this"}}
    assert err == ""


@pytest.mark.parametrize(("answer", "agreed"), [("y\n", True), ("YES\n", True), ("\n", False)])
def test_a_question_is_asked_on_a_terminal(monkeypatch, answer, agreed):
    for name, stream in (("stdin", Terminal(answer)), ("stderr", Terminal())):
        monkeypatch.setattr(sys, name, stream)
    assert render.confirm("Buy?", yes=False) is agreed
    assert "Buy? [y/N]" in sys.stderr.getvalue()


def test_no_question_without_a_terminal_or_with_yes(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(UsageError, match="nobody is there to answer"):
        render.confirm("Buy?", yes=False)
    assert render.confirm("Buy?", yes=True)


@pytest.mark.parametrize("arguments", [["--help"], ["config"], ["config", "--json"]], ids=" ".join)
def test_a_reader_that_goes_away_is_no_error(tmp_path, arguments):
    env = {"HOME": str(tmp_path), "ARB_HOME": str(tmp_path / "arb"), "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(
        [sys.executable, "-m", "arb", *arguments],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    _, error = process.communicate(timeout=30)
    assert b"rror" not in error
    assert process.returncode in {0, 1}
