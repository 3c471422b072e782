"""Offers of ``arb gpus`` as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.cli import render
from arb.cli.offers import COLUMNS, RIGHT, offer_cells, usd_gpu_hour

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from arb.types import Offer

__all__ = ["show_offers"]

_RIGHT: Final = f"{RIGHT},$/GPU-h,GPU GiB,free,minimum"
_LONG_MINIMUM_S: Final = 600
"""Billing floors that are worth a column: most tasks run longer than the others."""


def show_offers(offers: Sequence[Offer]) -> None:
    """Print the table."""
    more = {name: [read(offer) for offer in offers] for name, read in _MORE.items()}
    shown = {name: cells for name, cells in more.items() if any(cells)}
    memories = [render.number(round(offer.accelerator_gib, 1)) for offer in offers]
    if len(set(memories)) > 1:
        shown = {"GPU GiB": memories, **shown}
    rows = [
        (
            *offer_cells(offer),
            f"{usd_gpu_hour(offer):.2f}",
            *(cells[index] or "-" for cells in shown.values()),
        )
        for index, offer in enumerate(offers)
    ]
    render.table((*COLUMNS, "$/GPU-h", *shown), rows, right=_RIGHT)


def _free(offer: Offer) -> str:
    if offer.available is False:
        return "none"
    return "" if offer.capacity is None else str(offer.capacity)


def _minimum(offer: Offer) -> str:
    if offer.minimum_s < _LONG_MINIMUM_S:
        return ""
    return render.age(offer.minimum_s).removesuffix(" 0s")


_MORE: Final[dict[str, Callable[[Offer], str]]] = {
    "link": lambda offer: offer.interconnect,
    "free": _free,
    "minimum": _minimum,
}
"""Columns that are left out where no offer has anything to say in them."""
