"""Starting the daemon, and starting it again when it dies."""

from __future__ import annotations

import os

from . import files, install, procs

TYPE_CHECKING = False

_LOOP = (
    # Ends with the daemon's own decision (0), also when another one holds the lock.
    'until "$@"; do sleep "${ARB_AGENT_RESTART_S:-1}"; done'
)


def _environment() -> dict[str, str]:
    """Return what the daemon may keep of the session that starts it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SSH_", "SUDO_"))}
    kept.pop(procs.MARK, None)  # a job that calls the agent does not own it
    kept["HOME"] = files.home()
    kept.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
    return kept


def _argv() -> list[str]:
    # The newest agent, not this one: a daemon that was replaced may die as well.
    # Through a shell: some homes are mounted so that nothing in them can be executed.
    return ["/bin/sh", "-c", _LOOP, "arb-agent-keeper", "/bin/sh", install.launcher(), "serve"]


def start() -> None:
    """Start the daemon under a shell that restarts it, detached from this process."""
    if os.fork() == 0:
        try:
            # A second fork: nobody has to wait for the keeper.
            procs.spawn(_argv(), _environment())
        finally:
            os._exit(0)
    os.wait()


def become() -> int:
    """Become the keeper, for an init system that watches it."""
    os.execve("/bin/sh", _argv(), _environment())
