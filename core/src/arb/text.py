"""Small pieces of English."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["age", "counted", "install_command", "printable"]

_CONTROLS: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # but for tabs and the ends of lines
    "\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what turns the direction of writing
    "\ud800-\udfff]"  # halves of characters, which no stream takes
)
_PLUGIN: Final = re.compile(r"[a-z][a-z0-9-]{1,39}")


def printable(text: str) -> str:
    """Return a text that a terminal shows as it is: what would steer it is written as its number.

    Names and messages of other people's making are shown, and must not move the cursor, change
    colours or titles, or look like something else. A JSON document still says the same.
    """
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def counted(count: int, noun: str) -> str:
    """Return ``1 node``, ``2 nodes``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def install_command(plugin: str) -> str:
    """Return what installs a plugin of this name; empty for what can be no plugin's name."""
    return f"pip install arb-{plugin}" if _PLUGIN.fullmatch(plugin) else ""


def age(seconds: float) -> str:
    """Return a duration in its two largest units: ``3h 12m``."""
    rest = int(max(0, seconds))
    if rest < 60:  # noqa: PLR2004 - a minute
        return f"{rest}s"
    units = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    parts: list[str] = []
    for name, size in units:
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count}{name}")
    return " ".join(parts[:2])
