"""``arb ssh``."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from arb.cli.options import complete_cluster

if TYPE_CHECKING:
    from arb.clusters.session import Session

app = typer.Typer()


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def ssh(
    cluster: Annotated[
        str, typer.Argument(help="Name of the cluster.", autocompletion=complete_cluster)
    ],
    command: Annotated[
        list[str] | None, typer.Argument(help="A command instead of a shell; runs in the node's.")
    ] = None,
    rank: Annotated[int, typer.Option(min=0, help="Which node.")] = 0,
) -> int:
    """Open a shell on a node, or run one command there.

    Plain ``ssh NAME`` and ``ssh NAME-RANK`` work as well, with every tool that is built on them.
    """
    from arb.cli.follow import session_for_task
    from arb.clusters.execute import usable
    from arb.clusters.nodes import Nodes
    from arb.nodes.shell import run_shell

    words = " ".join(command or [])
    with session_for_task() as session:
        record = usable(session, cluster)
        node = Nodes(session, record).rank(rank)
        if not shutil.which("ssh"):
            return run_shell(node.ssh, words)
        arguments = _openssh(session, f"{cluster}-{rank}", words)
    sys.stdout.flush()
    return os.execvp(arguments[0], arguments)  # noqa: S606 - the user's own OpenSSH takes over


def _openssh(session: Session, host: str, words: str) -> list[str]:
    from arb.clusters.sshaccess import write_config

    options = ["-F", str(write_config(session))]
    if words and sys.stdin.isatty() and sys.stdout.isatty():
        options.append("-t")
    return ["ssh", *options, host, *([words] if words else [])]
