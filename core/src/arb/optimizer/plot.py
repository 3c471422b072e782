"""A picture of prices: one bar an offer, cheapest first, spot and on-demand told apart."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from arb.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from arb.types import Offer

__all__ = ["PriceBar", "check_plot_path", "shown_bars", "write_plot"]

MOST_BARS: Final = 30


@dataclass(frozen=True, slots=True)
class PriceBar:
    """One offer in the picture.

    Attributes:
        provider: Provider id.
        instance_type: The provider's spelling.
        place: ``region`` or ``region/zone``.
        spot: Capacity class.
        price_usd_hour: Of the whole instance.
        gpus: Accelerators in it; 0 shows no price of one.
        note: Stands behind the instance type, for instance ``simulated``.
    """

    provider: str
    instance_type: str
    place: str
    spot: bool
    price_usd_hour: float
    gpus: float = 0
    note: str = ""

    @classmethod
    def of(cls, offer: Offer) -> PriceBar:
        """Return the bar of an offer."""
        return cls(
            offer.provider,
            offer.instance_type,
            offer.place,
            offer.spot,
            offer.price_usd_hour,
            offer.accelerator_count,
            offer.note,
        )

    def length(self, *, per_gpu: bool) -> float:
        """Return what the bar measures, in dollars an hour."""
        return self.price_usd_hour / (self.gpus or 1) if per_gpu else self.price_usd_hour


def check_plot_path(path: Path) -> None:
    """Refuse a file that cannot become a picture, before any work is done for it.

    Raises:
        UsageError: The suffix is not ``.png``, or the folder is not there.
    """
    if path.suffix.lower() != ".png":
        summary = f"cannot draw {path}: pictures are PNG files"
        raise UsageError(summary, code="plot-suffix", hint="write a name that ends in .png")
    if not path.parent.is_dir():
        summary = f"cannot write {path}: there is no folder {path.parent}"
        raise UsageError(summary, code="plot-folder", hint="make it first")


def write_plot(
    path: Path, bars: Sequence[PriceBar], *, title: str, subtitle: str, per_gpu: bool = False
) -> None:
    """Write a PNG of prices; the file appears whole or not at all.

    Args:
        path: Where to; an existing file is replaced.
        bars: One an offer, in any order. Of many, the cheapest are drawn, and the picture says so.
        title: First line, for instance ``H100:8``.
        subtitle: Second line: say how old the prices are.
        per_gpu: Draw the price of one accelerator, for offers that differ in their number.

    Raises:
        UsageError: As for ``check_plot_path``; there is nothing to draw, matplotlib is not
            installed, or the file cannot be written.
    """
    check_plot_path(path)
    if not bars:
        raise UsageError("there is no price to draw", code="plot-empty")
    picture = _picture(bars, title, subtitle, per_gpu=per_gpu)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(picture)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        summary = f"cannot write {path}: {error.strerror}"
        raise UsageError(summary, code="plot-file", hint="name a file of yours") from error


def shown_bars(
    bars: Sequence[PriceBar], *, per_gpu: bool = False, most: int = MOST_BARS
) -> list[tuple[PriceBar, int]]:
    """Return what is drawn, cheapest first, each with the number of its dearer places.

    Of an instance type its cheapest place stands for all. When that is still too much, the cheapest
    offer of every provider and capacity class is kept first, then whatever is cheapest.
    """
    places: dict[tuple[object, ...], list[PriceBar]] = {}
    for bar in sorted(bars, key=lambda bar: _order(bar, per_gpu=per_gpu)):
        kind = (bar.provider, bar.instance_type, bar.gpus, bar.spot)
        places.setdefault(kind, []).append(bar)
    found = [(same[0], len(same) - 1) for same in places.values()]
    firsts: dict[tuple[str, bool], int] = {}
    for index, (bar, _) in enumerate(found):
        firsts.setdefault((bar.provider, bar.spot), index)
    others = (index for index in range(len(found)) if index not in set(firsts.values()))
    return [found[index] for index in sorted([*firsts.values(), *others][:most])]


def _picture(bars: Sequence[PriceBar], title: str, subtitle: str, *, per_gpu: bool) -> bytes:
    try:
        import matplotlib as mpl  # noqa: F401 - an optional extra: told here when missing
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        summary = "pictures need matplotlib, which is not installed"
        hint = "pip install 'arb-core[plot]'"
        raise UsageError(summary, code="plot-missing", hint=hint) from error
    from arb.optimizer.picture import draw_prices

    return draw_prices(bars, title=title, subtitle=subtitle, per_gpu=per_gpu)


def _order(bar: PriceBar, *, per_gpu: bool) -> tuple[float, bool, str, str, str]:
    """Return the sort key; at equal price on-demand is first, as nothing preempts it."""
    price = bar.length(per_gpu=per_gpu)
    return (price, bar.spot, bar.provider, bar.instance_type, bar.place)
