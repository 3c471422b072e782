"""What happens later at a provider without a server: kept in files, carried out by whoever comes by."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["due", "put_off", "waits"]


def put_off(folder: Path, at: float, what: Any) -> None:
    """Keep something that can be pickled until a time."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{at:.3f}.{len(list(folder.iterdir()))}"
    path.with_name(f".{path.name}").write_bytes(pickle.dumps(what))
    path.with_name(f".{path.name}").rename(path)


def waits(folder: Path, now: float) -> bool:
    """Say whether anything is due."""
    return any(at <= now for at, _ in _waiting(folder))


def due(folder: Path, now: float) -> Iterator[Any]:
    """Take out what is due, the earliest first: each goes to one process only."""
    for at, path in _waiting(folder):
        if at <= now:
            taken = path.rename(path.with_name(f".{path.name}"))
            yield pickle.loads(taken.read_bytes())


def _waiting(folder: Path) -> list[tuple[float, Path]]:
    return sorted((float(path.name.rpartition(".")[0]), path) for path in folder.glob("[0-9]*"))
