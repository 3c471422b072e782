"""What was typed wrong, and what is meant here by words that other tools taught people."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final

from arb.errors import UsageError, closest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["unknown_command", "usage_error"]

_END: Final = "arb down CLUSTER"
_BUY: Final = "arb launch TASK.yaml"
_LIST: Final = "arb status"
_PRICES: Final = "arb gpus"
_COMMANDS: Final[Mapping[str, str]] = {
    "apply": _BUY,
    "attach": "arb logs CLUSTER",
    "auth": "arb check",
    "autostop": "arb launch --down",
    "billing": "arb cost",
    "connect": "arb ssh CLUSTER",
    "cost-report": "arb cost",
    "create": _BUY,
    "delete": _END,
    "destroy": _END,
    "estimate": "arb plan TASK.yaml",
    "help": "arb --help, or arb COMMAND --help",
    "jobs": "arb queue CLUSTER, for the jobs of a cluster",
    "kill": f"arb cancel CLUSTER JOB for a job, {_END} for a cluster",
    "list": _LIST,
    "login": "arb check",
    "ls": _LIST,
    "offer": _PRICES,
    "offers": _PRICES,
    "optimize": "arb plan TASK.yaml",
    "prices": _PRICES,
    "ps": _LIST,
    "rm": _END,
    "run": _BUY,
    "show-gpus": _PRICES,
    "start": "arb launch -c CLUSTER",
    "stop": f"{_END}, after which nothing is paid for and nothing is kept",
    "submit": "arb exec CLUSTER TASK.yaml",
    "terminate": _END,
    "up": _BUY,
    "validate": "arb task check TASK.yaml",
    "version": "arb --version",
}
_OPTIONS: Final[Mapping[str, str]] = {
    "--accelerators": "--gpus NAME:COUNT",
    "--backend": "--infra PROVIDER",
    "--cloud": "--infra PROVIDER",
    "--detach-run": "--detach",
    "--file": "TASK.yaml",
    "--image": "--image-id IMAGE",
    "--lines": "--tail N",
    "--max-price": "--max-hourly-cost USD",
    "--node": "--rank N",
    "--nodes": "--num-nodes N",
    "--output": "--json",
    "--provider": "--infra PROVIDER",
    "--purge": "--forget",
    "--region": "--infra '*/REGION'",
    "--spot-auto": "--prefer-spot",
    "--worker": "--rank N",
    "--zone": "--infra '*/*/ZONE'",
    "-e": "--env NAME=VALUE",
    "-f": "TASK.yaml",
    "-g": "--gpus NAME:COUNT",
    "-n": "--tail N",
    "-o": "--json",
    "-t": "--tail N",
}
_LIKENESS: Final = 0.6


def unknown_command(name: str, known: Iterable[str]) -> UsageError:
    """Return the error for a command that is none, with what does it here."""
    if meant := _COMMANDS.get(name):
        summary = f"unknown command {name!r}: here it is {meant}"
    else:
        summary = closest(name, known, what="command")
    return UsageError(summary, code="unknown-command", hint="arb --help lists them")


def usage_error(failure: Any) -> UsageError:
    """Return what the command-line parser refused as an error of ours.

    Args:
        failure: The parser's exception.
    """
    context = getattr(failure, "ctx", None)
    hint = f"{context.command_path} --help" if context is not None else "arb --help"
    summary = failure.format_message()
    if type(failure).__name__ == "NoSuchOption" and context is not None:
        summary = _unknown_option(failure.option_name, context)
    elif type(failure).__name__ == "NoArgsIsHelpError":
        summary = "no command was given"
    return UsageError(summary, code="usage", hint=hint)


def _unknown_option(name: str, context: Any) -> str:
    """Tell which option is unknown, and what it is called here."""
    command = context.command
    known = [word for each in command.params for word in (*each.opts, *each.secondary_opts)]
    known += [each.metavar.split()[0] for each in command.params if each.metavar]
    text = f"unknown option {name!r} of {context.command_path}"
    meant = _OPTIONS.get(name, "")
    if meant.split(" ")[0] in known:
        return f"{text}: here it is {meant}"
    bare = {word.lstrip("-"): word for word in known if word.startswith("--")}
    written = name.lstrip("-").replace("_", "-").casefold()
    near = difflib.get_close_matches(written, bare, n=1, cutoff=_LIKENESS)
    return f"{text}: did you mean {bare[near[0]]!r}?" if near else text
