"""What a listing says about known machines. Only the provider's answer makes one gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.types import GoneReason, Instance, InstanceState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arb.provision.journal import Journal
    from arb.state.machines import Machine
    from arb.types import Listing

__all__ = ["settle"]


def settle(
    journal: Journal,
    machines: Iterable[Machine],
    listing: Listing,
    *,
    listed_at: float,
    lag_s: float,
) -> list[Machine]:
    """Record what changed of machines that state calls alive; return those that are gone.

    A machine that is missing from a complete listing of its own account is gone once it is older
    than the provider's listing lag. One that is missing from an incomplete listing is left as it is.

    Args:
        journal: Where.
        machines: Alive, all of the listing's provider, each asked for by the listing's query.
        listing: What the provider said.
        listed_at: When it was asked, seconds since the epoch.
        lag_s: Of the provider.
    """
    found = {instance.id: instance for instance in listing.instances}
    gone = []
    for machine in machines:
        instance = found.get(machine.instance_id)
        if instance is None:
            is_settled = machine.made_at < listed_at - lag_s
            if not (is_settled and listing.covers(machine.region, machine.account)):
                continue
            instance = _vanished(machine)
        if _is_news(machine, instance):
            journal.seen(machine, instance)
        if instance.state is InstanceState.GONE:
            gone.append(machine)
    return gone


def _is_news(machine: Machine, instance: Instance) -> bool:
    """Say whether a sighting is worth a row; what is being ended only counts when it is gone."""
    if instance.reported_usd is not None or instance.state is InstanceState.GONE:
        return True
    return machine.terminate_after is None and instance.state is not machine.state


def _vanished(machine: Machine) -> Instance:
    return Instance(
        provider=machine.provider,
        id=machine.instance_id,
        region=machine.region,
        state=InstanceState.GONE,
        reason=GoneReason.UNKNOWN,
        detail="no longer listed",
    )
