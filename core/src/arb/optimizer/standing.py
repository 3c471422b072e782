"""Where an offer stands among others, apart from its price: so a new price gives the new place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arb.types import Offer

__all__ = ["Standing"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What the objective makes of one offer.

    The score is ``price x factor``: every objective is proportional to the price.

    Attributes:
        preference: 0 first. Strict, whatever the scores.
        comparable: False where the objective has no figure for the offer: it comes after all that
            have one, in the order of ``price x factor``.
        factor: See above. With the objective ``cost`` it is 1 unless a billing minimum makes the
            offer dearer.
        max_price_usd_hour: What one instance may cost at most; None is no limit.
    """

    preference: int = 0
    comparable: bool = True
    factor: float = 1.0
    max_price_usd_hour: float | None = None

    def key(self, offer: Offer, price_usd_hour: float) -> tuple[object, ...]:
        """Return what the ranking sorts by, for an offer at a price.

        Ties: on-demand before spot, then provider, region, zone, instance type, offer id.
        """
        return (
            self.preference,
            not self.comparable,
            price_usd_hour * self.factor,
            offer.spot,
            offer.provider,
            offer.region,
            offer.zone,
            offer.instance_type,
            offer.offer_id,
        )
