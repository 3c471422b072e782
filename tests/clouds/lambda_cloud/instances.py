"""Machines of the simulated Lambda: launched one a call, listed, ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clouds.http import Answer
from clouds.lambda_cloud.checks import body_of, check_launch
from clouds.lambda_cloud.errors import Refused, invalid, missing
from clouds.lambda_cloud.shop import REGIONS
from clouds.lambda_cloud.views import IMAGES, can_end, instance_view, status_of
from clouds.model import NoRoom, Order, Vm, VmState
from clouds.userdata import UserData, WrongUserData

if TYPE_CHECKING:
    from clouds.http import Request
    from clouds.lambda_cloud.cloud import Lambda

__all__ = ["Instances"]


class Instances:
    """``/instances`` and ``/instance-operations``.

    Every handler takes the request and the account that sent it.
    """

    def __init__(self, cloud: Lambda) -> None:
        self._cloud = cloud

    def launch(self, request: Request, account: str) -> Answer:
        """Launch one instance."""
        body = check_launch(request)
        order = self._order(body, account)
        code = "instance-operations/launch/insufficient-capacity"
        no_room = Refused(400, code, "Not enough capacity to fulfill launch request.")
        if body["region_name"] not in order.tags["kind"].regions:
            raise no_room
        try:
            self._cloud.check_room(order)
        except NoRoom as error:
            if error.quota:
                raise Refused(400, "global/quota-exceeded", "Quota exceeded.") from None
            raise no_room from None
        vm = self._cloud.make_vm(order, self._cloud.new_id(""))
        return Answer(200, {"data": {"instance_ids": [vm.id]}})

    def list(self, _: Request, account: str) -> Answer:
        """List an account's machines."""
        at = self._cloud.listed_at()
        rows = [self.view(vm, at) for vm in self._own(account) if self._is_shown(vm, at)]
        return Answer(200, {"data": rows})

    def get(self, _: Request, account: str, id_: str) -> Answer:
        """Show one machine."""
        return Answer(200, {"data": self.view(self._find_own(account, id_))})

    def rename(self, request: Request, account: str, id_: str) -> Answer:
        """Give a machine another name."""
        vm = self._find_own(account, id_)
        vm.entry.name = body_of(request, {"name": str}).get("name", vm.name)
        return Answer(200, {"data": self.view(vm)})

    def terminate(self, request: Request, account: str) -> Answer:
        """End machines: all that are named, or none."""
        now, how = self._cloud.clock.now(), self._cloud.settings
        vms = self._named(request, account)
        for vm in vms:
            if status_of(vm, now) == "booting" and not how.booting_can_end:
                raise invalid("The instance has not finished launching.")
            if status_of(vm, now) == "preempted" and not how.preempted_can_end:
                raise invalid("The instance is being terminated.")
            if not can_end(vm, now, booting=True):
                raise Refused(500, "global/unknown", "An unknown error occurred.")
        for vm in vms:
            if vm.state(now) is VmState.GONE:  # it was preempted
                vm.order.tags["dismissed"] = True
                vm.entry.gone_at = vm.entry.gone_at or now
            self._cloud.end_vm(vm)
        self._cloud.tick()
        return Answer(200, {"data": {"terminated_instances": [self.view(vm) for vm in vms]}})

    def restart(self, request: Request, account: str) -> Answer:
        """Restart machines, which changes nothing here."""
        vms = self._named(request, account)
        if any(status_of(vm, self._cloud.clock.now()) != "active" for vm in vms):
            raise Refused(409, "global/conflict", "The request conflicts with the current state.")
        return Answer(200, {"data": {"restarted_instances": [self.view(vm) for vm in vms]}})

    def view(self, vm: Vm, at: float | None = None) -> dict[str, Any]:
        """Return a machine as it is shown."""
        at = self._cloud.clock.now() if at is None else at
        return instance_view(vm, at, self._cloud.settings)

    def _order(self, body: dict[str, Any], account: str) -> Order:
        known = {kind.name: kind for kind in self._cloud.types}
        kind, region = known.get(body["instance_type_name"]), body["region_name"]
        if region not in REGIONS:
            raise invalid("region_name is not a region.")
        if kind is None:
            raise missing(f"Instance type {body['instance_type_name']} does not exist.")
        _check_image(body.get("image"))
        rulesets = [entry["id"] for entry in body.get("firewall_rulesets", ())]
        self._cloud.firewalls.check_attached(rulesets, region, account)
        ssh_key = body["ssh_key_names"][0]
        public_key = self._cloud.keys.public_line(ssh_key, account)
        tags = {"kind": kind, "account": account, "ssh_key": ssh_key}
        return Order(
            body.get("name", ""),
            kind.name,
            region,
            kind.cents / 100,
            _user_data(body.get("user_data", ""), public_key),
            quotas={"instances": 1, "gpus": kind.gpus},
            tags={**tags, "tags": body.get("tags", []), "rulesets": rulesets},
        )

    def _named(self, request: Request, account: str) -> list[Vm]:
        ids = body_of(request, {"instance_ids": list}, ("instance_ids",))["instance_ids"]
        if not ids:
            raise invalid("instance_ids is empty.")
        return [self._find_own(account, str(id_)) for id_ in ids]

    def _own(self, account: str) -> list[Vm]:
        return [vm for vm in self._cloud.vms.values() if vm.order.tags["account"] == account]

    def _find_own(self, account: str, id_: str) -> Vm:
        for vm in self._own(account):
            if vm.id == id_ and self._is_shown(vm, self._cloud.clock.now()):
                return vm
        message = "Specified instance does not exist."
        raise Refused(404, "global/object-does-not-exist", message)

    def _is_shown(self, vm: Vm, at: float) -> bool:
        if vm.state(at) is None:
            return False
        is_kept = at < vm.ends_at + self._cloud.settings.terminated_listed_s
        return is_kept or status_of(vm, at) == "preempted"


def _user_data(text: str, public_key: str) -> UserData:
    try:
        return UserData.of_cloud_config(text, public_key)
    except WrongUserData as error:
        raise invalid(str(error)) from None


def _check_image(image: dict[str, str] | None) -> None:
    if image is None:
        return
    family = image.get("family") or IMAGES.get(image.get("id", ""), "")
    if family not in IMAGES.values():
        raise missing("The image does not exist.")
