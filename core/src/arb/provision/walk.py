"""The walk: offer after offer until one has capacity. Every step is on disk before it is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.errors import ArbError, CredentialsError, NoOfferError, StateError
from arb.provision.attempt import attempt
from arb.provision.course import Course, Failure
from arb.provision.placing import LostAnswer
from arb.provision.telling import Teller, brief_of, clock_time, offer_name
from arb.provision.undo import goes_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from arb.provision.order import Order, Purchase
    from arb.provision.shop import Shop

__all__ = ["Exhausted", "buy", "write_down"]


class Exhausted(NoOfferError):
    """Every offer was refused, skipped or is not available; some may be later.

    Attributes:
        opens_at: When the first refusal that keeps offers out expires, seconds since the epoch;
            None when none does.
        all_blocked: Whether every offer is kept out by a refusal, so that nothing can be bought
            before.
    """

    opens_at: float | None = None
    all_blocked: bool = False


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
        raise _exhausted(shop, course)
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


def _exhausted(shop: Shop, course: Course) -> ArbError:
    """Return the error that says what became of all offers."""
    failures = course.failures
    counts = (
        (len(failures), "tried"),
        (course.skipped, "kept out by earlier refusals"),
        (course.dropped, "not available"),
    )
    told = ", ".join(f"{count} {what}" for count, what in counts if count)
    last = course.last
    if failures:
        last = f"{offer_name(brief_of(failures[-1].offer))}: {failures[-1].error.summary}"
    summary = (
        f"no offer could be bought, {told}; last: {last}" if told else "nothing is on offer now"
    )
    if failures and all(isinstance(failure.error, CredentialsError) for failure in failures):
        return CredentialsError(summary, code="no-offer", hint=failures[-1].error.hint)
    opens_at = _opens_at(shop, course)
    code = "no-offer" if failures or course.dropped else "all-blocked"
    hint = (failures[-1].error.hint if failures else "") or _hint(opens_at)
    error = Exhausted(summary, code=code, hint=hint)
    error.opens_at, error.all_blocked = opens_at, not course.dropped
    return error


def _opens_at(shop: Shop, course: Course) -> float | None:
    blocks = (shop.blocklist.covering(failed.offer, course.count) for failed in course.failures)
    times = [block.until for block in blocks if block is not None]
    if course.opens_at is not None:
        times.append(course.opens_at)
    return min(times, default=None)


def _hint(opens_at: float | None) -> str:
    hint = "--retry-until-up keeps trying"
    if opens_at is None:
        return hint
    return f"{hint}; the first refusal expires at {clock_time(opens_at)}, --try-blocked ignores it"
