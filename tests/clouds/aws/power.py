"""Ending, stopping and starting instances, which EC2 does for several at a time, or for none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from clouds.aws.errors import XML, Refused
from clouds.http import Answer
from clouds.model import NoRoom, VmState

if TYPE_CHECKING:
    from clouds.aws.calls import AwsCall
    from clouds.aws.engine import Engine
    from clouds.model import Vm

__all__ = ["Power"]

_ID = re.compile(r"i-[0-9a-f]{8,17}")
_CODES = {
    VmState.BOOTING: (0, "pending"),
    VmState.RUNNING: (16, "running"),
    VmState.ENDING: (32, "shutting-down"),
    VmState.GONE: (48, "terminated"),
    VmState.STOPPING: (64, "stopping"),
    VmState.STOPPED: (80, "stopped"),
}


class Power:
    """The three calls."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._cloud = engine, engine.cloud

    def terminate(self, call: AwsCall) -> Answer:
        """Answer ``TerminateInstances``: again is no error, as long as an instance is shown."""
        vms = self._named(call)
        before = self._states(vms)
        for vm in vms:
            self._cloud.end_vm(vm)
        answer = self._answer(call, vms, before)
        self._cloud.tick()
        return answer

    def stop(self, call: AwsCall) -> Answer:
        """Answer ``StopInstances``."""
        vms = self._named(call)
        before = self._states(vms)
        for vm, state in zip(vms, before, strict=True):
            if vm.order.spot:
                told = "it is associated with a one-time Spot Instance request"
                raise Refused("UnsupportedOperation", f"You can't stop '{vm.id}' because {told}.")
            if state not in {VmState.RUNNING, VmState.STOPPED, VmState.STOPPING}:
                raise _wrong_state(vm, "stopped")
        for vm in vms:
            self._cloud.stop_vm(vm)
        return self._answer(call, vms, before)

    def start(self, call: AwsCall) -> Answer:
        """Answer ``StartInstances``."""
        vms = self._named(call)
        before = self._states(vms)
        for vm, state in zip(vms, before, strict=True):
            if state not in {VmState.RUNNING, VmState.STOPPED, VmState.BOOTING}:
                raise _wrong_state(vm, "started")
            if state is VmState.STOPPED:
                self._check_room(vm)
        for vm in vms:
            self._cloud.start_vm(vm)
        return self._answer(call, vms, before)

    def _check_room(self, vm: Vm) -> None:
        try:
            self._cloud.check_room(vm.order)
        except NoRoom as full:
            if full.quota:
                raise Refused("VcpuLimitExceeded", "more vCPU capacity than your limit") from None
            told = f"Insufficient capacity for {vm.order.kind}"
            raise Refused("InsufficientInstanceCapacity", told, 500) from None

    def _named(self, call: AwsCall) -> list[Vm]:
        """Return the account's machines that a call names.

        Raises:
            Refused: There is no such one, or it is not shown yet.
        """
        found = []
        for id_ in call.items("InstanceId"):
            if not _ID.fullmatch(id_):
                raise Refused("InvalidInstanceID.Malformed", f'Invalid id: "{id_}"')
            vm = self._cloud.vms.get(id_)
            record = self._engine.records.get(id_)
            own = record is not None and record.inside is self._cloud.inside(call)
            here = own and record is not None and record.region == call.region
            if vm is None or not here or not self._engine.visible(vm) or self._is_forgotten(vm):
                told = f"The instance ID '{id_}' does not exist"
                raise Refused("InvalidInstanceID.NotFound", told)
            found.append(vm)
        return found

    def _is_forgotten(self, vm: Vm) -> bool:
        return self._cloud.clock.now() - vm.ends_at > self._cloud.settings.shown_s

    def _states(self, vms: list[Vm]) -> list[VmState]:
        now = self._cloud.clock.now()
        return [vm.state(now) or VmState.BOOTING for vm in vms]

    def _answer(self, call: AwsCall, vms: list[Vm], before: list[VmState]) -> Answer:
        rows = "".join(
            f"<item><instanceId>{vm.id}</instanceId>{_state('current', new)}"
            f"{_state('previous', old)}</item>"
            for vm, new, old in zip(vms, self._states(vms), before, strict=True)
        )
        inside = f"<requestId>0-1</requestId><instancesSet>{rows}</instancesSet>"
        space = 'xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"'
        return Answer(200, f"{XML}<{call.action}Response {space}>{inside}</{call.action}Response>")


def _state(which: str, state: VmState) -> str:
    code, name = _CODES[state]
    return f"<{which}State><code>{code}</code><name>{name}</name></{which}State>"


def _wrong_state(vm: Vm, what: str) -> Refused:
    told = f"The instance '{vm.id}' is not in a state from which it can be {what}."
    return Refused("IncorrectInstanceState", told)
