"""Read entry points out of distributions' metadata: the slow way, taken after a change only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["scan"]

_Entry = tuple[str, str, str, str, str, str]
_Broken = tuple[str, str]

# Distributions are Any below: releases of importlib_metadata differ in the class they promise.


def scan(groups: tuple[str, ...]) -> tuple[list[_Entry], list[_Broken]]:
    """Return rows of ``PluginEntry`` and of ``BrokenDistribution``."""
    from importlib_metadata import MetadataPathFinder, distribution

    MetadataPathFinder.invalidate_caches()  # it would trust a folder's time within one process
    names, broken = _distributions_with(groups)
    entries: list[_Entry] = []
    for name in sorted(names):
        try:
            # A distribution may be there twice; this is the one whose code would be imported.
            entries.extend(_rows(distribution(name), groups))
        except Exception as error:  # noqa: BLE001 - files that anybody may have written
            broken.append((name, _reason(error)))
    return entries, broken


def _distributions_with(groups: tuple[str, ...]) -> tuple[set[str], list[_Broken]]:
    """Return the names of distributions that mention one of the groups, and the unreadable ones."""
    from importlib_metadata import distributions

    sections = tuple(f"[{group}]" for group in groups)
    names: set[str] = set()
    broken: list[_Broken] = []
    for found in distributions():
        try:
            text = found.read_text("entry_points.txt") or ""
            if any(section in text for section in sections):
                names.add(_name(found))
        except Exception as error:  # noqa: BLE001 - as above
            broken.append((_place(found), _reason(error)))
    return names, broken


def _rows(found: Any, groups: tuple[str, ...]) -> Iterator[_Entry]:
    name, version, summary = _name(found), found.version, found.metadata.get("Summary") or ""
    for point in found.entry_points:
        if point.group in groups:
            yield (point.group, point.name, point.value, name, version, summary)


def _name(found: Any) -> str:
    name = found.metadata.get("Name")
    if not name:
        raise LookupError("no Name")
    return str(name)


def _place(found: Any) -> str:
    """Name a distribution whose entry points cannot be read."""
    try:
        return _name(found)
    except Exception:  # noqa: BLE001 - nothing of it can be read
        return str(getattr(found, "_path", None) or f"a distribution in {found.locate_file('')}")


def _reason(error: Exception) -> str:
    return f"its metadata cannot be read ({type(error).__name__})"
