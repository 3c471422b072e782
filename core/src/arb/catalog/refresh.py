"""Reading catalogs again: providers side by side, each with its deadline, good rows kept.

Asking takes as long as the slowest provider's deadline. What came is then merged with what others
have read meanwhile, under a lock, and replaces the file in one step.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from arb.catalog.gathering import Patience, gather
from arb.catalog.store import open_catalog
from arb.errors import StateError
from arb.locks import locked
from arb.plugins.calls import in_parallel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import pandas as pd

    from arb.catalog.asking import Answer
    from arb.catalog.schema import ProviderRow
    from arb.catalog.store import CatalogStore
    from arb.errors import ArbError
    from arb.plugins.manager import Plugins
    from arb.types import Clock

__all__ = ["Outcome", "RefreshReport", "refresh"]

_PROVIDERS: Final = "arb.providers"
PATIENCE_S: Final = 20.0
"""For so long everybody is waited for where others have answered: the documented budget."""
WRITE_S: Final = 60.0
"""For so long others are waited for who write: a million offers take a fraction of it."""
_SHORT_S: Final = 1.0
"""Between two lines about who is awaited."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of asking one provider.

    Attributes:
        row: What is known of it now; with an error, of the rows that were kept.
        error: Why there is nothing new; None when there is.
        notes: What was odd about the answer and did no harm.
    """

    row: ProviderRow
    error: ArbError | None = None
    notes: tuple[str, ...] = ()

    def warnings(self, age: Callable[[float], str], now: float) -> list[str]:
        """Return what a user should hear: who failed, and whose rows were refused.

        Args:
            age: Writes a number of seconds for people.
            now: Seconds since the epoch.
        """
        row = self.row
        origin = f"{row.distribution or row.name} {row.version}".strip()
        if self.error is None:
            lines = [*row.refusals, *self.notes]
            return [f"{origin}: {line}" for line in lines]
        kept = f"; prices of {age(now - row.as_of)} ago are used" if row.rows else ""
        told = self.error.summary
        named = told if row.name in told or row.distribution in told else f"{row.name}: {told}"
        return [named + kept]


@dataclass(frozen=True, slots=True)
class RefreshReport:
    """What came of a refresh, by provider."""

    outcomes: tuple[Outcome, ...]
    took_s: float = 0

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Those without new rows."""
        return tuple(outcome for outcome in self.outcomes if outcome.error is not None)


def refresh(  # noqa: PLR0913 - keyword-only parts of one question
    plugins: Plugins,
    path: Path,
    names: Iterable[str] | None = None,
    *,
    clock: Clock,
    state: Callable[[str], None] | None = None,
    enough: Callable[[ProviderRow], bool] | None = None,
) -> RefreshReport:
    """Ask providers for their catalogs and write them; one that fails keeps its last good rows.

    With ``enough`` nobody is waited for longer than 20 s once such a provider has answered: who
    reads on goes on in the background, as long as the process lasts, and is told as an error.

    Args:
        plugins: What is installed.
        path: The catalog file; its folder exists.
        names: Whom to ask; None is everyone who may be used.
        clock: Time.
        state: Hears who is still awaited; an empty text at the end. Called from several threads.
        enough: Whether what is known of a provider now is worth going on with; None waits for all.

    Raises:
        UsageError: A name is not that of a provider that may be used.
        StateError: The file cannot be written.
    """
    from arb.catalog.asking import ask  # most commands find everything read already

    begun = clock.monotonic()
    chosen = plugins.provider_names() if names is None else tuple(dict.fromkeys(names))
    _check_names(plugins, chosen)
    awaited = _Awaited(chosen, clock, state)

    def asked(name: str) -> Answer:
        return awaited.told(name, ask(plugins, name, clock))

    if enough is None:
        answers = in_parallel(asked, chosen)
    else:
        found = gather(asked, chosen, _patience(plugins, path, clock, enough))
        awaited.close()
        answers = [found.get(name) or _late(plugins, name, clock) for name in chosen]
    outcomes = _merged(plugins, path, answers, clock) if answers else ()
    return RefreshReport(outcomes, clock.monotonic() - begun)


def _patience(
    plugins: Plugins, path: Path, clock: Clock, enough: Callable[[ProviderRow], bool]
) -> Patience[Answer]:
    def keep(answer: Answer) -> None:
        with suppress(StateError):  # nobody is there to hear of it
            _merged(plugins, path, [answer], clock)

    return Patience(PATIENCE_S, lambda a: a.error is None and enough(a.row), keep)


def _late(plugins: Plugins, name: str, clock: Clock) -> Answer:
    """Return what stands for an answer that is not waited for."""
    from arb.catalog.asking import not_awaited

    return not_awaited(plugins, name, clock, PATIENCE_S)


