"""Keys that only SkyPilot's own parts write into task files for each other."""

from __future__ import annotations

from typing import Any, Final

from arb.tasks.acted import Note

__all__ = ["IGNORED", "without_internal"]

IGNORED: Final = frozenset({"file_mounts_mapping", "volume_mounts"})
"""Keys of the top level; others begin with an underscore."""


def without_internal(values: dict[Any, Any]) -> tuple[dict[Any, Any], list[Note]]:
    """Return a document's values without such keys, and a note for each that was there."""
    found: list[Note] = []
    kept = _stripped(values, (), found, IGNORED)
    if isinstance(resources := kept.get("resources"), dict):
        resources = kept["resources"] = _stripped(resources, ("resources",), found)
        for name in ("any_of", "ordered"):
            if isinstance(resources.get(name), list):
                path = ("resources", name)
                resources[name] = [
                    _stripped(entry, (*path, index), found)
                    for index, entry in enumerate(resources[name])
                ]
    if isinstance(mounts := kept.get("file_mounts"), dict):
        kept["file_mounts"] = {
            key: _stripped(mount, ("file_mounts", str(key)), found) for key, mount in mounts.items()
        }
    return kept, found


def _stripped(
    value: Any, path: tuple[str | int, ...], found: list[Note], more: frozenset[str] = frozenset()
) -> Any:
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, item in value.items():
        if str(key).startswith("_") or key in more:
            told = f"{key}: SkyPilot's own, not for task files; it is left out of account"
            found.append(Note((*path, str(key)), told))
        else:
            kept[key] = item
    return kept
