"""Try again in rounds: capacity that is missing now may be there in some minutes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeVar

from arb.errors import ArbError, NoOfferError, StateError
from arb.provision.giveback import give_back_rest
from arb.provision.news import News
from arb.provision.telling import Teller, clock_time
from arb.provision.waiting import pause
from arb.provision.walk import Exhausted, buy, write_down
from arb.state import events
from arb.state.attempts import next_seq
from arb.state.clusters import update_cluster
from arb.state.leases import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Callable

    from arb.provision.order import Order, Purchase
    from arb.provision.shop import Shop

__all__ = ["buy_patiently"]

T = TypeVar("T")

_FIRST_S: Final = 30.0
_PACE: Final = ((10_000, 300.0), (30_000, 900.0), (math.inf, 3600.0))
"""Purchases that were tried so far, and the longest wait then."""
_STORE_S: Final = 600.0
"""For so long a state store may not answer between two rounds."""
_RETRY_S: Final = 5.0


def buy_patiently(
    shop: Shop,
    order: Order,
    bring_up: Callable[[Purchase], None],
    again: Callable[[], Order] | None = None,
) -> Purchase:
    """Walk over the offers once, or until one is bought; what ends it is in the log.

    Between rounds it waits 30 s, then twice as long each time, five minutes at most (a quarter of an
    hour after 10,000 purchases that were tried, an hour after 30,000); longer only when every offer
    is kept out by a refusal that lasts longer. The time that the machine sleeps counts. A state store
    that does not answer is waited for while nothing is being bought. What became of an offer is told
    again only when it is news.

    Args:
        shop: The means.
        order: What to buy.
        bring_up: As for ``buy``.
        again: Makes the order of the next round, at the prices of then; None: one round is all. It
            may raise ``NoOfferError``: then that round is over.

    Raises:
        ArbError: As ``buy``; ``NoOfferError`` only without ``again``.
    """
    teller = Teller(shop.progress, order.cluster, order.cluster_id)
    try:
        if again is None:
            return buy(shop, order, bring_up)
        return _Rounds(shop, order, teller).go(bring_up, again)
    except (ArbError, KeyboardInterrupt) as error:
        told = error.to_dict() if isinstance(error, ArbError) else {"summary": "interrupted"}
        teller.keep(events.WALK_ENDED, told)
        raise
    finally:
        write_down(shop, teller)


class _Rounds:
    """Walks of one order with waits between them."""

    def __init__(self, shop: Shop, order: Order, teller: Teller) -> None:
        self._news = News(shop.progress)
        self._shop = shop
        self._quiet = shop.heard_by(self._news)
        self._order = order
        self._teller = teller
        self._number = 0

    def go(self, bring_up: Callable[[Purchase], None], again: Callable[[], Order]) -> Purchase:
        order: Order | None = self._order
        wait_s = _FIRST_S

        def tell_and_bring_up(purchase: Purchase) -> None:
            self._news.flush()
            bring_up(purchase)

        while True:
            self._number += 1
            self._shop.blocklist.capacity_s = wait_s  # so that the next round tries it again
            self._shop.plugins.let_in_again()  # names were not resolved while the network was away
            try:
                return buy(self._quiet, order or self._steadily(again), tell_and_bring_up)
            except NoOfferError as error:
                self._wait(error, wait_s)
            order, wait_s = None, min(self._longest_s(), 2 * wait_s)

    def _longest_s(self) -> float:
        """Return the longest wait: there are only so many purchases for one cluster, days of them."""
        tried = self._steadily(lambda: next_seq(self._shop.journal.store, self._order.cluster_id))
        return next(s for most, s in _PACE if tried <= most)

    def _wait(self, error: NoOfferError, wait_s: float) -> None:
        shop = self._shop
        until = max(shop.journal.store.now() + wait_s, _opening(error))
        data = {"round": self._number, "summary": error.summary, "until": until}
        self._teller.tell(events.WALK_WAITS, data)
        self._detail(f"waiting for capacity, next try at {clock_time(until)}")
        write_down(shop, self._teller)
        shop.progress.state(
            f"waiting until {clock_time(until)} (round {self._number}); Ctrl-C ends it"
        )
        pause(shop.clock, until - shop.journal.store.now(), self._check)
        self._detail("")
        self._steadily(lambda: give_back_rest(self._quiet, self._order.cluster_id))

    def _detail(self, text: str) -> None:
        def write() -> None:
            with self._shop.journal.write() as tx:
                update_cluster(tx, self._order.cluster_id, detail=text)

        self._steadily(write)

    def _check(self) -> None:
        self._steadily(lambda: self._shop.journal.check_wanted(self._order.cluster_id))

    def _steadily(self, work: Callable[[], T]) -> T:
        """Do something although the state store fails for a while: a server is started anew.

        Raises:
            LeaseLost: Another command took over, which no wait mends.
            StateError: It still fails after some minutes.
        """
        clock = self._shop.clock
        limit = clock.monotonic() + _STORE_S
        while True:
            try:
                return work()
            except LeaseLost:
                raise
            except StateError as error:
                if clock.monotonic() > limit:
                    raise
                self._shop.progress.state(f"{error.summary}; trying again")
                clock.sleep(_RETRY_S)


def _opening(error: NoOfferError) -> float:
    """Return when it first makes sense to try again; 0 when that is at any time."""
    if isinstance(error, Exhausted) and error.all_blocked and error.opens_at:
        return error.opens_at
    return 0.0
