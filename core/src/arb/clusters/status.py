"""What there is, from state only: asks no provider and imports nothing heavy."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arb.state.clusters import ClusterStatus, list_clusters
from arb.state.costs import read_costs
from arb.state.machines import machines_of_cluster

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arb.clusters.session import Session
    from arb.state.clusters import ClusterRecord
    from arb.state.machines import Machine
    from arb.state.store import Store

__all__ = ["ClusterView", "missing_providers", "views"]


@dataclass(frozen=True, slots=True)
class ClusterView:
    """One live cluster with its machines and its bill so far."""

    record: ClusterRecord
    machines: tuple[Machine, ...]
    cost_usd: float

    @property
    def status(self) -> ClusterStatus:
        """Its status; one that is up is stopped when a node of it has no power, as far as is known."""
        is_up = self.record.status is ClusterStatus.UP
        is_stopped = is_up and any(machine.is_stopped for machine in self.machines)
        return ClusterStatus.STOPPED if is_stopped else self.record.status

    @property
    def running(self) -> tuple[Machine, ...]:
        """The machines that are not stopped."""
        return tuple(machine for machine in self.machines if not machine.is_stopped)

    @property
    def usd_hour(self) -> float:
        """What its machines cost an hour, all together; a stopped one costs nothing by the hour."""
        return sum(machine.price_usd_hour for machine in self.running)

    @property
    def offer(self) -> dict[str, Any]:
        """The offer that was bought; empty before."""
        return dict(json.loads(self.record.offer_json)) if self.record.offer_json else {}

    def to_dict(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        record = self.record
        return {
            "name": record.name,
            "status": self.status.value,
            "provider": record.provider,
            "region": record.region,
            "num_nodes": record.num_nodes,
            "usd_hour": self.usd_hour,
            "cost_usd": round(self.cost_usd, 6),
            "created_at": record.created_at,
            "ready_at": record.ready_at,
            "detail": record.detail,
            "offer": self.offer,
            "nodes": [_node(machine) for machine in self.machines],
        }


def views(store: Store, *, name: str = "") -> list[ClusterView]:
    """Return live clusters by name, each with the cost of its present life."""
    return [
        ClusterView(record, tuple(machines_of_cluster(store, record.id)), _cost(store, record))
        for record in list_clusters(store, name=name)
    ]


def missing_providers(session: Session, machines: Iterable[Machine]) -> dict[str, str]:
    """Return the providers of machines that are not installed any more, and what to install.

    Loads no plugin: what is installed is read from the kept table.
    """
    used = {machine.provider for machine in machines}
    if not used:
        return {}
    from arb.plugins.table import PluginTable
    from arb.provision.shop import seller_of

    table = PluginTable.load(session.home.folder("cache"))
    missing = used - set(table.names("arb.providers"))
    return {name: seller_of(session.store, name) for name in sorted(missing)}


def _cost(store: Store, record: ClusterRecord) -> float:
    rows = read_costs(store, cluster=record.name)
    return sum(row.usd for row in rows if row.cluster_id == record.id)


def _node(machine: Machine) -> dict[str, Any]:
    return {
        "rank": machine.rank,
        "instance_id": machine.instance_id,
        "state": machine.state.value,
        "detail": machine.terminate_detail or machine.detail,
        "address": machine.address,
        "ssh": f"{machine.ssh_user}@{machine.ssh_host}:{machine.ssh_port}",
        "price_usd_hour": machine.price_usd_hour,
        "made_at": machine.made_at,
    }
