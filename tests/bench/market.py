"""Rows of listings over catalogs of many offers."""

from __future__ import annotations

import os
import time
from functools import cached_property, partial
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

from .commands import FRESH_S, TYPER, against_typer, heavy
from .harness import Kind, Limit, Measurement, Row, interleave
from .memory import memory_note
from .timing import ARB, to_end

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .workbench import Home, Workbench

__all__ = ["PROVIDERS", "ROWS", "Market", "market_of"]

PROVIDERS: Final = 20
"""How many sell in a catalog."""
_OFFERS: Final = 10_000
_FEW, _MANY = 1_000, 1_000_000
_EIGHT_H100: Final = ("gpus", "H100:8")


class Market:
    """Providers that are installed as far as anybody looks, and catalogs that were read of them.

    Args:
        folder: Where their distributions are put.
    """

    def __init__(self, folder: Path) -> None:
        from tests.support.catalogs import provider_names

        self.folder = folder
        self._names = provider_names(PROVIDERS)
        for name in self._names:
            info = folder / f"arb_{name}-1.0.dist-info"
            info.mkdir(parents=True)
            about = f"Metadata-Version: 2.1\nName: arb-{name}\nVersion: 1.0\n"
            (info / "METADATA").write_text(about)
            (info / "entry_points.txt").write_text(f"[arb.providers]\n{name} = arb_{name}\n")
        time.sleep(FRESH_S)

    @cached_property
    def env(self) -> Mapping[str, str]:
        """What makes a process see them, and no other provider."""
        path = [str(self.folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        others = ",".join(e.name for e in entry_points(group="arb.providers"))
        return {"PYTHONPATH": os.pathsep.join(path), "ARB_DISABLE_PROVIDERS": others}

    def home(self, workbench: Workbench, name: str, offers: int) -> Home:
        """Make a home whose catalog holds so many offers, all read just now."""
        home = workbench.home(name, **self.env)
        (home.arb / "cache").mkdir(parents=True, mode=0o700)
        self._write(home.arb / "cache" / "catalog.db", offers)
        return home

    def _write(self, path: Path, offers: int) -> None:
        from tests.support.catalogs import make_frames

        from arb.catalog.schema import ProviderRow
        from arb.catalog.stale import fingerprint
        from arb.catalog.write import write_catalog
        from arb.plugins import PluginEntry, Plugins, PluginSettings, PluginTable

        entries = [
            PluginEntry("arb.providers", name, f"arb_{name}", f"arb-{name}", "1.0")
            for name in self._names
        ]
        settings = PluginSettings(
            path.parent, path.parent, {}, path.parent, lambda: "", lambda *_: None,  # type: ignore[arg-type, return-value]
        )  # fmt: skip
        plugins = Plugins(settings, warn=print, table=PluginTable(entries))
        now = time.time()
        rows = [
            ProviderRow(
                e.name, e.distribution, e.version, "live", now, now, now,
                fingerprint=fingerprint(plugins, e.name),
            )
            for e in entries
        ]  # fmt: skip
        write_catalog(path, rows, make_frames(offers, PROVIDERS))


def market_of(workbench: Workbench) -> Market:
    """Return the market of a run, made when it is first needed."""
    if "market" not in vars(workbench):
        vars(workbench)["market"] = Market(workbench.folder / "site")
    market: Market = vars(workbench)["market"]
    return market


def _gpus(workbench: Workbench) -> Measurement:
    home = market_of(workbench).home(workbench, "gpus", _OFFERS)
    size = f"{_OFFERS:,} offers of {PROVIDERS} providers"
    return against_typer(workbench, home, "gpus", size=size)


def _million(workbench: Workbench) -> Measurement:
    market = market_of(workbench)
    many = market.home(workbench, "gpus-many", _MANY)
    few = market.home(workbench, "gpus-few", _FEW)
    command = [*ARB, *_EIGHT_H100]
    subject, yardstick = interleave(
        partial(to_end, command, many.env), partial(to_end, command, few.env), workbench.runs
    )
    megabytes = (many.arb / "cache" / "catalog.db").stat().st_size / 1e6
    return Measurement(
        subject,
        yardstick,
        f"{_MANY:,} offers of {PROVIDERS} providers, a file of {megabytes:.0f} MB",
        faults=heavy(many, _EIGHT_H100),
        notes=(memory_note((command, many.env), (command, few.env)),),
    )


ROWS: Final = (
    Row("gpus", "`arb gpus`, warm", Limit(Kind.RATIO, 1.6), TYPER, _gpus),
    Row(
        "gpus-million",
        f"`arb gpus H100:8`, {_MANY:,} offers",
        Limit(Kind.EXTRA, 0.02),
        f"the same with {_FEW:,} offers",
        _million,
    ),
)
