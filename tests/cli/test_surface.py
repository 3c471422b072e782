"""What every command has in common."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest
import typer

import arb.cli
from arb.cli.app import app
from arb.cli.commands import COMMANDS

SOURCES = sorted(Path(arb.cli.__file__).parent.glob("*.py"))


def command_of(name):
    return typer.main.get_command(app).get_command(None, name)


def leaves(command):
    """Return a command, or the sub-commands of a group."""
    return [*getattr(command, "commands", {}).values()] or [command]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_line_is_the_first_line_of_the_docstring(name):
    module = importlib.import_module(f"arb.cli.{COMMANDS[name].module}")
    info = module.app.registered_callback or module.app.registered_commands[0]
    assert inspect.getdoc(info.callback).splitlines()[0] == COMMANDS[name].help
    assert command_of(name).get_short_help_str(200).rstrip(".") == COMMANDS[name].help.rstrip(".")


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "ssh"])
def test_every_command_has_json(name):
    for command in leaves(command_of(name)):
        options = [option for param in command.params for option in param.opts]
        assert "--json" in options, command.name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_argument_says_what_it_is(name):
    for command in leaves(command_of(name)):
        for param in command.params:
            if param.name != "help":
                assert param.help, f"{command.name} {param.name}"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_nothing_but_render_prints(source):
    writers = {"print", "echo", "secho"}
    streams = {"stdout", "stderr"}
    if source.stem == "render":
        return
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            assert name not in writers, f"{source.name}:{node.lineno}"
            owner = getattr(getattr(node.func, "value", None), "attr", "")
            written = name == "write" and owner in streams
            assert not written or source.stem == "progress", f"{source.name}:{node.lineno}"


def test_help_lists_every_command_with_its_line(cli):
    done = cli("--help")
    assert done.code == 0
    for name, entry in COMMANDS.items():
        assert any(
            line.split()[:1] == [name] and entry.help.split()[0] in line
            for line in done.out.splitlines()
        ), name


def test_no_command_at_all_shows_the_help(cli):
    done = cli()
    assert done.code == 2
    assert "Usage: arb" in done.out


def test_version(cli):
    from arb import __version__

    assert cli("--version").out == f"arb {__version__}\n"


def test_help_needs_no_home_that_can_be_written(cli):
    cli.home.write_text("a file in the way")
    done = cli("--help")
    assert done.code == 0
    assert "launch" in done.out


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("stop train", "arb down CLUSTER"),
        ("start train", "arb launch -c CLUSTER"),
        ("show-gpus", "arb gpus"),
        ("ps", "arb status"),
        ("cost-report", "arb cost"),
        ("help", "arb --help"),
        ("launch --cloud aws x", "--infra PROVIDER"),
        ("launch --region x y", "--infra '*/REGION'"),
        ("launch --accelerators A100:8 x", "--gpus NAME:COUNT"),
        ("launch -f task.yaml", "TASK.yaml"),
        ("logs train --worker 1", "--rank N"),
        ("status -o json", "--json"),
        ("down --purge train", "--forget"),
    ],
)
def test_a_word_of_other_tools_gets_what_does_it_here(cli, words, meant):
    done = cli(*words.split())
    assert (done.code, done.out) == (2, "")
    assert f": here it is {meant}" in done.err


@pytest.mark.parametrize(
    ("words", "near"),
    [
        ("launch --instance_type x", "--instance-type"),
        ("launch --num-node 2 x", "--num-nodes"),
        ("status --refesh", "--refresh"),
        ("down --al", "--all"),
    ],
)
def test_an_unknown_option_gets_the_closest(cli, words, near):
    done = cli(*words.split())
    assert done.code == 2
    assert f"did you mean '{near}'?" in done.err
    assert f"arb {words.split()[0]} --help" in done.err


def test_an_option_that_is_like_no_other_is_only_called_unknown(cli):
    assert cli("status", "--zone", "x").err.splitlines()[0] == (
        "error: unknown option '--zone' of arb status"
    )


@pytest.mark.parametrize(
    ("arguments", "near"),
    [(["lanch"], "launch"), (["stats"], "status"), (["Down"], "down"), (["qeue", "x"], "queue")],
)
def test_an_unknown_command_gets_the_closest(cli, arguments, near):
    done = cli(*arguments)
    assert (done.code, done.out) == (2, "")
    assert f"did you mean '{near}'?" in done.err
