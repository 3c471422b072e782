"""Shell text for the other side."""

from __future__ import annotations

import shlex
from typing import Final

__all__ = ["remote_word", "sh"]

_CODES: Final = str.maketrans({"\\": r"\0134", "!": r"\0041", "\n": r"\0012"})
"""What login shells read in quotes each in its own way: csh ends at a line, fish takes a backslash."""
_DECODE: Final = (
    'for word do text=$(printf %b "$word."); shift; set -- "$@" "${text%.}"; done; '
    'text=$1; shift; eval "$text"'
)


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
    words = [script, *arguments]
    coded = [word.translate(_CODES) for word in words]
    if coded != words:
        return shlex.join(["exec", "/bin/sh", "-c", _DECODE, "sh", *coded])
    return shlex.join(["exec", "/bin/sh", "-c", script, "sh", *arguments])
