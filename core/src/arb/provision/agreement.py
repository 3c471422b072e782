"""What the user agreed to pay, and what happens when the market moved since."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from arb.errors import ArbError
from arb.provision.telling import brief_of, offer_name
from arb.state import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from arb.provision.telling import Teller
    from arb.types import Offer

__all__ = ["MAX_SLIPPAGE", "Agreement", "Declined", "Rise"]

MAX_SLIPPAGE: Final = 0.05
_ROUNDING: Final = 1e-9


class Declined(ArbError):
    """The user said no to a price that rose; nothing was bought."""


@dataclass(frozen=True, slots=True)
class Rise:
    """A price above the one that was agreed to. Both for all machines, USD an hour.

    ``what`` names it: the best price, or an offer further down whose own price rose.
    """

    offer: Offer
    agreed_usd_hour: float
    usd_hour: float
    what: str = "the best price"


def _always(_: Rise) -> bool:
    return True


class Agreement:
    """How much an hour the user said yes to, for all machines together.

    The walk itself may go on to dearer offers when cheaper ones have no capacity: that is what was
    agreed to, at the prices of the list. It asks again when the best price *rose* by more than the
    slippage since it was shown, and when an offer further down costs more now than anything that was
    listed up to there. When it goes round again later, everything that it passed the first time has
    been agreed to.

    Args:
        usd_hour: What was shown, in USD an hour; infinite when nothing needs to be asked.
        max_slippage: 0.05 is five percent.
        ask: Puts a rise to the user; False ends the walk.
    """

    def __init__(
        self,
        usd_hour: float = math.inf,
        max_slippage: float = MAX_SLIPPAGE,
        ask: Callable[[Rise], bool] = _always,
    ) -> None:
        self.usd_hour = usd_hour
        self.max_slippage = max_slippage
        self._ask = ask
        self._passed = 0.0
        self._rounds = 0
        self._listed: dict[tuple[str, str, bool], float] = {}

    def listed(self, offer: Offer) -> float:
        """Return the price of an offer as it was listed first, for one machine in USD an hour."""
        return self._listed.setdefault(offer.key, offer.price_usd_hour)

    def passed(self, offer: Offer, count: int) -> None:
        """Note that an offer of the list was come by."""
        self._passed = max(self._passed, self.listed(offer) * count)

    def check(self, best: Offer, count: int, listed_usd_hour: float, teller: Teller) -> None:
        """Ask when the best offer costs more now than was agreed to.

        Args:
            best: What the walk would try first, at its price of now.
            count: How many machines.
            listed_usd_hour: What the walk would have tried first by the prices that were shown, for
                one machine: offers that are blocked by an earlier refusal do not count as a rise.
            teller: Hears the answer.

        Raises:
            Declined: The user said no.
        """
        self._rounds += 1
        before = listed_usd_hour * count if self._rounds == 1 else self._passed
        self._settle(Rise(best, max(self.usd_hour, before), best.price_usd_hour * count), teller)

    def check_next(self, offer: Offer, count: int, teller: Teller) -> None:
        """Ask when an offer further down costs more than what was listed for it and those before it.

        Raises:
            Declined: The user said no.
        """
        agreed = max(self.usd_hour, self._passed, self.listed(offer) * count)
        name = offer_name(brief_of(offer))
        self._settle(Rise(offer, agreed, offer.price_usd_hour * count, name), teller)

    def _settle(self, rise: Rise, teller: Teller) -> None:
        limit = rise.agreed_usd_hour * (1 + max(0.0, self.max_slippage))
        if rise.usd_hour <= limit + _ROUNDING:
            return
        yes = self._ask(rise)
        teller.tell(
            events.PRICE_ROSE,
            {
                "what": rise.what,
                "agreed_usd_hour": rise.agreed_usd_hour,
                "usd_hour": rise.usd_hour,
                "agreed": yes,
            },
        )
        if not yes:
            told = f"{rise.what} rose from ${rise.agreed_usd_hour:.2f} to ${rise.usd_hour:.2f}"
            raise Declined(f"{told} an hour; nothing was bought", code="price-declined")
        self.usd_hour = rise.usd_hour
