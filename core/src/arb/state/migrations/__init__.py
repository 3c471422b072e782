"""Versioned changes of the schema, each one module ``m<version>`` with ``STATEMENTS``.

A migration runs once, in one transaction, in the first process that opens the store; others that
open it at the same time wait. Published migrations never change: a correction is a new one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arb.state.store import Backend

__all__ = ["LATEST", "migrate", "statements"]

LATEST: Final = 2
"""The schema this code reads and writes."""


def migrate(backend: Backend, now: float) -> None:
    """Bring the schema to ``LATEST``; does nothing when another process was faster.

    Args:
        backend: What to change.
        now: Seconds since the epoch, by the database's clock.

    Raises:
        StateError: The database refused; it is as it was before.
    """
    from arb.state.marks import note_birth

    with backend.migrating():
        version = backend.schema_version()
        if version >= LATEST:
            return
        if version:
            backend.backup(version)
        for number in range(version + 1, LATEST + 1):
            for statement in statements(number, backend):
                backend.run(statement, ())
        if not version:
            was_lost = bool(backend.remembered_owner())
            _make_owner(backend)
            note_birth(backend, now, was_lost=was_lost)
        backend.set_schema_version(LATEST)


def statements(number: int, backend: Backend) -> Iterator[str]:
    """Yield the statements of one migration, in the words of this database."""
    module = import_module(f"{__name__}.m{number:04}")
    for statement in module.STATEMENTS:
        yield statement.replace("{SERIAL}", backend.serial).replace("{BLOB}", backend.blob)


def _make_owner(backend: Backend) -> None:
    """Give the new store its owner: the lost one of this place, so that its machines are found."""
    from arb.types.tokens import is_id, new_id

    remembered = backend.remembered_owner()
    owner = remembered if is_id(remembered) else new_id()
    backend.run("INSERT INTO meta (name, value) VALUES ('owner', ?)", (owner,))
    backend.remember_owner(owner)
