"""The error when no offer could be bought: what became of each, and what the user can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.errors import ArbError, CredentialsError, NoOfferError
from arb.provision.telling import brief_of, clock_time, offer_name

if TYPE_CHECKING:
    from arb.provision.course import Course
    from arb.provision.order import Order
    from arb.provision.shop import Shop

__all__ = ["Exhausted", "exhausted"]

_MOST_REASONS: Final = 4
_MOST_HINTS: Final = 2


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


def exhausted(shop: Shop, order: Order, course: Course) -> ArbError:
    """Return the error that says what became of all offers.

    It is about credentials only when nothing else kept any offer out.

    Args:
        shop: The means.
        order: What was wanted.
        course: What was tried and left out.
    """
    opens_at = _opens_at(shop, order, course)
    summary, hint = _summary(course), _hint(order, course, opens_at)
    if _is_about_credentials(course):
        return CredentialsError(summary, code="no-offer", hint=hint)
    code = "no-offer" if course.failures or course.dropped else "all-blocked"
    error = Exhausted(summary, code=code, hint=hint)
    error.opens_at, error.all_blocked = opens_at, not course.dropped
    return error


def _summary(course: Course) -> str:
    told = {(failed.offer.provider, failed.error.summary) for failed in course.failures}
    along = sum(skip.offers for key, skip in course.skips.items() if key in told)
    earlier = sum(skip.offers for key, skip in course.skips.items() if key not in told)
    counts = (
        (len(course.failures), "tried"),
        (along, "refused along with them"),
        (earlier, "kept out by earlier refusals"),
        (course.dropped, "not available"),
    )
    numbers = ", ".join(f"{count} {what}" for count, what in counts if count)
    if not numbers:
        return "nothing is on offer now"
    return f"no offer could be bought, {numbers}; last: {'; '.join(_reasons(course))}"


def _reasons(course: Course) -> list[str]:
    """Return the last reason of each provider, the latest at the end: of each its own try first."""
    reasons: dict[str, str] = {}
    for failed in course.failures:
        reasons.pop(failed.offer.provider, None)
        name = offer_name(brief_of(failed.offer))
        reasons[failed.offer.provider] = f"{name}: {failed.error.summary}"
    rest = {
        provider: f"{_of(provider, reason)} (until {clock_time(skip.until)})"
        for (provider, reason), skip in course.skips.items()
    }
    rest |= {provider: _of(provider, reason) for provider, reason in course.drops.items()}
    lines = [*(line for name, line in rest.items() if name not in reasons), *reasons.values()]
    if len(lines) <= _MOST_REASONS:
        return lines
    return [f"{len(lines) - _MOST_REASONS + 1} more providers", *lines[1 - _MOST_REASONS :]]


def _of(provider: str, reason: str) -> str:
    return reason if reason.startswith(provider) else f"{provider}: {reason}"


def _is_about_credentials(course: Course) -> bool:
    """Say whether nothing but credentials kept offers out."""
    errors = [failed.error for failed in course.failures]
    if course.dropped or not errors:
        return False
    told = {(failed.offer.provider, failed.error.summary) for failed in course.failures}
    return all(isinstance(e, CredentialsError) for e in errors) and set(course.skips) <= told


def _opens_at(shop: Shop, order: Order, course: Course) -> float | None:
    blocks = (shop.blocklist.covering(failed.offer, order.count) for failed in course.failures)
    times = [block.until for block in blocks if block is not None]
    times += [skip.until for skip in course.skips.values()]
    return min(times, default=None)


def _hint(order: Order, course: Course, opens_at: float | None) -> str:
    """Return what to do: what providers advise, what else is sold, and to wait."""
    last = {failed.offer.provider: failed.error.hint for failed in course.failures}
    hints = [hint for hint in dict.fromkeys(last.values()) if hint][-_MOST_HINTS:]
    if order.nearby:
        hints.append(order.nearby)
    if not _is_about_credentials(course):
        hints.append(_waiting(opens_at))
    return "; ".join(hints)


def _waiting(opens_at: float | None) -> str:
    hint = "--retry-until-up keeps trying"
    if opens_at is None:
        return hint
    return f"{hint}; the first refusal expires at {clock_time(opens_at)}, --try-blocked ignores it"
