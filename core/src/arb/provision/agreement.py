"""What the user agreed to pay, and what happens when the market moved since."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from arb.errors import ArbError
from arb.state import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from arb.provision.telling import Teller
    from arb.types import Offer

__all__ = ["Agreement", "Declined", "Rise"]

MAX_SLIPPAGE: Final = 0.05
_ROUNDING: Final = 1e-9


class Declined(ArbError):
    """The user said no to a price that rose; nothing was bought."""


@dataclass(frozen=True, slots=True)
class Rise:
    """A best price above the one that was agreed to. Both for all machines, USD an hour."""

    offer: Offer
    agreed_usd_hour: float
    usd_hour: float


def _always(_: Rise) -> bool:
    return True


class Agreement:
    """How much an hour the user said yes to, for all machines together.

    The walk itself may go on to dearer offers when cheaper ones have no capacity: that is what was
    agreed to. It asks again when the best price *rose* by more than the slippage since it was shown.
    When it goes round again later, everything that it passed the first time has been agreed to.

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

    def passed(self, usd_hour: float) -> None:
        """Note that an offer of the list was come by, for all machines together in USD an hour."""
        self._passed = max(self._passed, usd_hour)

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
        agreed = max(self.usd_hour, before)
        now = best.price_usd_hour * count
        if now <= agreed * (1 + max(0.0, self.max_slippage)) + _ROUNDING:
            return
        yes = self._ask(Rise(best, agreed, now))
        data = {"agreed_usd_hour": agreed, "usd_hour": now, "agreed": yes}
        teller.tell(events.PRICE_ROSE, data)
        if not yes:
            summary = f"the best price rose from ${agreed:.2f} to ${now:.2f} an hour"
            raise Declined(f"{summary}; nothing was bought", code="price-declined")
        self.usd_hour = now
