"""Small pieces of English."""

from __future__ import annotations

__all__ = ["age", "counted"]


def counted(count: int, noun: str) -> str:
    """Return ``1 node``, ``2 nodes``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


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
