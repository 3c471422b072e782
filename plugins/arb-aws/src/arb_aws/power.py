"""Stopping machines and starting them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from arb.errors import ArbError, CapacityError, ProviderUnavailable, RequestError, Scope
from arb.types import Instance, InstanceState, Offer
from arb_aws.accounts import need_account
from arb_aws.client import Client
from arb_aws.families import family_of
from arb_aws.faults import ApiError
from arb_aws.info import LISTING_LAG_S
from arb_aws.machines import instance_of, without_answer
from arb_aws.refusals import refusal_of
from arb_aws.zones import zone_ids

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from arb.types import InstanceRef, ProviderContext

__all__ = ["start", "stop"]

_CANNOT: Final = frozenset({"UnsupportedOperation", "UnsupportedHibernationConfiguration"})
_BUSY: Final = frozenset({"IncorrectInstanceState", "IncorrectState"})
_BUSY_S: Final = 10.0
_ON: Final = frozenset({InstanceState.PENDING, InstanceState.RUNNING})
_OFF: Final = frozenset({InstanceState.STOPPED, InstanceState.STOPPING})


def stop(context: ProviderContext, instances: Sequence[InstanceRef]) -> list[Instance]:
    """Stop machines, without waiting until they are.

    Raises:
        RequestError: One cannot be stopped, for instance a spot machine; all keep running.
        ArbError: As ``Client.call``.
    """
    return _switch(context, instances, "stop_instances", _ON)


def start(context: ProviderContext, instances: Sequence[InstanceRef]) -> list[Instance]:
    """Start stopped machines, without waiting until they run.

    Raises:
        CapacityError, QuotaError: One cannot be started now; none of its region was.
        ArbError: As ``Client.call``.
    """
    return _switch(context, instances, "start_instances", _OFF)


def _switch(
    context: ProviderContext,
    instances: Sequence[InstanceRef],
    operation: str,
    states: Collection[InstanceState],
) -> list[Instance]:
    """Switch the machines that are in one of some states, by region, and return them all."""
    client = Client.from_context(context)
    for reference in instances:
        need_account(client, reference.account, f"machine {reference.id}")
    found: dict[str, Instance] = {}
    for region in sorted({reference.region for reference in instances}):
        group = _Group(client, region, [r for r in instances if r.region == region])
        found |= group.switch(operation, states)
    return [found[reference.id] for reference in instances]


class _Group:
    """Machines of one region."""

    def __init__(self, client: Client, region: str, references: Sequence[InstanceRef]) -> None:
        self.client, self.region, self.references = client, region, references

    def switch(self, operation: str, states: Collection[InstanceState]) -> dict[str, Instance]:
        """Send one call for those that are in some states, and look again."""
        machines = self._look()
        wanted = [id_ for id_, machine in machines.items() if machine.state in states]
        if not wanted:
            return machines
        try:
            self.client.call("ec2", operation, self.region, InstanceIds=wanted)
        except ApiError as error:
            is_start = operation == "start_instances"
            raise self._refusal(error, machines[wanted[0]], is_start=is_start) from error
        return self._look()

    def _look(self) -> dict[str, Instance]:
        """Return all as they are; one that EC2 does not know any more is gone.

        Raises:
            ProviderUnavailable: One is so new that EC2 may not know it yet.
            ArbError: As ``Client.call``.
        """
        ids = [reference.id for reference in self.references]
        wanted = [{"Name": "instance-id", "Values": ids}]
        pages = self.client.pages("ec2", "describe_instances", self.region, Filters=wanted)
        said = {
            i["InstanceId"]: i for p in pages for r in p["Reservations"] for i in r["Instances"]
        }
        now = self.client.context.clock.now()
        for one in self.references:
            if one.id not in said and now - one.made_at < LISTING_LAG_S:
                summary = f"aws {one.id} in {self.region} is not listed yet"
                raise ProviderUnavailable(summary, code="aws-busy")
        zones = zone_ids(self.client, self.region) if said else {}
        provider = self.client.context.provider
        return {
            one.id: instance_of(provider, self.region, said[one.id], zones)
            if one.id in said
            else without_answer(provider, self.region, one.zone, one.id, one.token)
            for one in self.references
        }

    def _refusal(self, error: ApiError, machine: Instance, *, is_start: bool) -> ArbError:
        if error.fault.code in _BUSY:
            if not is_start:
                return ProviderUnavailable(error.summary, code="aws-busy")
            scope, code = Scope.OFFER, "aws-busy"
            return CapacityError(error.summary, scope=scope, code=code, block_s=_BUSY_S)
        if error.fault.code in _CANNOT:
            hint = "end it instead: arb down"
            summary, code = error.summary, "aws-cannot-stop"
            return RequestError(summary, scope=Scope.OFFER, code=code, hint=hint)
        return refusal_of(error, _offer_of(machine))


def _offer_of(machine: Instance) -> Offer:
    """Return as much of an offer as a refusal's words and scope need."""
    known: dict[str, Any] = {"price_usd_hour": 0, "offer_id": machine.id}
    return Offer(
        provider=machine.provider,
        region=machine.region,
        zone=machine.zone,
        instance_type=machine.instance_type,
        spot=machine.spot,
        quota_family=family_of(machine.instance_type, spot=machine.spot),
        **known,
    )
