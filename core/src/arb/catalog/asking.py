"""One provider is asked for its catalog, and what it answers is checked."""

from __future__ import annotations

import math
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from arb.catalog.columns import LATEST
from arb.catalog.files import state_of
from arb.catalog.schema import ProviderRow
from arb.catalog.stale import fingerprint
from arb.errors import ArbError, PluginError, ProviderUnavailable
from arb.types import Capability

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from arb.catalog.validate import Validated
    from arb.plugins.manager import Plugins
    from arb.plugins.provider import Provider
    from arb.types import Catalog, Clock, ProviderInfo

__all__ = ["Answer", "ask", "not_awaited"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One provider's reply.

    Attributes:
        row: What is known of it now; counts of rows are 0 when it failed.
        frame: Its good offers in normal form; None when it failed.
        error: Why it failed.
        notes: What was odd about the answer and did no harm.
    """

    row: ProviderRow
    frame: pd.DataFrame | None = None
    error: ArbError | None = None
    notes: tuple[str, ...] = ()


def ask(plugins: Plugins, name: str, clock: Clock) -> Answer:
    """Ask one provider for its catalog and check it. Whatever goes wrong is in the answer."""
    began, row = clock.monotonic(), _new_row(plugins, name)
    try:
        answer = _read(plugins.provider(name), row, clock)
    except ArbError as error:
        answer = Answer(replace(row, error=error.summary, error_code=error.code), error=error)
    took_s = clock.monotonic() - began
    return replace(answer, row=replace(answer.row, tried_at=clock.now(), took_s=took_s))


def not_awaited(plugins: Plugins, name: str, clock: Clock, waited_s: float) -> Answer:
    """Return what stands for the answer of a provider that reads on in the background.

    Should it never end, that hinders nothing but the next reading of its prices.
    """
    with suppress(ArbError):
        plugins.provider(name).let_run("arb_catalog")
    summary = f"{name} told no prices within {waited_s:g} s and is not waited for"
    hint = f"arb refresh {name} waits for them"
    error = ProviderUnavailable(summary, code="catalog-late", hint=hint)
    row = replace(_new_row(plugins, name), error=summary, error_code=error.code)
    return Answer(replace(row, tried_at=clock.now(), took_s=waited_s), error=error)


def _new_row(plugins: Plugins, name: str) -> ProviderRow:
    entry = plugins.table.find("arb.providers", name)
    row = ProviderRow(name, fingerprint=fingerprint(plugins, name))
    if entry is None:
        return row
    return replace(row, distribution=entry.distribution, version=entry.version)


def _read(provider: Provider, row: ProviderRow, clock: Clock) -> Answer:
    """Return a provider's good rows.

    Raises:
        ArbError: There is none, or none that is good.
    """
    since = time.time()  # what file systems say is not told by a clock that tests move
    catalog = _catalog(provider, clock)
    now = clock.now()
    with _blamed_on(provider):
        files = _files(catalog)
        as_of = min(_date(catalog), now)
        ttl_s = _ttl_s(provider.info)
        checked = _checked(provider, catalog)
    checked.frame["as_of"] = checked.frame["as_of"].clip(upper=now)
    told = replace(
        row,
        source=catalog.source,
        as_of=as_of,
        refreshed_at=now,
        ttl_s=ttl_s,
        owned=provider.can(Capability.OWNED),
        rows=len(checked.frame),
        refused=checked.refused,
        refusals=tuple(map(str, checked.faults)),
        files=state_of(files, since),
    )
    prices = "earlier" if told.source == "live" else told.source
    kept = [f"{prices} prices are used: {catalog.why}"] if catalog.why else []
    return Answer(told, checked.frame, notes=(*kept, *checked.notes))


def _catalog(provider: Provider, clock: Clock) -> Catalog:
    """Ask; once more when the provider was out of reach and half of the time is left."""
    half = clock.monotonic() + provider.budget_s("arb_catalog") / 2
    try:
        return provider.catalog()
    except ProviderUnavailable as error:
        if error.code == "deadline" or clock.monotonic() > half:
            raise
    return provider.catalog()


@contextmanager
def _blamed_on(provider: Provider) -> Iterator[None]:
    """Name the plugin in what is wrong with its answer; nothing of it may cost the others theirs."""
    origin = f"{provider.distribution} {provider.version}"
    try:
        yield
    except PluginError as error:
        raise PluginError(f"{origin}: {error.summary}", code=error.code) from error
    except Exception as error:  # values that no column should hold, frames that are none
        summary = f"{origin}: the catalog cannot be read: {type(error).__name__}: {error}"
        raise PluginError(summary, code="catalog-rows") from error


def _date(catalog: Catalog) -> float:
    if not 0 <= catalog.as_of < LATEST:
        raise PluginError("the date of the catalog is no date", code="catalog-date")
    return float(catalog.as_of)


def _ttl_s(info: ProviderInfo) -> float:
    given: object = info.catalog_ttl_s
    if not isinstance(given, int | float) or not 0 <= given < math.inf:
        raise PluginError("catalog_ttl_s is no number of seconds", code="catalog-ttl")
    return float(given)


def _files(catalog: Catalog) -> tuple[str, ...]:
    """Return the paths as texts.

    Raises:
        PluginError: They are none, or mean another file in another folder.
    """
    with suppress(TypeError):
        paths = tuple(map(os.fsdecode, catalog.files))
        if all(Path(path).is_absolute() and "\0" not in path for path in paths):
            return paths
    summary = "the files of the catalog are no absolute paths"
    raise PluginError(summary, code="catalog-files")


def _checked(provider: Provider, catalog: Catalog) -> Validated:
    from arb.catalog.validate import validate

    checked = validate(
        catalog.frame,
        owned=provider.can(Capability.OWNED),
        minimum_s=provider.info.minimum_s,
    )
    if checked.refused and not len(checked.frame):
        summary = f"every offer was refused; {checked.faults[0]}"
        raise PluginError(summary, code="catalog-rows")
    return checked
