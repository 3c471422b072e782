"""``arb ssh``."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from arb.cli.completion import complete_cluster
from arb.errors import UsageError

if TYPE_CHECKING:
    from arb.clusters.session import Session

app = typer.Typer()


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def ssh(
    cluster: Annotated[
        str,
        typer.Argument(
            metavar="CLUSTER", help="Name of the cluster.", autocompletion=complete_cluster
        ),
    ],
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="A command instead of a shell; runs in the node's."),
    ] = None,
    rank: Annotated[int, typer.Option(metavar="N", min=0, help="Which node.")] = 0,
) -> int:
    """Open a shell on a node, or run one command there.

    Plain ``ssh NAME`` and ``ssh NAME-RANK`` work as well, with every tool that is built on them.
    """
    from arb.cli.follow import asking_for, session_for_task
    from arb.clusters.execute import usable
    from arb.clusters.nodes import Nodes
    from arb.nodes.shell import run_shell

    words = _words(command or [])
    with session_for_task() as session, asking_for(cluster):
        record = usable(session, cluster)
        node = Nodes(session, record, whole=False).rank(rank)
        if not shutil.which("ssh"):
            return run_shell(node.ssh, words)
        arguments = _openssh(session, f"{cluster}-{rank}", words)
    sys.stdout.flush()
    return os.execvp(arguments[0], arguments)  # noqa: S606 - the user's own OpenSSH takes over


def _words(command: list[str]) -> str:
    """Return the command as one text for the node's shell.

    Raises:
        UsageError: An option that stands behind the name, where it belongs to the command.
    """
    if command[:1] == ["--"]:
        return " ".join(command[1:])
    if command and command[0].startswith("-"):
        summary = f"{command[0]} stands behind the cluster's name"
        hint = "options come first: arb ssh --rank 1 NAME; a command may follow after --"
        raise UsageError(summary, code="ssh-option", hint=hint)
    return " ".join(command)


def _openssh(session: Session, host: str, words: str) -> list[str]:
    from arb.clusters.sshaccess import write_config

    options = ["-F", str(write_config(session))]
    if words and sys.stdin.isatty() and sys.stdout.isatty():
        options.append("-t")
    return ["ssh", *options, "--", host, *([words] if words else [])]
