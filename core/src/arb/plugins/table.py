"""The table of installed plugins: names, what they point to and who brought them.

Nothing of a plugin is imported here. Reading the table from its cache costs a directory listing for
every ``sys.path`` entry; only a change there pays for ``importlib_metadata``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from arb.plugins import _cache

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["GROUPS", "BrokenDistribution", "Duplicate", "PluginEntry", "PluginTable", "normalized"]

GROUPS: Final = (
    "arb.providers",
    "arb.commands",
    "arb.stores",
    "arb.reconcilers",
    "arb.policies",
    "arb.plugins",
)
"""Every entry-point group that is read."""


@dataclass(frozen=True, slots=True)
class PluginEntry:
    """One name in one group.

    Attributes:
        group: One of ``GROUPS``.
        name: What the name means depends on the group: a provider id, a sub-command, a scheme.
        value: ``module`` or ``module:attribute``, not imported yet.
        distribution: Who brought it.
        version: Of the distribution.
        summary: The distribution's one-line description: the help line of a command.
    """

    group: str
    name: str
    value: str
    distribution: str
    version: str
    summary: str = ""

    @property
    def origin(self) -> str:
        """Distribution and version, as every message names them."""
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A name that several distributions claim. ``kept`` is the one that is used, if any."""

    group: str
    name: str
    entries: tuple[PluginEntry, ...]
    kept: PluginEntry | None

    @property
    def refused(self) -> tuple[PluginEntry, ...]:
        """The entries that are not used."""
        return tuple(entry for entry in self.entries if entry is not self.kept)

    def describe(self) -> str:
        """Return one line that names every claimant and what to do."""
        claims = " and ".join(entry.origin for entry in self.entries)
        outcome = f"{self.kept.distribution} is used" if self.kept else "neither is used"
        return f"{claims} both provide {self.name!r} in {self.group}: {outcome}, uninstall one"


@dataclass(frozen=True, slots=True)
class BrokenDistribution:
    """An installed distribution whose metadata cannot be read."""

    distribution: str
    reason: str


class PluginTable:
    """What is installed, by group, sorted by name."""

    def __init__(
        self, entries: Iterable[PluginEntry], broken: Iterable[BrokenDistribution] = ()
    ) -> None:
        self.broken: Final = tuple(broken)
        self._all: Final = tuple(
            sorted(entries, key=lambda e: (e.group, e.name, e.distribution, e.value))
        )
        self._duplicates: Final = tuple(_find_duplicates(self._all))
        refused = {id(entry) for found in self._duplicates for entry in found.refused}
        self._usable: Final = tuple(entry for entry in self._all if id(entry) not in refused)

    @classmethod
    def load(cls, cache_dir: Path, *, rescan: bool = False) -> PluginTable:
        """Return the table for this interpreter, from the cache when nothing changed.

        Args:
            cache_dir: Where the cache file is; it need not exist or be writable.
            rescan: Read every distribution's metadata again, whatever the cache says.
        """
        before = _cache.path_key()
        if not rescan:
            cached = _cache.read(cache_dir, before)
            if cached is not None:
                entries, broken = cached
                return cls(
                    (PluginEntry(*row) for row in entries),
                    (BrokenDistribution(*row) for row in broken),
                )
        table = _scan()
        _cache.write(cache_dir, before, *table.rows())
        return table

    def entries(self, group: str) -> tuple[PluginEntry, ...]:
        """Return the usable entries of one group, one a name."""
        return tuple(entry for entry in self._usable if entry.group == group)

    def all_entries(self) -> tuple[PluginEntry, ...]:
        """Return every entry of every group, refused duplicates too."""
        return self._all

    def names(self, group: str) -> tuple[str, ...]:
        """Return the usable names of one group."""
        return tuple(entry.name for entry in self.entries(group))

    def find(self, group: str, name: str) -> PluginEntry | None:
        """Return the usable entry of that name."""
        return next((e for e in self.entries(group) if e.name == name), None)

    def duplicates(self, group: str | None = None) -> tuple[Duplicate, ...]:
        """Return the names that several distributions claim, in one group or in all."""
        return tuple(d for d in self._duplicates if group in (None, d.group))

    def rows(self) -> tuple[list[list[str]], list[list[str]]]:
        """Return entries and broken distributions as lists of text, as the cache stores them."""
        fields = ("group", "name", "value", "distribution", "version", "summary")
        entries = [[getattr(entry, field) for field in fields] for entry in self._all]
        return entries, [[found.distribution, found.reason] for found in self.broken]


def normalized(distribution: str) -> str:
    """Return a distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _find_duplicates(entries: tuple[PluginEntry, ...]) -> Iterable[Duplicate]:
    """Yield every name with more than one claimant.

    ``arb-<name>`` keeps its name: a stranger's package must not switch off, or stand in for, the
    one that the install hint names.
    """
    claims: dict[tuple[str, str], list[PluginEntry]] = {}
    for entry in entries:
        claims.setdefault((entry.group, entry.name), []).append(entry)
    for (group, name), claimants in claims.items():
        if len(claimants) > 1:
            canonical = [e for e in claimants if normalized(e.distribution) == f"arb-{name}"]
            kept = canonical[0] if len(canonical) == 1 else None
            yield Duplicate(group, name, tuple(claimants), kept)


def _scan() -> PluginTable:
    """Read the metadata of every distribution on ``sys.path``."""
    from arb.plugins._scan import scan

    entries, broken = scan(GROUPS)
    return PluginTable(
        (PluginEntry(*row) for row in entries), (BrokenDistribution(*row) for row in broken)
    )
