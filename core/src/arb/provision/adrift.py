"""End the machines of a process that may not write any more, or that cannot.

A process that was suspended until another one took over its cluster has lost its lease: what it
bought meanwhile belongs to nobody. A process whose database is gone or whose disk is full cannot
record what it bought. The intent was on disk before, so the next command finds the machines by
their token. But each minute costs money, so this ends all known machines at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.errors import ArbError, StateError
from arb.nodes.fanout import fan_out_all
from arb.provision.giveback import forget_host_keys, give_back_attempt
from arb.state.attempts import get_attempt
from arb.types import Capability, InstanceRef, InstanceState, Termination

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from arb.plugins.provider import Provider
    from arb.provision.shop import Shop
    from arb.types import Instance, ProvisionRequest, ProvisionResult

__all__ = ["let_go"]

_PATIENCE_S = 30.0


def let_go(
    shop: Shop,
    provider: Provider,
    request: ProvisionRequest,
    result: ProvisionResult,
    made: Iterable[Instance] = (),
) -> None:
    """End what an attempt is known to have made, written down where that still works.

    Facts are written without the lease: that a machine exists is true whoever's turn it is.

    Args:
        shop: The means.
        provider: Where.
        request: The attempt.
        result: What the provider answered.
        made: What else is known of it.
    """
    instances = {i.id: i for i in (*result.instances, *made) if i.state is not InstanceState.GONE}
    free = shop.under(None)
    shop.progress.state("")
    try:
        free.journal.appeared(
            request.token, instances.values(), result.account, handle=result.handle
        )
        give_back_attempt(free, request.token, patience_s=_PATIENCE_S)
        attempt = get_attempt(free.journal.store, request.token)
        if attempt is None or not attempt.is_open:
            forget_host_keys(free, request.token)
    except StateError as error:
        refs = [_ref(request, result, instance) for instance in instances.values()]
        _end_unwritten(free, provider, refs, error)


def _end_unwritten(
    shop: Shop, provider: Provider, refs: Sequence[InstanceRef], cause: StateError
) -> None:
    # One that lives on costs nothing, and must be cleared first: that is written down, or not done.
    lives_on = provider.can(Capability.LIVES_ON)
    pending = Termination(gone=False, detail="something of ours may run there")
    outcomes = fan_out_all((lambda _: pending) if lives_on else provider.terminate, refs)
    for ref, outcome in zip(refs, outcomes, strict=True):
        answer = outcome.result or Termination.PENDING
        if outcome.error is not None and not isinstance(outcome.error, ArbError):
            raise outcome.error
        if not answer.gone:
            why = str(outcome.error or answer.detail or "not confirmed yet")
            shop.progress.warn(
                f"{ref.provider}/{ref.id} was bought and may still be billed ({why}), and that "
                f"could not be written down ({cause.summary}): arb reap ends it"
            )


def _ref(request: ProvisionRequest, result: ProvisionResult, instance: Instance) -> InstanceRef:
    return InstanceRef(
        provider=instance.provider,
        id=instance.id,
        region=instance.region,
        token=instance.token or request.token,
        zone=instance.zone,
        made_at=instance.made_at,
        handle=result.handle or instance.payload,
        account=result.account,
    )
