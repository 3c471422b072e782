"""Shell text for the other side."""

from __future__ import annotations

import shlex

__all__ = ["remote_word", "sh"]


def remote_word(path: str) -> str:
    """Quote a remote path for ``sh``; a leading ``~/`` is the home folder there.

    Args:
        path: Absolute, relative to the home folder, or with ``~``.
    """
    if path == "~":
        return '"$HOME"'
    if path.startswith("~/"):
        return '"$HOME"/' + shlex.quote(path[2:]) if path[2:] else '"$HOME"'
    # A name that looks like an option is a path all the same.
    return shlex.quote("./" + path if path.startswith("-") else path)


def sh(script: str, *arguments: str) -> str:
    """Return a command that runs ``script`` in a POSIX shell, whatever the user's login shell is.

    Args:
        script: Shell text; no secrets, it is visible in the process list.
        arguments: Become ``$1``, ``$2``...
    """
    return shlex.join(["exec", "/bin/sh", "-c", script, "sh", *arguments])
