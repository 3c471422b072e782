"""``arb plugins`` on a terminal of a hundred columns, and ``--no-plugins`` before a plugin's command."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import typer

from arb.plugins import PluginTable
from arb.plugins.table import PluginEntry


@pytest.fixture
def installed(monkeypatch):
    """Let exactly these plugins be installed."""

    def install(*entries):
        table = PluginTable([PluginEntry(*entry, "1.0") for entry in entries])
        monkeypatch.setattr(PluginTable, "load", lambda *_, **__: table)

    return install


@pytest.fixture
def hello(monkeypatch, installed):
    """Install the command ``hello``."""
    app = typer.Typer()
    app.command()(lambda: print("hello"))
    module = ModuleType("arb_hello_for_test")
    module.app = app
    monkeypatch.setitem(sys.modules, module.__name__, module)
    installed(("arb.commands", "hello", f"{module.__name__}:app", "arb-hello"))


def test_long_texts_stand_under_their_row_and_fit_the_terminal(cli, installed, monkeypatch, mocker):
    installed(("arb.providers", "bad", "arb_missing_" + "x " * 60, "arb-bad"))
    monkeypatch.setenv("NO_COLOR", "1")
    mocker.patch.object(sys.stdout, "isatty", return_value=True)
    lines = cli("plugins").out.splitlines()
    assert lines[0].split() == ["name", "group", "distribution", "version", "api", "state"]
    assert lines[1].split() == ["bad", "arb.providers", "arb-bad", "1.0", "-", "broken"]
    assert lines[2].startswith("    import of arb_missing_")
    assert len(lines) > 3
    assert max(map(len, lines)) <= 100


def test_a_pipe_gets_long_texts_whole(cli, installed):
    installed(("arb.providers", "bad", "arb_missing_" + "x " * 60, "arb-bad"))
    assert len(cli("plugins").out.splitlines()) == 3


def test_a_command_that_arb_itself_has_is_told_never_to_run(cli, installed):
    installed(("arb.commands", "launch", "arb_shadow:app", "arb-shadow"))
    (report,) = cli("plugins", "--json").json
    assert report["state"] == "broken"
    assert report["reason"] == "never used: launch is a command of arb itself"


def test_a_plugin_brings_a_command(cli, hello):
    assert cli("hello").out == "hello\n"
    assert "hello" in cli("--help").out


def test_without_plugins_their_commands_are_not_there(cli, hello):
    done = cli("--no-plugins", "hello")
    assert (done.code, done.out) == (2, "")
    assert "unknown command 'hello'" in done.err
    assert "those of plugins are switched off" in done.err
    assert "hello" not in cli("--no-plugins", "--help").out
