"""Buying, finding and giving back, as the checks do it again and again.

These helpers bring a situation about. They are as patient as the core is and demand as little as
they can: what a promise says is demanded by its check alone.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ArbError, CapacityError, Refusal
from arb.testing.rig import OWNER, ContractRig
from arb.testing.skips import NotProven
from arb.testing.verdict import ContractBroken
from arb.types import (
    Capability,
    ClusterRef,
    HostKey,
    Instance,
    InstanceRef,
    InstanceState,
    ListQuery,
    NodeFile,
    NodeSetup,
    ProvisionRequest,
    ProvisionResult,
)
from arb.types.tokens import attempt_token, machine_token, new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from arb.testing.cloud import MachineRow
    from arb.types import Listing, Offer, ProviderContext, Termination

__all__ = ["Bought", "ContractOrders"]

_READY_S: Final = 1800
_STEP_S: Final = 10
_END_S: Final = 3600
_MOST_CALLS: Final = 200
_FIRST_ATTEMPT: Final = 12_995
"""Written with a letter: who takes an attempt for a number finds no machine of the eleventh."""
NAME: Final = "proof"
"""The user's name of the cluster: it has nothing of the owner's."""
COMMAND: Final = "echo arb-contract-command >/run/arb-contract"
FILE: Final = NodeFile("/etc/arb-contract", "arb-contract-file\n", "0644")


@dataclass(frozen=True, slots=True)
class Bought:
    """An order that went well."""

    request: ProvisionRequest
    result: ProvisionResult

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens of its machines, one for all in a batch."""
        return tuple(setup.token for setup in self.request.setups)

    @property
    def query(self) -> ListQuery:
        """What its machines are listed with."""
        return ListQuery(tokens=frozenset(self.tokens))

    def ref(self, instance: Instance, **changes: Any) -> InstanceRef:
        """Return how state names one of its machines."""
        made = InstanceRef(
            provider=instance.provider,
            id=instance.id,
            region=instance.region,
            token=instance.token,
            zone=instance.zone,
            made_at=instance.made_at,
            handle=self.result.handle or instance.payload,
            account=self.result.account,
        )
        return replace(made, **changes)


