"""Stopping machines and starting them again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from arb.errors import CapacityError, Refusal, RequestError, Scope
from arb.types import GoneReason, Instance, InstanceState, Offer
from arb_gcp.answers import ApiError, faults_of_operation
from arb_gcp.client import Client
from arb_gcp.handles import Handle
from arb_gcp.machines import has_local_disks, instance_of, operation_name
from arb_gcp.refusals import refusal
from arb_gcp.terminate import home_of
from arb_gcp.threads import side_by_side

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arb.types import InstanceRef, ProviderContext

__all__ = ["start", "stop"]

_LOOK_S: Final = 1.0
_PATIENCE_S: Final = 30.0
"""For so long a start may be refused: then the machine shows as stopped again."""
_ASLEEP: Final = frozenset({InstanceState.STOPPED, InstanceState.STOPPING})


def stop(context: ProviderContext, instances: Sequence[InstanceRef]) -> list[Instance]:
    """Stop machines, without waiting until they are.

    Raises:
        RequestError: One has local SSDs, which a stop would empty; all keep running.
        ArbError: As ``Client.post``.
    """
    client = Client.from_context(context)
    machines = [_Machine(client, reference) for reference in instances]
    said = _results(side_by_side(_Machine.look, machines))
    with_disks = next((m for m, s in zip(machines, said, strict=True) if has_local_disks(s)), None)
    if with_disks is not None:
        summary = f"gcp {with_disks.reference.id} has local SSDs and cannot be stopped"
        hint = "end it instead: arb down"
        raise RequestError(summary, scope=Scope.OFFER, code="gcp-local-disks", hint=hint)
    return _results(side_by_side(_Machine.stop, machines))


def start(context: ProviderContext, instances: Sequence[InstanceRef]) -> list[Instance]:
    """Start stopped machines; waits some seconds for Google to say that it has none.

    Raises:
        CapacityError, QuotaError, RequestError: One cannot be started now; others may run.
        ArbError: As ``Client.post``.
    """
    client = Client.from_context(context)
    machines = [_Machine(client, reference) for reference in instances]
    return _results(side_by_side(_Machine.start, machines))


class _Machine:
    """One machine to switch."""

    def __init__(self, client: Client, reference: InstanceRef) -> None:
        self.client, self.reference = client, reference
        self.project, self.zone = home_of(client, reference)
        self.path = f"projects/{self.project}/zones/{self.zone}/instances/{reference.id}"

    def look(self) -> Mapping[str, Any]:
        """Return the machine as it is; empty when it is gone."""
        try:
            said: Mapping[str, Any] = self.client.get(self.path)
        except ApiError as error:
            if error.is_missing:
                return {}
            raise
        return said

    def stop(self) -> Instance:
        """Stop it unless it is off."""
        machine = self._machine()
        if machine.state is not InstanceState.RUNNING:
            return machine
        self.client.post(f"{self.path}/stop")
        return replace(machine, state=InstanceState.STOPPING, detail="STOPPING")

    def start(self) -> Instance:
        """Start it unless it is on, and hear what comes of it."""
        machine = self._machine()
        if machine.state not in _ASLEEP:
            return machine
        try:
            operation = self.client.post(f"{self.path}/start")
            self._await(machine, operation)
        except ApiError as error:
            raise self._refusal(machine, error) from error
        return self._machine()

    def _machine(self) -> Instance:
        said = self.look()
        if said:
            return instance_of(self.client.context.provider, self.project, said, self.zone)
        reference = self.reference
        return Instance(
            provider=self.client.context.provider,
            id=reference.id,
            region=reference.region,
            zone=self.zone,
            state=InstanceState.GONE,
            reason=GoneReason.UNKNOWN,
            token=reference.token,
            payload=Handle(self.project, self.zone).to_json(),
        )

    def _await(self, machine: Instance, operation: Mapping[str, Any]) -> None:
        context = self.client.context
        name = operation_name(operation)
        limit = context.clock.monotonic() + min(_PATIENCE_S, context.remaining_s() - 5)
        while operation.get("status") != "DONE" and context.clock.monotonic() < limit:
            context.clock.sleep(_LOOK_S)
            path = f"projects/{self.project}/zones/{self.zone}/operations/{name}"
            operation = self.client.operation(path)
        for fault in faults_of_operation(operation):
            raise refusal(fault, _offer_of(machine))

    def _refusal(self, machine: Instance, error: ApiError) -> Refusal:
        if error.fault.code == "resourceNotReady":  # it is still stopping
            summary, scope = error.summary, Scope.OFFER
            return CapacityError(summary, scope=scope, code="gcp-busy", block_s=10)
        return refusal(error.fault, _offer_of(machine))


def _offer_of(machine: Instance) -> Offer:
    """Return as much of an offer as a refusal's words and scope need."""
    return Offer(
        provider=machine.provider,
        offer_id=machine.id,
        region=machine.region,
        zone=machine.zone,
        instance_type=machine.instance_type,
        price_usd_hour=0,
        spot=machine.spot,
    )


def _results(outcomes: Sequence[Any]) -> list[Any]:
    """Return results, or raise the first error once all have ended."""
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return list(outcomes)
