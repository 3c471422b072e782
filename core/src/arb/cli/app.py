"""``main``: parse, run, and turn whatever happened into an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any, Final

import typer

from arb import __version__
from arb.cli import render
from arb.cli.commands import COMMANDS
from arb.cli.group import Interrupted, LazyGroup, plugin_commands
from arb.cli.leaving import leave
from arb.errors import ArbError

__all__ = ["app", "main", "run"]

_TASK_COMMANDS: Final = frozenset({"launch", "exec", "logs"})
_ARB_FAILED: Final = 125

app = typer.Typer(
    cls=LazyGroup,
    name="arb",
    help="Buy GPU time where it is cheapest, now.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _show_version(value: bool) -> None:
    if value:
        render.line(f"arb {__version__}")
        raise typer.Exit


def _switch_plugins_off(value: bool) -> None:
    # Eager, as a plugin's command is looked up before the function below runs.
    if value:
        os.environ["ARB_NO_PLUGINS"] = "1"


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
    no_plugins: Annotated[
        bool,
        typer.Option(
            "--no-plugins",
            callback=_switch_plugins_off,
            is_eager=True,
            help="Load no plugin at all, to repair a setup.",
        ),
    ] = False,
) -> None:
    """Buy GPU time where it is cheapest, now."""


def main() -> None:
    """Run the process's own arguments and exit."""
    # pydantic would look for plugins of its own, and fail over anybody's damaged distribution.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    leave(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code. Errors are shown, not raised.

    0 done, 1 failed, 2 usage, 3 no offer, 4 credentials, 130 interrupted; ``launch``, ``exec`` and
    ``logs`` return the task's own code, or 125 when arb itself failed.
    """
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    as_json = "--json" in own
    try:
        return _run(arguments, own, as_json=as_json)
    except OSError as error:  # stdout is closed or full, for an error's document too
        _silence_stdout()
        if not isinstance(error, BrokenPipeError):
            _unexpected(error, own, as_json=False)
        return _failed(own)


def _run(arguments: list[str], own: list[str], *, as_json: bool) -> int:
    """Run a command line; only what is wrong with stdout is raised."""
    try:
        result = typer.main.get_command(app)(
            arguments, prog_name="arb", standalone_mode=False, complete_var="_ARB_COMPLETE"
        )
    except ArbError as error:
        if isinstance(error, Interrupted):
            render.interrupted(error, as_json=as_json)
        else:
            render.error(error, as_json=as_json)
        return error.exit_code
    except BrokenPipeError:
        raise
    except typer.Abort as error:  # what the parser makes of an EOFError
        cause = error.__cause__
        return _unexpected(cause if isinstance(cause, Exception) else error, own, as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the last line of defence
        if not hasattr(error, "exit_code"):
            return _unexpected(error, own, as_json=as_json)
        return _refused(error, as_json=as_json)
    return result if isinstance(result, int) else 0


def _refused(error: Any, *, as_json: bool) -> int:
    """Show what the parser refused, or the help that it raises for a group without a command."""
    if type(error).__name__ == "NoArgsIsHelpError" and not as_json:
        render.line(error.format_message())
    else:
        from arb.cli.usage import usage_error

        render.error(usage_error(error), as_json=as_json)
    return int(error.exit_code)


def _silence_stdout() -> None:
    """Keep the interpreter from complaining about the closed pipe when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(arguments: list[str]) -> int:
    """Return the exit code that says that arb itself failed."""
    return _ARB_FAILED if _command(arguments) in _TASK_COMMANDS else ArbError.exit_code


def _command(arguments: list[str]) -> str:
    return next((word for word in arguments if not word.startswith("-")), "")


def _unexpected(error: Exception, arguments: list[str], *, as_json: bool) -> int:
    if os.environ.get("ARB_DEBUG"):
        raise error
    who, whom = _who_runs(_command(arguments))
    summary = f"{who} failed: {type(error).__name__}: {error}"
    told = ArbError(
        summary, code="internal", hint=f"run again with ARB_DEBUG=1 and report it{whom}"
    )
    render.error(told, as_json=as_json)
    return _failed(arguments)


def _who_runs(command: str) -> tuple[str, str]:
    """Return whose code a command is, and to whom its failures are reported."""
    plugin = None if command in COMMANDS else plugin_commands().get(command)
    if plugin is None:
        return "arb", ""
    return f"{plugin.origin}: arb {command}", f" to the authors of {plugin.distribution}"
