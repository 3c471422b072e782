"""The call that spends money, and what to do when its answer is lost."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from arb.errors import ArbError, CredentialsError, RateLimited, Refusal, Scope
from arb.provision.order import request_tokens
from arb.provision.ready import in_rank_order
from arb.types import InstanceState, ListQuery, ProvisionResult

if TYPE_CHECKING:
    from arb.plugins.provider import Provider
    from arb.progress import Progress
    from arb.types import Clock, Instance, ProvisionRequest

__all__ = ["InterruptedPurchase", "LostAnswer", "find_made", "place"]

_RATE_LIMIT_PATIENCE_S = 300
_LOOKS_S = (0, 5, 15, 30)


class LostAnswer(ArbError):
    """The call ended without the provider's own answer: machines may exist."""


class InterruptedPurchase(KeyboardInterrupt):
    """Ctrl-C came while an order was under way, which then succeeded: ``made`` must go back."""

    def __init__(self, made: tuple[Instance, ...]) -> None:
        super().__init__()
        self.made = made


def place(
    provider: Provider, request: ProvisionRequest, *, clock: Clock, progress: Progress
) -> ProvisionResult:
    """Call ``arb_provision`` once, or again while the provider says "too many requests".

    Raises:
        Refusal, CredentialsError: The provider said no.
        LostAnswer: Anything else.
        InterruptedPurchase: Ctrl-C. It comes only after the call under way has ended, so that what
            it made is known.
    """
    limit = clock.monotonic() + _RATE_LIMIT_PATIENCE_S
    while True:
        try:
            return _call(provider, request, progress)
        except RateLimited as error:
            if clock.monotonic() + error.retry_after_s > limit:
                raise _as_refusal(error) from error
            progress.state(f"{provider.name} asks to wait {error.retry_after_s:.0f} s")
            clock.sleep(error.retry_after_s)


def find_made(
    provider: Provider, request: ProvisionRequest, *, clock: Clock
) -> tuple[list[Instance], bool]:
    """List a lost order's machines at 0, 5, 15, 30 s, up to the provider's listing lag.

    Returns:
        Machines that are not gone, and whether the last listing can be trusted.
    """
    begun = clock.monotonic()
    lag = provider.info.listing_lag_s
    trusted = False
    found: list[Instance] = []
    for at in (*(s for s in _LOOKS_S if s < lag), lag):
        clock.sleep(max(0.0, begun + at - clock.monotonic()))
        found, trusted = list_made(provider, request)
        if len(found) >= request.count:
            break
    return found, trusted


def list_made(provider: Provider, request: ProvisionRequest) -> tuple[list[Instance], bool]:
    """List a request's machines once; False when the listing failed or was cut short."""
    query = ListQuery(tokens=request_tokens(request), regions=frozenset({request.offer.region}))
    try:
        listing = provider.list_instances(query)
    except ArbError:
        return [], False
    alive = [i for i in listing.instances if i.state is not InstanceState.GONE]
    return in_rank_order(alive), listing.covers(request.offer.region, listing.account)


def _call(provider: Provider, request: ProvisionRequest, progress: Progress) -> ProvisionResult:
    """Run the hook in a thread of its own, so that Ctrl-C cannot cut its answer off."""
    outcome: list[ProvisionResult | BaseException] = []
    done = threading.Event()

    def work() -> None:
        try:
            outcome.append(provider.provision(request))
        except BaseException as error:  # noqa: BLE001 - handed to the waiting thread below
            outcome.append(error)
        done.set()

    threading.Thread(target=work, name=f"provision-{request.token}", daemon=True).start()
    interrupted = _await(done, progress)
    result = outcome[0]
    if interrupted and isinstance(result, ProvisionResult):
        raise InterruptedPurchase(result.instances)
    if isinstance(result, ProvisionResult):
        return result
    if isinstance(result, Refusal | CredentialsError | RateLimited):
        raise result
    raise LostAnswer(str(result), code="lost-answer") from result


def _await(done: threading.Event, progress: Progress) -> bool:
    """Wait for the call, which has a deadline; say whether Ctrl-C was pressed meanwhile."""
    try:
        done.wait()
    except KeyboardInterrupt:
        progress.warn("interrupted: waiting for the order's answer, to give back what it made")
        done.wait()
        return True
    return False


def _as_refusal(error: RateLimited) -> Refusal:
    return Refusal(
        error.summary, scope=Scope.PROVIDER, code=error.code, block_s=error.retry_after_s
    )
