"""From "ordered" to "running with an address", with the provider's own words shown meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.errors import CapacityError, ProviderUnavailable, RateLimited, Scope
from arb.provision.order import request_tokens
from arb.types import GoneReason, InstanceState, ListQuery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.plugins.provider import Provider
    from arb.provision.shop import Shop
    from arb.types import Instance, ProvisionRequest, ProvisionResult

__all__ = ["NotUp", "in_rank_order", "look", "wait_running"]

_FIRST_WAIT_S = 0.05
_LAST_WAIT_S = 5.0
_ENDING = frozenset({InstanceState.GONE, InstanceState.TERMINATING, InstanceState.STOPPED})


class NotUp(CapacityError):
    """Our own verdict: machines did not come up. ``made`` is what was seen, perhaps not all."""


def wait_running(
    shop: Shop,
    provider: Provider,
    cluster_id: str,
    request: ProvisionRequest,
    result: ProvisionResult,
) -> list[Instance]:
    """Wait until every machine runs and has an address. Machines are recorded as they show up.

    Raises:
        ClusterEnding: Another command ends the cluster.
        Refusal: The order failed late; ``made`` holds what exists.
        NotUp: A machine ended while it came up, or the provider's readiness time-out is over.
        ProviderUnavailable: The provider hung, and is not entered again.
    """
    clock, progress = shop.clock, shop.progress
    limit = clock.monotonic() + provider.info.readiness_timeout_s
    wait = _FIRST_WAIT_S
    seen: list[Instance] = []
    known = {instance.id for instance in result.instances}
    while True:
        shop.journal.check_wanted(cluster_id)
        try:
            seen = look(provider, request, result.handle)
        except (ProviderUnavailable, RateLimited) as error:
            if provider.hung_in:
                raise
            progress.state(f"waiting for {provider.name}: {error.summary}")
            wait = max(wait, getattr(error, "retry_after_s", 0))
        else:
            if new := [instance for instance in seen if instance.id not in known]:
                shop.journal.noticed(request, new)
                known |= {instance.id for instance in new}
            _refuse_ending(provider, seen)
            if len(seen) == request.count and all(map(_is_up, seen)):
                return seen
            progress.state(_told(provider, seen, request.count))
        wait = max(wait, provider.info.poll_interval_s)
        if clock.monotonic() + wait > limit:
            raise _too_slow(provider, seen)
        clock.sleep(wait)
        wait = min(_LAST_WAIT_S, wait * 1.5)


def look(provider: Provider, request: ProvisionRequest, handle: str) -> list[Instance]:
    """Return the machines of an attempt as they are now, in rank order."""
    if provider.has("arb_poll"):
        return in_rank_order(provider.poll(request, handle))
    region = request.offer.region
    query = ListQuery(tokens=request_tokens(request), regions=frozenset({region}))
    listing = provider.list_instances(query)
    if not listing.covers(region, listing.account) and len(listing.instances) < request.count:
        reason = listing.errors.get(region, "its listing is not complete")
        raise ProviderUnavailable(f"{provider.name} {region}: {reason}", code="listing")
    return in_rank_order(listing.instances)


def in_rank_order(instances: Sequence[Instance]) -> list[Instance]:
    """Sort by the rank in the token; machines of a batch by id, which is stable."""
    return sorted(instances, key=lambda i: (_rank(i.token), i.made_at, i.id))


def _rank(token: str) -> int:
    from arb.state.tokens import parse_token

    parsed = parse_token(token)
    return parsed.rank if parsed and parsed.rank is not None else -1


def _is_up(instance: Instance) -> bool:
    return instance.state is InstanceState.RUNNING and bool(instance.address)


def _refuse_ending(provider: Provider, seen: Sequence[Instance]) -> None:
    ended = next((i for i in seen if i.state in _ENDING), None)
    if ended is None:
        return
    why = ended.detail or ended.reason.value or ended.state.value
    made = [i for i in seen if i.state is not InstanceState.GONE]
    scope = Scope.ZONE if ended.reason is GoneReason.PREEMPTED else Scope.OFFER
    summary = f"{provider.name}: {ended.id} ended while it came up ({why})"
    raise NotUp(summary, scope=scope, made=made, code="ended-early")


def _too_slow(provider: Provider, seen: Sequence[Instance]) -> NotUp:
    minutes = provider.info.readiness_timeout_s / 60
    summary = f"{provider.name}: not up after {minutes:g} min ({_states(seen)})"
    return NotUp(summary, scope=Scope.OFFER, made=seen, code="not-ready")


def _told(provider: Provider, seen: Sequence[Instance], count: int) -> str:
    up = sum(map(_is_up, seen))
    return f"{up} of {count} up at {provider.name} ({_states(seen)})"


def _states(seen: Sequence[Instance]) -> str:
    return ", ".join(sorted({i.detail or i.state.value for i in seen})) or "nothing listed yet"
