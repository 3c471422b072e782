"""Taking an attempt back: what is known of it goes, what is not known of it stays an open intent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from arb.errors import (
    ArbError,
    CredentialsError,
    NodeError,
    PluginError,
    ProviderUnavailable,
    RateLimited,
    Refusal,
)
from arb.provision.giveback import give_back_attempt
from arb.provision.journal import own
from arb.provision.placing import Found, LostAnswer, find_made
from arb.provision.ready import NotUp
from arb.types import ProvisionResult

if TYPE_CHECKING:
    from arb.plugins.provider import Provider
    from arb.provision.placing import InterruptedPurchase
    from arb.provision.shop import Shop
    from arb.state.store import Transaction
    from arb.types import ProvisionRequest

__all__ = ["goes_on", "undo", "undo_interrupted", "undo_placed"]

_NEXT_OFFER: Final = (
    Refusal,
    CredentialsError,
    LostAnswer,
    NodeError,
    PluginError,
    ProviderUnavailable,
    RateLimited,
)


def goes_on(error: BaseException) -> bool:
    """Say whether an error ends an attempt only, and not the walk.

    A policy's refusal ends it, and so does a policy that could not decide: nothing is bought past it.
    """
    undecided = isinstance(error, PluginError) and error.never_sent
    return isinstance(error, _NEXT_OFFER) and not undecided


def undo(
    shop: Shop,
    request: ProvisionRequest,
    found: Found,
    error: BaseException,
    *,
    certain: bool = True,
) -> None:
    """Record the failure, then give back what exists. The intent outlives both.

    Args:
        shop: The means.
        request: Which attempt.
        found: What is known to exist of it.
        error: Why.
        certain: False keeps the intent open, because more may appear.
    """

    def also(tx: Transaction) -> None:
        own(tx, request.token, found.account)
        if isinstance(error, ArbError) and goes_on(error):
            shop.blocklist.remember(tx, request.offer, error)

    shop.journal.failed(request, _as_error(error), found.instances, certain=certain, along=also)
    give_back_attempt(shop, request.token)


def undo_placed(
    shop: Shop,
    provider: Provider,
    request: ProvisionRequest,
    result: ProvisionResult,
    error: BaseException,
) -> None:
    """Take an order back that was taken. Machines that it did not name yet are looked for."""
    made = (*result.instances, *getattr(error, "made", ()))
    told_by_provider = isinstance(error, Refusal) and not isinstance(error, NotUp)
    if told_by_provider or shop.journal.knows_all(request):
        undo(shop, request, Found(made), error)
        return
    shop.journal.unknown(request, _as_error(error))
    shop.progress.step("   looking for what the order may have made")
    found = find_made(provider, request, clock=shop.clock, account=result.account)
    made = (*made, *found.instances)
    whole = len({instance.id for instance in made}) >= request.count
    certain = whole or (found.trusted and not provider.info.listing_lag_s)
    undo(shop, request, replace(found, instances=made), error, certain=certain)


def undo_interrupted(
    shop: Shop, provider: Provider, request: ProvisionRequest, interrupted: InterruptedPurchase
) -> None:
    """Take back what an order came to during which Ctrl-C was pressed."""
    result, error = interrupted.result, interrupted.error
    if result is not None:
        shop.journal.placed(request, result.instances, result.handle, result.account)
        undo_placed(shop, provider, request, result, interrupted)
    elif isinstance(error, LostAnswer):
        undo_placed(shop, provider, request, ProvisionResult(()), interrupted)
    else:
        undo(shop, request, Found(getattr(error, "made", ())), interrupted)


def _as_error(error: BaseException) -> ArbError:
    if isinstance(error, ArbError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return ArbError("interrupted by the user", code="interrupted")
    return ArbError(f"{type(error).__name__}: {error}", code="internal")
