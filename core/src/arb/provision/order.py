"""What is to be bought, and what was."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from arb.provision.agreement import Agreement
from arb.types import Capability, InstanceState, ProvisionRequest
from arb.types.tokens import machine_token, parse_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from arb.optimizer.standing import Standing
    from arb.types import Instance, NodeSetup, Offer, ProviderInfo, SshEndpoint

__all__ = ["Extras", "Node", "Order", "Purchase", "build_request", "in_rank_order", "one_each"]
__all__ += ["request_tokens", "setup_tokens"]


@dataclass(frozen=True, slots=True)
class Extras:
    """What a request asks for beside its offer: the fields of ``ProvisionRequest``."""

    ports: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    disk_gib: float = 0
    image: str = ""


def _nothing_more(offer: Offer) -> Extras:  # noqa: ARG001 - for every offer
    return Extras()


@dataclass(frozen=True, slots=True)
class Order:
    """A wish for ``count`` equal machines for one cluster, and the offers to try in order.

    ``authorized_key`` is the public line of the owner's client key. ``extras`` says what the
    alternative of the task that an offer came from asks for besides. ``standing`` is the ranking's:
    it says where an offer stands at a new price; without it the price alone does. ``nearby`` tells,
    should nothing be had, in which other counts the same is sold.
    """

    cluster: str
    cluster_id: str
    offers: Sequence[Offer]
    count: int
    authorized_key: str
    extras: Callable[[Offer], Extras] = _nothing_more
    bringup_timeout_s: float = 1800
    standing: Callable[[Offer], Standing] | None = None
    agreement: Agreement = field(default_factory=Agreement)
    nearby: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """One bought machine with its SSH server.

    ``host_key`` is the public key that it must show; empty when nothing is known of it.
    """

    rank: int
    instance: Instance
    endpoint: SshEndpoint
    host_key: str


@dataclass(frozen=True, slots=True)
class Purchase:
    """Machines that the provider calls running, in rank order."""

    attempt: str
    offer: Offer
    nodes: tuple[Node, ...]


def build_request(
    order: Order, offer: Offer, token: str, setups: tuple[NodeSetup, ...]
) -> ProvisionRequest:
    """Return the request of one attempt."""
    extras = order.extras(offer)
    return ProvisionRequest(
        cluster=order.cluster,
        token=token,
        offer=offer,
        count=order.count,
        setups=setups,
        ports=extras.ports,
        labels=extras.labels,
        disk_gib=extras.disk_gib,
        image=extras.image,
        bringup_timeout_s=order.bringup_timeout_s,
    )


def setup_tokens(info: ProviderInfo, token: str, count: int) -> list[tuple[str, int | None]]:
    """Return token and rank of each setup: one for all machines of a batch call."""
    if Capability.BATCH in info.capabilities:
        return [(token, None)]
    return [(machine_token(token, rank), rank) for rank in range(count)]


def request_tokens(request: ProvisionRequest) -> frozenset[str]:
    """Return the tokens that machines of this request carry."""
    return frozenset(setup.token for setup in request.setups)


def one_each(
    request: ProvisionRequest, instances: Iterable[Instance]
) -> tuple[list[Instance], list[Instance]]:
    """Part machines of a request into those that count and those that are too many.

    Two machines under one token are one, the older; in a batch, where all share a token, so many
    as were ordered count, the oldest. A machine that is gone counts when there is no other. One
    without a token of the request was named by the provider itself, and counts.

    Returns:
        Those that count, in rank order, and the rest.
    """
    kept: list[Instance] = []
    rest: list[Instance] = []
    room = dict.fromkeys(request_tokens(request), 1)
    if len(request.setups) == 1:
        room = dict.fromkeys(room, request.count)
    for instance in sorted(instances, key=_seniority):
        left = room.get(instance.token)
        (rest if left == 0 else kept).append(instance)
        if left:
            room[instance.token] = left - 1
    return in_rank_order(kept), rest


def in_rank_order(instances: Iterable[Instance]) -> list[Instance]:
    """Sort by the rank in the token; machines of a batch by id, which is stable."""
    return sorted(instances, key=lambda i: (_rank(i.token), i.made_at, i.id))


def _seniority(instance: Instance) -> tuple[object, ...]:
    return (instance.state is InstanceState.GONE, instance.made_at, instance.id)


def _rank(token: str) -> int:
    parsed = parse_token(token)
    return parsed.rank if parsed and parsed.rank is not None else -1
