"""What is sold at all: one line an accelerator, with the cheapest price of one GPU."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from arb.cli import render

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from arb.catalog.listing import Shown
    from arb.catalog.market import Group
    from arb.types import Offer

__all__ = ["Piece", "Sold", "show_summary", "sorted_summary", "summarise"]

_NAMED: Final = 3
"""Providers that are named; more are counted."""
_COLUMNS: Final = (
    "accelerator", "GiB", "counts", "providers", "$/GPU-h", "at", "spot $/GPU-h", "at",
)  # fmt: skip


class Piece(NamedTuple):
    """The cheapest offer of one provider, accelerator, count, memory and capacity class."""

    provider: str
    owned: bool
    accelerator: str
    gib: float
    gpus: float
    spot: bool
    usd_hour: float
    as_of: float

    @property
    def usd_gpu_hour(self) -> float:
        """The price of one accelerator."""
        return self.usd_hour / self.gpus

    @classmethod
    def of_group(cls, group: Group, shown: Shown) -> Piece:
        """Take a row of the catalog's own summary, with its first offer."""
        return cls(
            group.provider,
            group.owned,
            group.accelerator,
            group.accelerator_gib,
            group.accelerator_count,
            group.spot,
            shown.usd_hour,
            shown.as_of,
        )

    @classmethod
    def of_offer(cls, offer: Offer, owned: frozenset[str]) -> Piece:
        """Take an offer; ``owned`` are the providers of the user's own machines."""
        return cls(
            offer.provider,
            offer.provider in owned,
            offer.accelerator,
            offer.accelerator_gib,
            offer.accelerator_count,
            offer.spot,
            offer.price_usd_hour,
            offer.as_of,
        )


@dataclass(slots=True)
class Sold:
    """One accelerator.

    Attributes:
        accelerator: Canonical name.
        pieces: What is sold of it.
    """

    accelerator: str
    pieces: list[Piece] = field(default_factory=list)

    @property
    def memories(self) -> list[float]:
        """Memory of one, GiB; several where models of one name differ."""
        return sorted({piece.gib for piece in self.pieces})

    @property
    def counts(self) -> list[float]:
        """How many there are in one instance."""
        return sorted({piece.gpus for piece in self.pieces})

    @property
    def providers(self) -> list[str]:
        """Who sells it."""
        return sorted({piece.provider for piece in self.pieces})

    def cheapest(self, *, spot: bool) -> Piece | None:
        """Return the lowest price of one accelerator.

        The user's own machines count only where nobody else sells any: they are bought only by
        name, and their price says nothing about the market.
        """
        of_class = [piece for piece in self.pieces if piece.spot == spot]
        return min(
            of_class, key=lambda p: (p.owned, p.usd_gpu_hour, p.provider, p.gpus), default=None
        )

    @property
    def lowest(self) -> float:
        """The lowest price of one accelerator in either class."""
        found = (self.cheapest(spot=False), self.cheapest(spot=True))
        return min(piece.usd_gpu_hour for piece in found if piece is not None)

    def document(self, now: float) -> dict[str, Any]:
        """Return it for ``--json``; ``now`` is in seconds since the epoch."""
        return {
            "accelerator": self.accelerator,
            "accelerator_gib": self.memories,
            "counts": self.counts,
            "providers": self.providers,
            "on_demand": _price_document(self.cheapest(spot=False), now),
            "spot": _price_document(self.cheapest(spot=True), now),
        }


def summarise(pieces: Iterable[Piece]) -> list[Sold]:
    """Return one entry an accelerator, sorted by name."""
    found: dict[str, Sold] = {}
    for piece in pieces:
        if piece.accelerator:
            sold = found.setdefault(piece.accelerator, Sold(piece.accelerator))
            sold.pieces.append(piece)
    return sorted(found.values(), key=lambda sold: sold.accelerator)


def sorted_summary(found: Sequence[Sold], sort: str) -> list[Sold]:
    """Return entries in the order of a ``--sort``; ties go by name.

    Args:
        found: Sorted by name.
        sort: A value of ``arb.catalog.listing.Sort``, or empty.
    """
    if sort == "memory":
        return sorted(found, key=lambda sold: -sold.memories[-1])
    if sort == "value":
        return sorted(found, key=_usd_pflop_hour)
    if sort in {"price", "gpu-price"}:
        return sorted(found, key=lambda sold: sold.lowest)
    if sort == "provider":
        return sorted(found, key=lambda sold: sold.providers)
    return list(found)


def show_summary(found: Sequence[Sold]) -> None:
    """Print the table."""
    render.table(_COLUMNS, [_cells(sold) for sold in found], right="GiB,$/GPU-h,spot $/GPU-h")


def _cells(sold: Sold) -> tuple[str, ...]:
    memories = [render.number(round(gib, 1)) for gib in sold.memories if gib]
    return (
        sold.accelerator,
        "-".join(dict.fromkeys([*memories[:1], *memories[-1:]])) or "-",
        ",".join(render.number(count) for count in sold.counts),
        _names(sold.providers),
        *_price(sold.cheapest(spot=False)),
        *_price(sold.cheapest(spot=True)),
    )


def _names(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" +{more}" if more > 0 else "")


def _price(piece: Piece | None) -> tuple[str, str]:
    return ("-", "-") if piece is None else (f"{piece.usd_gpu_hour:.2f}", piece.provider)


def _price_document(piece: Piece | None, now: float) -> dict[str, Any] | None:
    if piece is None:
        return None
    return {
        "usd_gpu_hour": piece.usd_gpu_hour,
        "usd_hour": piece.usd_hour,
        "count": piece.gpus,
        "provider": piece.provider,
        "as_of": piece.as_of,
        "age_s": max(0.0, now - piece.as_of),
    }


def _usd_pflop_hour(sold: Sold) -> float:
    from arb.catalog.names import facts

    known = facts(sold.accelerator)
    tflops = known.bf16_tflops if known else 0.0
    return sold.lowest / tflops if tflops else float("inf")
