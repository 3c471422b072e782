"""Which providers must be asked again before their offers can be used. Loads no plugin."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from arb.catalog.files import have_changed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arb.catalog.schema import ProviderRow
    from arb.catalog.store import CatalogStore
    from arb.plugins.manager import Plugins

__all__ = ["fingerprint", "stale"]

_RETRY_S: Final = 60.0
"""A provider that never answered is not asked by every listing."""
_PATIENCE: Final = 30.0
"""A provider that let listings wait is left alone for so many times as long."""


def stale(
    store: CatalogStore,
    plugins: Plugins,
    *,
    now: float,
    buying: bool = False,
    names: Iterable[str] | None = None,
) -> tuple[str, ...]:
    """Return the providers to read again, by name.

    A listing reads what was never read, and what another version of the plugin, other settings or
    other files would answer otherwise. Who is going to buy reads also what is older than its TTL.

    Args:
        store: The catalogs as they are.
        plugins: What is installed.
        now: Seconds since the epoch.
        buying: Whether money is going to be spent on what is found.
        names: Look at these alone; those that are not installed are left out.
    """
    usable = plugins.provider_names()
    chosen = usable if names is None else sorted(set(names).intersection(usable))
    return tuple(
        name
        for name in chosen
        if _is_stale(store.provider(name), name, plugins, now, buying=buying)
    )


def fingerprint(plugins: Plugins, name: str) -> str:
    """Return what changes with a provider's plugin and its settings; tells neither."""
    entry = plugins.table.find("arb.providers", name)
    origin = entry.origin if entry else ""
    options = plugins.settings.options.get(name, {})
    text = f"{origin} {_steady(options)}"
    return f"{zlib.crc32(text.encode()):08x}{len(text):x}"


def _steady(value: object) -> str:
    """Return a text that is the same in every process for the same value of a settings file."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(sorted(f'{k!r}: {_steady(v)}' for k, v in value.items()))}}}"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(_steady, value)))}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_steady, value))}]"
    return repr(value)


def _is_stale(
    row: ProviderRow | None, name: str, plugins: Plugins, now: float, *, buying: bool
) -> bool:
    if row is None or row.fingerprint != fingerprint(plugins, name):
        return True
    age_s = now - row.refreshed_at
    if buying and not 0 <= age_s <= row.ttl_s:
        return True
    if not row.refreshed_at:
        return not 0 <= now - row.tried_at <= max(_RETRY_S, _PATIENCE * row.took_s)
    return have_changed(row.files)
