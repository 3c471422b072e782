"""Making, listing and ending nodes: the hooks' arguments in the machine room's words."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from arb.errors import CapacityError, CredentialsError, ProviderUnavailable, RequestError, Scope
from arb.types import (
    GoneReason,
    Instance,
    InstanceState,
    Listing,
    ProvisionResult,
    Termination,
)
from arb_local.room import (
    MachineSpec,
    MachineState,
    NoCapacity,
    RoomError,
    RoomFile,
    UnknownMachine,
)
from arb_local.settings import node_path, open_room

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arb.types import InstanceRef, ListQuery, NodeSetup, ProviderContext, ProvisionRequest
    from arb_local.room import Machine, Room

__all__ = ["list_instances", "provision", "start", "stop", "terminate"]

_STATES: Final = {
    MachineState.PENDING: InstanceState.PENDING,
    MachineState.RUNNING: InstanceState.RUNNING,
    MachineState.STOPPED: InstanceState.STOPPED,
    MachineState.TERMINATING: InstanceState.TERMINATING,
    MachineState.GONE: InstanceState.GONE,
}


def provision(context: ProviderContext, request: ProvisionRequest) -> ProvisionResult:
    """Make the nodes of one attempt, all or none, without waiting for any."""
    room = open_room(context)
    payload = json.loads(request.offer.payload or "{}")
    specs = [_spec(context, request, payload, setup) for setup in request.setups]
    try:
        machines = room.make_all(specs, partial=bool(payload.get("partial_gangs")))
    except NoCapacity as refusal:
        made = [instance_of(context.provider, room.get(id_)) for id_ in refusal.made]
        raise _refused(request, refusal, made) from refusal
    except RoomError as error:
        raise RequestError(
            f"local: {error}", scope=Scope.PROVIDER, code="local-no-address"
        ) from error
    instances = tuple(instance_of(context.provider, m) for m in machines)
    return ProvisionResult(instances, account=str(room.path))


def list_instances(context: ProviderContext, query: ListQuery) -> Listing:
    """List nodes that carry an arb token, those that ended within an hour included."""
    room = open_room(context)
    machines = [*room.list(), *room.recently_gone()]
    found = (instance_of(context.provider, m) for m in machines if query.wants(m.token, m.region))
    everywhere = frozenset({Listing.EVERYWHERE})
    return Listing(tuple(found), everywhere, account=str(room.path))


def terminate(context: ProviderContext, ref: InstanceRef) -> Termination:
    """End one node, unless its minimum run time is not over.

    Raises:
        CredentialsError: The node is in another room than the one that is configured now.
    """
    room = open_room(context)
    if ref.account not in {"", str(room.path)}:
        summary = f"local: {ref.id} is in the room {ref.account}, not in {room.path}"
        hint = "set provider_options.local.room back to it"
        raise CredentialsError(summary, code="local-other-room", hint=hint)
    try:
        machine = room.get(ref.id)
    except UnknownMachine:
        room.terminate(ref.id)  # whoever ended it may have left a part of its folder
        return Termination.GONE
    floor_s = float(machine.tags.get("minimum_s", "0"))
    left_s = machine.made_at + floor_s - context.clock.now()
    if left_s > 0 and machine.state is not MachineState.TERMINATING:
        until = datetime.fromtimestamp(math.ceil((machine.made_at + floor_s) / 60) * 60, UTC)
        detail = f"minimum run time, until {until:%H:%M} UTC"
        return Termination(gone=False, retry_after_s=left_s, detail=detail)
    timeout_s = max(1.0, min(20.0, context.remaining_s() - 2))
    if room.terminate(machine.id, timeout_s=timeout_s):
        return Termination.GONE
    return Termination(gone=False, retry_after_s=1, detail="processes of the node do not end")


def stop(context: ProviderContext, refs: Sequence[InstanceRef]) -> tuple[Instance, ...]:
    """Switch nodes off; their folders stay."""
    room = open_room(context)
    return tuple(_switch(context, room, ref, on=False) for ref in refs)


def start(context: ProviderContext, refs: Sequence[InstanceRef]) -> tuple[Instance, ...]:
    """Switch nodes on again."""
    room = open_room(context)
    return tuple(_switch(context, room, ref, on=True) for ref in refs)


def instance_of(provider: str, machine: Machine) -> Instance:
    """Return a machine as the contract shows it."""
    price = machine.tags.get("price_usd_hour")
    return Instance(
        provider=provider,
        id=machine.id,
        region=machine.region,
        state=_STATES[machine.state],
        token=machine.token,
        zone=machine.zone,
        reason=GoneReason(machine.reason),
        detail=machine.detail or machine.state.value,
        address=machine.address,
        instance_type=machine.kind,
        spot=machine.spot,
        made_at=machine.made_at,
        price_usd_hour=float(price) if price is not None else None,
        payload=json.dumps({"port": machine.port, "user": machine.user}),
    )


def _switch(context: ProviderContext, room: Room, ref: InstanceRef, *, on: bool) -> Instance:
    try:
        machine = room.start(ref.id) if on else room.stop(ref.id)
    except NoCapacity as refusal:
        summary = f"local: {ref.id} cannot be started: {refusal}"
        raise CapacityError(summary, scope=Scope.ZONE, code="local-no-capacity") from refusal
    except UnknownMachine:
        return _vanished(context, room, ref)
    except RoomError as error:
        raise ProviderUnavailable(f"local: {error}", code="local-node-stuck") from error
    return instance_of(context.provider, machine)


def _vanished(context: ProviderContext, room: Room, ref: InstanceRef) -> Instance:
    for machine in room.recently_gone():
        if machine.id == ref.id:
            return instance_of(context.provider, machine)
    return Instance(
        context.provider,
        ref.id,
        ref.region,
        InstanceState.GONE,
        token=ref.token,
        reason=GoneReason.UNKNOWN,
    )


def _refused(request: ProvisionRequest, refusal: NoCapacity, made: list[Instance]) -> CapacityError:
    offer = request.offer
    scope = Scope.ZONE if refusal.place.zone and offer.zone else Scope.INSTANCE_TYPE
    summary = (
        f"local has no capacity for {offer.instance_type} in {offer.place}: {refusal.limit} at most"
    )
    hint = f"arb local capacity {offer.instance_type} unlimited"
    return CapacityError(summary, scope=scope, made=made, code="local-no-capacity", hint=hint)


def _spec(
    context: ProviderContext,
    request: ProvisionRequest,
    payload: Mapping[str, Any],
    setup: NodeSetup,
) -> MachineSpec:
    offer = request.offer
    tags = {
        "cluster": request.cluster,
        "rank": "" if setup.rank is None else str(setup.rank),
        "price_usd_hour": repr(offer.price_usd_hour),
        "minimum_s": repr(payload.get("minimum_s", 0)),
    }
    return MachineSpec(
        token=setup.token,
        kind=offer.instance_type,
        region=offer.region,
        zone=offer.zone,
        spot=offer.spot,
        authorized_keys=(setup.authorized_key,),
        host_key=setup.host_key.private if setup.host_key else "",
        files=_files(setup),
        boot_delay_s=payload.get("boot_delay_s", 0),
        bringup_timeout_s=request.bringup_timeout_s,
        life_s=payload.get("life_s", 0),
        notice_s=payload.get("notice_s", 0),
        capacity=payload.get("capacity"),
        devices=tuple(map(str, payload.get("gpus", ()))),
        device_count=payload.get("gpu_count", 0),
        device_variable="CUDA_VISIBLE_DEVICES",
        path=node_path(context),
        tags=tags,
    )


def _files(setup: NodeSetup) -> tuple[RoomFile, ...]:
    """Map the files of user data; the host key itself is given to the node's server directly."""
    secret = setup.host_key.private.strip() if setup.host_key else None
    return tuple(
        RoomFile(file.path, file.content, int(file.mode, 8))
        for file in setup.files
        if file.content.strip() != secret
    )