class _Awaited:
    """Tells who has not answered yet: at first, and again when that took long."""

    def __init__(
        self, names: Iterable[str], clock: Clock, state: Callable[[str], None] | None
    ) -> None:
        self._names = list(names)
        self._clock = clock
        self._state = state
        self._lock = threading.Lock()
        self._is_closed = False
        self._later: threading.Timer | None = None
        self._told_at = clock.monotonic()
        self._tell()

    def told(self, name: str, answer: Answer) -> Answer:
        """Note that one has answered."""
        with self._lock:
            if self._is_closed:
                return answer
            self._names.remove(name)
            wait_s = self._told_at + _SHORT_S - self._clock.monotonic()
            if not self._names or wait_s < 0:
                self._tell()
            elif self._later is None:  # others may answer in this moment, too
                self._later = threading.Timer(wait_s, self._tell_who_is_left)
                self._later.daemon = True
                self._later.start()
        return answer

    def _tell_who_is_left(self) -> None:
        with self._lock:
            self._later = None
            if self._names and not self._is_closed:
                self._tell()

    def close(self) -> None:
        """Say no more of those who are late."""
        with self._lock:
            if self._names and not self._is_closed and self._state is not None:
                self._state("")
            self._is_closed = True

    def _tell(self) -> None:
        if self._state is not None:
            self._told_at = self._clock.monotonic()
            names = ", ".join(self._names)
            self._state(f"reading prices of {names}" if names else "")


def _check_names(plugins: Plugins, names: Iterable[str]) -> None:
    """Refuse names of providers that are not there; what else is wrong costs that provider."""
    usable = plugins.provider_names()
    for name in names:
        if name not in usable:
            plugins.provider(name)


def _merged(
    plugins: Plugins, path: Path, answers: Sequence[Answer], clock: Clock
) -> tuple[Outcome, ...]:
    """Do as ``_merge``; of a file that is damaged nothing is kept, as it cannot be read."""
    try:
        return _merge(plugins, path, answers, clock)
    except StateError as error:
        if error.code != "catalog-damaged":
            raise
    return _merge(plugins, path, answers, clock)


def _merge(
    plugins: Plugins, path: Path, answers: Iterable[Answer], clock: Clock
) -> tuple[Outcome, ...]:
    """Write what came together with what others have read; return what holds now."""
    lock = locked(path.with_name(f".{path.name}.lock"), "writing price lists", wait_s=WRITE_S)
    with _plain_errors(path), lock, open_catalog(path) as store:
        old = {row.name: row for row in store.providers()}
        installed = set(plugins.table.names(_PROVIDERS)) | set(plugins.provider_names())
        known = {name: row for name, row in old.items() if name in installed}
        frames: dict[str, pd.DataFrame] = {}
        outcomes = []
        for answer in answers:
            name = answer.row.name
            row = _newest(known.get(name), answer, clock.now())
            if row is answer.row and answer.frame is not None:
                frames[name] = answer.frame
            known[name] = row
            outcomes.append(Outcome(row, answer.error, answer.notes))
        _write(path, store, known, frames)
    return tuple(outcomes)


def _newest(old: ProviderRow | None, answer: Answer, now: float) -> ProviderRow:
    """Return what is to be known of a provider.

    What was read in the future was dated by a clock that is right by now: it is not newer.
    """
    if old is None or not old.refreshed_at:
        return answer.row
    new = answer.row
    if answer.error is None:
        return old if new.refreshed_at < old.refreshed_at <= now else new
    if new.tried_at - new.took_s < old.refreshed_at <= now:
        return old  # another process was luckier meanwhile
    return replace(
        old,
        version=new.version,
        distribution=new.distribution,
        fingerprint=new.fingerprint,
        tried_at=new.tried_at,
        took_s=new.took_s,
        error=new.error,
        error_code=new.error_code,
    )


def _write(
    path: Path,
    store: CatalogStore,
    known: dict[str, ProviderRow],
    frames: dict[str, pd.DataFrame],
) -> None:
    from arb.catalog.write import remove_leftovers, write_catalog, write_providers

    remove_leftovers(path)

    sold = {group.provider for group in store.groups()}
    if sold and not frames and sold <= set(known):
        write_providers(path, known.values())
        return
    kept = {name: store.frame_of(name) for name in sold & set(known) - set(frames)}
    write_catalog(path, known.values(), {**kept, **frames})


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        summary = f"cannot write {path}: {getattr(error, 'strerror', None) or error}"
        hint = "set ARB_HOME to a folder of yours with room on its disk"
        raise StateError(summary, code="catalog-file", hint=hint) from error
