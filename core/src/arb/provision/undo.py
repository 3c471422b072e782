"""Undo an attempt: end what is known of it; the rest stays an open intent."""

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
    StateError,
)
from arb.provision.adrift import let_go
from arb.provision.giveback import give_back_attempt
from arb.provision.placing import Found, LostAnswer, find_made
from arb.provision.ready import NotUp
from arb.types import ProvisionResult

if TYPE_CHECKING:
    from arb.plugins.provider import Provider
    from arb.provision.placing import InterruptedPurchase
    from arb.provision.shop import Shop
    from arb.state.store import Transaction
    from arb.types import Instance, ProvisionRequest

__all__ = ["Undoing", "goes_on"]

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


class Undoing:
    """The ways to take one attempt back.

    Where the journal refuses, because another process took over or the database is gone, what is
    known to exist is ended without it.

    Args:
        shop: The means.
        provider: Where.
        request: The attempt.
    """

    def __init__(self, shop: Shop, provider: Provider, request: ProvisionRequest) -> None:
        self._shop = shop
        self._provider = provider
        self._request = request

    def refused(self, error: BaseException) -> None:
        """Take back an order that the provider answered with an error of its own."""
        made = tuple(getattr(error, "made", ()))
        self._undo(Found(made), error, ProvisionResult(made))

    def lost(self, found: Found, error: LostAnswer) -> None:
        """Take back an order whose answer was lost and of which not all was found."""
        certain = found.trusted and not self._provider.info.listing_lag_s
        result = ProvisionResult(found.instances, account=found.account)
        self._undo(found, error, result, certain=certain)

    def placed(self, result: ProvisionResult, error: BaseException) -> None:
        """Take an order back that was taken. Machines that it did not name yet are looked for."""
        made = (*result.instances, *getattr(error, "made", ()))
        try:
            told_by_provider = isinstance(error, Refusal) and not isinstance(error, NotUp)
            if told_by_provider or self._shop.journal.knows_all(self._request):
                self._undo(Found(made), error, result)
            else:
                self._look_and_undo(result, made, error)
        except StateError:
            let_go(self._shop, self._provider, self._request, result, made)

    def interrupted(self, interrupted: InterruptedPurchase) -> None:
        """Take back what an order came to during which Ctrl-C was pressed."""
        result, error = interrupted.result, interrupted.error
        if isinstance(error, LostAnswer):
            self.placed(ProvisionResult(()), interrupted)
        elif result is None:
            made = tuple(getattr(error, "made", ()))
            self._undo(Found(made), interrupted, ProvisionResult(made))
        elif self._write_placed(result):
            self.placed(result, interrupted)

    def _write_placed(self, result: ProvisionResult) -> bool:
        try:
            self._shop.journal.placed(
                self._request, result.instances, result.handle, result.account
            )
        except StateError:
            let_go(self._shop, self._provider, self._request, result)
            return False
        return True

    def _look_and_undo(
        self, result: ProvisionResult, made: tuple[Instance, ...], error: BaseException
    ) -> None:
        shop, request = self._shop, self._request
        shop.journal.unknown(request, _as_error(error))
        shop.progress.step("   looking for what the order may have made")
        found = find_made(self._provider, request, clock=shop.clock, account=result.account)
        made = (*made, *found.instances)
        whole = len({instance.id for instance in made}) >= request.count
        certain = whole or (found.trusted and not self._provider.info.listing_lag_s)
        self._undo(replace(found, instances=made), error, result, certain=certain)

    def _undo(
        self,
        found: Found,
        error: BaseException,
        result: ProvisionResult,
        *,
        certain: bool = True,
    ) -> None:
        """Record the failure, then give back what exists. The intent outlives both.

        Args:
            found: What is known to exist.
            error: Why.
            result: What the provider answered.
            certain: False keeps the intent open, because more may appear.
        """
        shop, request = self._shop, self._request

        def also(tx: Transaction) -> None:
            if isinstance(error, ArbError) and goes_on(error):
                shop.blocklist.remember(
                    tx, request.offer, error, nodes=request.count, cluster=request.cluster
                )

        try:
            shop.journal.failed(
                request,
                _as_error(error),
                found.instances,
                certain=certain,
                account=found.account,
                along=also,
            )
            give_back_attempt(shop, request.token)
        except StateError:
            let_go(shop, self._provider, request, result, found.instances)


def _as_error(error: BaseException) -> ArbError:
    if isinstance(error, ArbError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return ArbError("interrupted by the user", code="interrupted")
    return ArbError(f"{type(error).__name__}: {error}", code="internal")