class ContractOrders(ContractRig):
    """Orders of the conformance suite."""

    @cached_property
    def offers(self) -> Sequence[Offer]:
        """The catalog, cheapest first."""
        from arb.catalog.rows import offers_from_catalog

        catalog = self.call("arb_catalog", raw=True)
        owned = self.can(Capability.OWNED)
        offers, _ = offers_from_catalog(self.name, catalog, owned=owned)
        return sorted(offers, key=lambda offer: (offer.price_usd_hour, offer.key))

    def offer(
        self,
        *,
        spot: bool = False,
        count: int = 1,
        where: Callable[[Offer], bool] = lambda _: True,
    ) -> Offer:
        """Return the cheapest offer that can be bought; skip the check when there is none.

        Args:
            spot: Capacity class.
            count: Machines that must be there at once.
            where: A further condition.
        """
        for offer in self.offers:
            enough = offer.capacity is None or offer.capacity >= count
            if offer.spot is spot and enough and where(offer) and self.cloud.in_stock(offer):
                return offer
        kind = "spot" if spot else "on-demand"
        raise NotProven(f"no {kind} offer that the check needs is in stock")

    @cached_property
    def cluster_id(self) -> str:
        """The part of every token that no other check has, also on a server that several share."""
        return new_id()

    @cached_property
    def _numbers(self) -> Iterator[int]:
        return itertools.count(_FIRST_ATTEMPT)

    def request(
        self, count: int = 1, *, offer: Offer | None = None, owner: str = OWNER, **changes: Any
    ) -> ProvisionRequest:
        """Return an order that was not made before."""
        offer = offer or self.offer(count=count)
        token = attempt_token(owner, self.cluster_id, next(self._numbers))
        names: list[tuple[str, int | None]] = [
            (machine_token(token, rank), rank) for rank in range(count)
        ]
        if self.can(Capability.BATCH):
            names = [(token, None)]
        setups = tuple(self._setup(name, rank, offer) for name, rank in names)
        request = ProvisionRequest(NAME, token, offer, count, setups)
        return replace(request, **changes)

    def provision(
        self, request: ProvisionRequest, context: ProviderContext | None = None
    ) -> ProvisionResult:
        """Send an order."""
        result: ProvisionResult = self.call("arb_provision", context, request=request)
        return result

    def buy(
        self,
        count: int = 1,
        *,
        offer: Offer | None = None,
        context: ProviderContext | None = None,
        **changes: Any,
    ) -> Bought:
        """Send an order that must go well."""
        request = self.request(count, offer=offer, **changes)
        try:
            return Bought(request, self.provision(request, context))
        except ArbError as error:
            kind = type(error).__name__
            raise ContractBroken(f"an order in stock was refused: {kind}: {error}") from error

    def refusal(self, request: ProvisionRequest) -> ArbError | None:
        """Send an order, and return what refuses it: at once, or in ``arb_poll``."""
        try:
            result = self.provision(request)
            if "arb_poll" in self.hooks:
                self._poll_until_up(request, result.handle)
        except ArbError as error:
            return error
        return None

    def list(self, query: ListQuery, context: ProviderContext | None = None) -> Listing:
        """List machines."""
        listing: Listing = self.call("arb_list_instances", context, query=query)
        return listing

    def found(self, bought: Bought) -> tuple[Instance, ...]:
        """Return the machines of an order in rank order, as soon as a listing shows them all."""
        return self._until(bought, lambda _: True, self.info.listing_lag_s + 60, "listed")

    def running(self, bought: Bought) -> tuple[Instance, ...]:
        """Return the machines of an order in rank order, once they run and have an address."""
        return self._until(bought, _is_up, _READY_S, "running with an address")

    def terminate(self, ref: InstanceRef, context: ProviderContext | None = None) -> Termination:
        """Give a machine back, or begin to."""
        answer: Termination = self.call("arb_terminate", context, instance=ref)
        return answer

    def end(self, ref: InstanceRef) -> Sequence[Termination]:
        """Give a machine back for good and return every answer on the way."""
        answers = [self.terminate(ref)]
        begun = self.cloud.clock.monotonic()
        floors = (offer.minimum_s for offer in self.offers)
        limit = begun + _END_S + max([self.info.minimum_s, *floors])
        while not answers[-1].gone:
            if self.cloud.clock.monotonic() > limit or len(answers) > _MOST_CALLS:
                raise ContractBroken(f"{ref.id} is still not gone: {answers[-1].detail}")
            wait_s = answers[-1].retry_after_s
            self.cloud.advance(wait_s if 0 < wait_s < math.inf else 5)
            answers.append(self.terminate(ref))
        return answers

    def cluster(self, bought: Bought, instances: Sequence[Instance] = ()) -> ClusterRef:
        """Return the cluster of one order as cleanup and ports see it."""
        return ClusterRef(
            name=bought.request.cluster,
            owner=OWNER,
            tokens=(bought.request.token,),
            regions=frozenset({bought.request.offer.region}),
            instances=tuple(bought.ref(instance) for instance in instances),
            handles=(bought.result.handle,),
            account=bought.result.account,
        )

    # -- the backend's own ledger ----------------------------------------------------------

    def rows(self, *tokens: str) -> tuple[MachineRow, ...]:
        """Return what was ever made under some tokens; under any, without one."""
        rows = self.cloud.machines()
        return tuple(row for row in rows if not tokens or row.name in tokens)

    def billed(self, *tokens: str) -> frozenset[str]:
        """Return the ids of machines that are paid for now."""
        now = self.cloud.clock.now()
        rows = self.rows(*tokens)
        return frozenset(str(r.id) for r in rows if r.gone_at is None or r.gone_at > now)

    def things(self) -> dict[str, str]:
        """Return what else is there now, as id -> name."""
        now = self.cloud.clock.now()
        rows = self.cloud.things()
        return {str(r.id): r.name for r in rows if r.gone_at is None or r.gone_at > now}

    def ledger_id(self, machine_id: str) -> Any:
        """Return the id of a machine as the cloud of this suite writes it: it may be a number."""
        own = (row.id for row in self.cloud.machines())
        return next((id_ for id_ in own if str(id_) == machine_id), machine_id)

    # -- how it is done --------------------------------------------------------------------

    def _setup(self, token: str, rank: int | None, offer: Offer) -> NodeSetup:
        client, host = _key("client").public, _key("host")
        if not (self.can(Capability.USER_DATA) and offer.user_data is not False):
            return NodeSetup(token, rank, client)
        files = (NodeFile("/etc/ssh/arb_host_ed25519", host.private), FILE)
        return NodeSetup(token, rank, client, host, files, (COMMAND,))

    def _until(
        self, bought: Bought, good: Callable[[Instance], bool], within_s: float, what: str
    ) -> tuple[Instance, ...]:
        limit = self.cloud.clock.monotonic() + within_s
        for _ in range(_MOST_CALLS):
            found = self._look(bought)
            if len(found) >= bought.request.count and all(map(good, found)):
                return found
            if self.cloud.clock.monotonic() > limit:
                break
            self.cloud.advance(_STEP_S)
        states = [f"{i.id} {i.state}" for i in found] or ["no machine"]
        raise ContractBroken(f"an order is not {what} within {within_s:g} s: {', '.join(states)}")

    def _look(self, bought: Bought) -> tuple[Instance, ...]:
        """Return what a listing shows of an order, without what has ended."""
        listed = self.list(bought.query).instances
        alive = [i for i in listed if i.state is not InstanceState.GONE]
        order = {instance.id: rank for rank, instance in enumerate(bought.result.instances)}
        return tuple(sorted(alive, key=lambda i: (i.token, order.get(i.id, 0), i.id)))

    def _poll_until_up(self, request: ProvisionRequest, handle: str) -> None:
        for _ in range(_READY_S // _STEP_S):
            found = self.call("arb_poll", request=request, handle=handle)
            if found and all(map(_is_up, found)):
                return
            self.cloud.advance(_STEP_S)


def capacity_error(error: ArbError | None) -> CapacityError:
    """Return an error that must be a CapacityError.

    Raises:
        ContractBroken: It is something else.
    """
    if isinstance(error, CapacityError):
        return error
    raise ContractBroken(f"no stock is not a CapacityError: {told(error)}")


def told(error: ArbError | None) -> str:
    """Return an error's class and text for people."""
    if error is None:
        return "no error"
    scope = f" of scope {error.scope}" if isinstance(error, Refusal) else ""
    return f"{type(error).__name__}{scope}: {error}"


def _is_up(instance: Instance) -> bool:
    return instance.state is InstanceState.RUNNING and bool(instance.address)


@cache
def _key(comment: str) -> HostKey:
    """Make a key pair, once a process: keys cost more than most checks."""
    from arb.nodes.keys import generate_key

    pair = generate_key(comment)
    return HostKey(pair.public, pair.private)
