"""What is to be bought, and what was."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from arb.state.tokens import machine_token
from arb.types import Capability, ProvisionRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from arb.types import Instance, NodeSetup, Offer, ProviderInfo, SshEndpoint

__all__ = ["Extras", "Node", "Order", "Purchase", "build_request", "request_tokens"]
__all__ += ["setup_tokens"]


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
    alternative of the task that an offer came from asks for besides.
    """

    cluster: str
    cluster_id: str
    offers: Sequence[Offer]
    count: int
    authorized_key: str
    extras: Callable[[Offer], Extras] = _nothing_more
    bringup_timeout_s: float = 1800


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
