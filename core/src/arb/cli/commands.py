"""The core's commands: where each lives and its help line. Listing them imports none of them."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["COMMANDS", "CommandEntry"]


class CommandEntry(NamedTuple):
    """A command that is loaded when it runs.

    ``module`` has a ``typer.Typer`` named ``app``. ``help`` is the first line of the command's own
    docstring (a test compares them).
    """

    section: str
    module: str
    help: str


COMMANDS: Final[dict[str, CommandEntry]] = {
    "gpus": CommandEntry(
        "Market", "gpus", "List GPUs and what they cost, over all installed providers."
    ),
    "refresh": CommandEntry("Market", "refresh", "Read the prices of providers again."),
    "plan": CommandEntry(
        "Market", "plan", "Show what a task would be bought for, best offer first, without buying."
    ),
    "launch": CommandEntry("Run", "launch", "Run a task on a cluster, buying its nodes first."),
    "exec": CommandEntry("Run", "exec", "Run a task on a cluster that is up."),
    "task": CommandEntry(
        "Run", "task", "Check, show and describe task files, without credentials and network."
    ),
    "queue": CommandEntry("Run", "queue", "List the jobs of a cluster."),
    "logs": CommandEntry("Run", "logs", "Show what a job printed, and follow it."),
    "cancel": CommandEntry("Run", "cancel", "Cancel jobs of a cluster."),
    "status": CommandEntry("Clusters", "status", "List clusters and what they cost."),
    "ssh": CommandEntry("Clusters", "ssh", "Open a shell on a node, or run one command there."),
    "down": CommandEntry("Clusters", "down", "Stop paying for clusters."),
    "why": CommandEntry("Clusters", "why", "Tell what a launch tried, what was refused and why."),
    "reap": CommandEntry(
        "Clusters", "reap", "End machines that nobody asked for, and what is left beside them."
    ),
    "cost": CommandEntry("Clusters", "cost", "Show what was paid, to the second."),
    "check": CommandEntry("Setup", "check", "Find out whether the providers' credentials work."),
    "plugins": CommandEntry("Setup", "plugins", "List installed plugins and their state."),
    "config": CommandEntry("Setup", "config", "Show or change settings."),
}
