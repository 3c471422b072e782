"""The walk: try offer after offer until one has capacity. Every step is on disk first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.errors import ArbError, StateError
from arb.provision.attempt import attempt
from arb.provision.course import Course, Failure
from arb.provision.exhaustion import Exhausted, exhausted
from arb.provision.placing import LostAnswer
from arb.provision.telling import Teller
from arb.provision.undo import goes_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from arb.provision.order import Order, Purchase
    from arb.provision.shop import Shop

__all__ = ["Exhausted", "buy", "write_down"]


def buy(shop: Shop, order: Order, bring_up: Callable[[Purchase], None]) -> Purchase:
    """Buy ``order.count`` machines of the first offer that has them and brings them up.

    On any exception, Ctrl-C included, everything that was made is being given back: what is not
    gone yet is on disk as such, and the next command carries on.

    Args:
        shop: The means.
        order: What to buy.
        bring_up: Makes nodes out of running machines; its ``NodeError`` gives them back, and the
            walk goes on.

    Raises:
        Exhausted: Nothing could be bought; the summary counts the reasons.
        CredentialsError: The same, and nothing but credentials was the reason.
        Declined: The best price rose, and the user said no.
        ArbError: A policy refused the purchase.
    """
    teller = Teller(shop.progress, order.cluster, order.cluster_id)
    course = Course(shop, order, teller)
    try:
        for offer in course:
            try:
                return attempt(shop, order, offer, teller, bring_up)
            except ArbError as error:
                if not goes_on(error):
                    raise
                if not isinstance(error, LostAnswer):  # that was told when it was lost
                    shop.progress.step(f"   {error.summary}")
                course.failures.append(Failure(offer, error))
        raise exhausted(shop, order, course)
    finally:
        write_down(shop, teller)


def write_down(shop: Shop, teller: Teller) -> None:
    """Write what was told since the last intent; why a walk ends matters more than this."""
    if not teller.has_news:
        return
    try:
        with shop.journal.write() as tx:
            teller.write(tx)
    except StateError as error:
        shop.progress.warn(f"the log of the walk could not be written: {error.summary}")
