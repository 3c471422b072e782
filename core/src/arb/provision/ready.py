"""Wait from "ordered" to "running with an address", and show the provider's own words."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from arb.errors import CapacityError, ProviderUnavailable, RateLimited, Scope
from arb.provision.giveback import terminate_due
from arb.provision.order import Node, in_rank_order, one_each, request_tokens
from arb.provision.waiting import pause
from arb.state.machines import ending_machines
from arb.types import GoneReason, InstanceState, ListQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from arb.plugins.provider import Provider
    from arb.provision.shop import Shop
    from arb.types import Instance, ProvisionRequest, ProvisionResult

    T = TypeVar("T")

__all__ = ["NotUp", "look", "wait_reachable"]

_FIRST_WAIT_S = 0.05
_LAST_WAIT_S = 5.0
_ENDING = frozenset({InstanceState.GONE, InstanceState.TERMINATING, InstanceState.STOPPED})


class NotUp(CapacityError):
    """Our own verdict: machines did not come up. ``made`` is what was seen, perhaps not all."""


def wait_reachable(
    shop: Shop,
    provider: Provider,
    cluster_id: str,
    request: ProvisionRequest,
    result: ProvisionResult,
) -> tuple[Node, ...]:
    """Wait until every machine runs and says where its SSH server is.

    Machines are recorded as they show up. Of two under one token the older counts, and the other
    is given back.

    Raises:
        ClusterEnding: Another command ends the cluster.
        LeaseLost: Another command took over.
        Refusal: The order failed late; ``made`` holds what exists.
        NotUp: A machine ended while it came up, or the provider's readiness time-out is over.
        ProviderUnavailable: The provider hung, and is not entered again.
    """
    return _Wait(shop, provider, cluster_id, request, result).until_reachable()


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


class _Wait:
    """The wait for one attempt's machines, within the provider's readiness time-out."""

    def __init__(
        self,
        shop: Shop,
        provider: Provider,
        cluster_id: str,
        request: ProvisionRequest,
        result: ProvisionResult,
    ) -> None:
        self._shop = shop
        self._provider = provider
        self._cluster_id = cluster_id
        self._request = request
        self._handle = result.handle
        self._known = {instance.id for instance in result.instances}
        self._surplus: set[str] = set()
        self._seen: list[Instance] = list(result.instances)
        self._limit = shop.clock.monotonic() + provider.info.readiness_timeout_s
        self._wait = _FIRST_WAIT_S

    def until_reachable(self) -> tuple[Node, ...]:
        instances = self._repeat(self._look)
        return tuple(self._node(rank, instance) for rank, instance in enumerate(instances))

    def _node(self, rank: int, instance: Instance) -> Node:
        setups = self._request.setups
        setup = setups[rank if len(setups) > 1 else 0]
        endpoint = self._repeat(lambda: self._provider.ssh_ports(instance))
        host_key = setup.host_key.public if setup.host_key else endpoint.host_key
        return Node(rank, instance, endpoint, host_key)

    def _repeat(self, step: Callable[[], T | None]) -> T:
        """Take a step until it returns something; an answer that says nothing is no reason to end."""
        while True:
            self._check()
            try:
                done = step()
            except (ProviderUnavailable, RateLimited) as error:
                if self._provider.hung_in:
                    raise
                self._told(f"waiting for {self._provider.name}: {error.summary}")
                self._wait = max(self._wait, getattr(error, "retry_after_s", 0))
            else:
                if done is not None:
                    return done
            self._rest()

    def _look(self) -> list[Instance] | None:
        """Return the machines once all are up."""
        found = look(self._provider, self._request, self._handle)
        self._seen, extra = one_each(self._request, found)
        self._record(extra)
        _refuse_ending(self._provider, self._seen)
        if len(self._seen) == self._request.count and all(map(_is_up, self._seen)):
            return self._seen
        up = sum(map(_is_up, self._seen))
        where = f"{up} of {self._request.count} up at {self._provider.name}"
        self._told(f"{where} ({_states(self._seen)})")
        return None

    def _record(self, extra: Sequence[Instance]) -> None:
        journal = self._shop.journal
        if new := [i for i in self._seen if i.id not in self._known]:
            journal.noticed(self._request, new)
            self._known |= {instance.id for instance in new}
        if more := [i for i in extra if _may_cost(i) and i.id not in self._surplus]:
            journal.surplus(self._request.token, more)
            terminate_due(self._shop, ending_machines(journal.store, cluster_id=self._cluster_id))
            self._surplus |= {instance.id for instance in more}

    def _rest(self) -> None:
        clock = self._shop.clock
        self._wait = max(self._wait, self._provider.info.poll_interval_s)
        if clock.monotonic() + self._wait > self._limit:
            raise _too_slow(self._provider, self._seen)
        pause(clock, self._wait, self._check)
        self._wait = min(_LAST_WAIT_S, self._wait * 1.5)

    def _check(self) -> None:
        self._shop.journal.check_wanted(self._cluster_id)

    def _told(self, text: str) -> None:
        self._shop.progress.state(text)


def _is_up(instance: Instance) -> bool:
    return instance.state is InstanceState.RUNNING and bool(instance.address)


def _may_cost(instance: Instance) -> bool:
    return instance.state is not InstanceState.GONE


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


def _states(seen: Sequence[Instance]) -> str:
    return ", ".join(sorted({i.detail or i.state.value for i in seen})) or "nothing listed yet"
