"""Compute Engine: instances, operations, machine types."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from clouds.gcp.checks import Wish, check_instance
from clouds.gcp.errors import Refused, not_found
from clouds.gcp.firewalls import Firewalls
from clouds.gcp.lists import aggregated, listed
from clouds.gcp.oplog import OperationLog
from clouds.gcp.project import project_view, region_view, zone_view
from clouds.gcp.shop import IMAGES, TYPES, ZONES, price_of, region_of
from clouds.gcp.state import PROJECT, Operation
from clouds.gcp.views import accelerator_types, instance_view, machine_types, region_scopes
from clouds.model import NoRoom, Order, Vm, VmState
from clouds.userdata import UserData, WrongUserData

if TYPE_CHECKING:
    from clouds.gcp.cloud import Call, Gcp

__all__ = ["Engine", "Record"]

_PAPER_PORT = 2222


@dataclass
class Record:
    """An instance that was asked for.

    Attributes:
        vm: The machine; None when there is no room for one.
        insertion: The operation that makes it.
        disk: Line of the boot disk in the ledger.
        deletion: The operation that deletes it.
    """

    project: str
    body: dict[str, Any]
    zone: str
    id: str
    made_at: float
    wish: Wish
    vm: Vm | None = None
    insertion: Operation | None = None
    disk: Any = None
    deletion: Operation | None = None

    @property
    def name(self) -> str:
        """Name of the instance."""
        return str(self.body["name"])

    @property
    def path(self) -> str:
        """Path of the instance."""
        return f"projects/{self.project}/zones/{self.zone}/instances/{self.name}"


class Engine:
    """The zonal part; ``firewalls`` is the global one."""

    def __init__(self, cloud: Gcp) -> None:
        self._cloud = cloud
        self.log = OperationLog(cloud)
        self.firewalls = Firewalls(cloud, self.log)
        self.records: dict[tuple[str, str, str], Record] = {}
        self.handlers = {
            "compute.projects.get": self._project,
            "compute.zones.list": self._zones,
            "compute.regions.list": self._regions,
            "compute.machineTypes.aggregatedList": self._machine_types,
            "compute.acceleratorTypes.aggregatedList": self._accelerator_types,
            "compute.instances.insert": self._insert,
            "compute.instances.get": self._get,
            "compute.instances.list": self._list,
            "compute.instances.aggregatedList": self._aggregated,
            "compute.instances.delete": self._delete,
            "compute.instances.stop": self._stop,
            "compute.instances.start": self._start,
            **self.log.handlers,
            **self.firewalls.handlers,
        }

    # -- what the cloud asks ---------------------------------------------------------------

    def more_permissions(self, call: Call) -> list[str]:
        """Return the permissions that this call takes besides its usual ones."""
        if call.method.id != "compute.instances.insert":
            return []
        more = {
            "metadata": "compute.instances.setMetadata",
            "labels": "compute.instances.setLabels",
            "tags": "compute.instances.setTags",
            "serviceAccounts": "iam.serviceAccounts.actAs",
        }
        needed = [permission for key, permission in more.items() if call.body.get(key)]
        if any(i.get("accessConfigs") for i in call.body.get("networkInterfaces") or ()):
            needed.append("compute.subnetworks.useExternalIp")
        return needed

    def add_foreign(self, name: str, zone: str = "us-central1-a", **labels: str) -> str:
        """Put somebody else's machine into the project."""
        body = {
            "name": name,
            "machineType": f"zones/{zone}/machineTypes/e2-standard-2",
            "labels": labels,
            "disks": [{"boot": True, "autoDelete": True}],
            "networkInterfaces": [{"network": "global/networks/default"}],
        }
        kind = TYPES["e2-standard-2"]
        wish = Wish(kind, None, False, "", 10, False, False)
        record = Record(
            PROJECT, body, zone, self._cloud.new_id("3000"), self._cloud.clock.now(), wish
        )
        order = Order(name, kind.name, region_of(zone), 1.0, UserData(), zone=zone)
        record.vm = self._cloud.make_vm(order, record.id, foreign=True)
        self.records[PROJECT, zone, name] = record
        return record.id

    def stop_taken(self, name: str) -> bool:
        """Stop a spot machine that is taken, if that is what its scheduling says."""
        record = self._record_of(self._cloud.find(name))
        if record is None or record.wish.is_deleted_when_taken or record.vm is None:
            return False
        self._cloud.stop_vm(record.vm)
        self.log.system("compute.instances.preempted", record, "Instance was preempted.")
        return True

    def on_end(self, vm: Vm) -> None:
        """Write down why a machine ended; its disk goes too, if it says so."""
        record = self._record_of(vm)
        if record is None:
            return
        if vm.reason == "preempted":
            self.log.system("compute.instances.preempted", record, "Instance was preempted.")
        elif vm.reason in {"hardware", "failed-start"}:
            self.log.system(
                "compute.instances.hostError", record, "Instance terminated by Compute Engine."
            )
        if record.disk is not None and record.body["disks"][0].get("autoDelete"):
            record.disk.gone_at = vm.ends_at

    def on_power_off(self, vm: Vm) -> None:
        """Write down that a machine switched itself off."""
        record = self._record_of(vm)
        if record is not None:
            self.log.system(
                "compute.instances.guestTerminate", record, "Instance was terminated by the guest."
            )

    def _record_of(self, vm: Vm) -> Record | None:
        return next((r for r in self.records.values() if r.vm is vm), None)

    # -- the project -----------------------------------------------------------------------

    def _project(self, call: Call) -> Any:
        return project_view(self._cloud, call.project)

    def _zones(self, call: Call) -> Any:
        down = self._cloud.settings.zones_down
        zones = [zone_view(zone, is_up=zone not in down) for zone in ZONES]
        return listed("compute#zoneList", zones, call.query, self._cloud.settings)

    def _regions(self, call: Call) -> Any:
        regions = [region_view(self._cloud, region) for region in region_scopes()]
        return listed("compute#regionList", regions, call.query, self._cloud.settings)

    def _machine_types(self, call: Call) -> Any:
        items, how = machine_types(call.project), self._cloud.settings
        kind = "compute#machineTypeAggregatedList"
        return aggregated((kind, "machineTypes"), items, call, how)

    def _accelerator_types(self, call: Call) -> Any:
        items, how = accelerator_types(call.project), self._cloud.settings
        kind = "compute#acceleratorTypeAggregatedList"
        return aggregated((kind, "acceleratorTypes"), items, call, how)

    # -- instances -------------------------------------------------------------------------

    def _insert(self, call: Call) -> Any:
        zone, body = call.parts["zone"], call.body or {}
        self._check_zone(zone)
        if repeated := self.log.repeated(call):
            return repeated
        wish = check_instance(
            body, zone, call.project, self.firewalls.networks, self._cloud.settings
        )
        name = body["name"]
        if self._is_there(call.project, zone, name):
            path = f"projects/{call.project}/zones/{zone}/instances/{name}"
            raise Refused(409, "alreadyExists", f"The resource '{path}' already exists")
        record = Record(
            call.project, body, zone, self._cloud.new_id("2000"), self._cloud.clock.now(), wish
        )
        self.records[call.project, zone, name] = record
        record.insertion = self.log.begin("insert", record, call, self._made(record))
        return self.log.view(record.insertion)

    def _made(self, record: Record) -> list[dict[str, Any]]:
        """Make the machine and return nothing, or why not; it is told at the operation's end."""
        cloud, wish, zone = self._cloud, record.wish, record.zone
        kind = f"{wish.kind.name}+{wish.guest[0]}" if wish.guest else wish.kind.name
        price = price_of(wish.kind, zone, wish.guest, spot=wish.spot)
        order = Order(
            record.name, kind, region_of(zone), price, self._user_data(record), zone=zone,
            spot=wish.spot, quotas=wish.quotas(region_of(zone)),
        )  # fmt: skip
        try:
            cloud.check_room(order)
        except NoRoom as no:
            return [self.log.error_of(no, record)]
        before = cloud.settings
        if before.boots == "ok" and not self._is_reachable(record):
            cloud.settings = replace(before, boots="mute")
        record.vm = cloud.make_vm(order, record.id)
        cloud.settings = before
        record.disk = cloud.record("disk", cloud.new_id("4000"), record.name, zone=zone)
        return []

    def _user_data(self, record: Record) -> UserData:
        """Return what the machine does at its first boot: keys by the agent, the rest by cloud-init."""
        items = {
            i["key"]: i.get("value", "")
            for i in (record.body.get("metadata") or {}).get("items", ())
        }
        os_login = "TRUE" if self._cloud.settings.os_login else "FALSE"
        keys = ()
        if items.get("enable-oslogin", os_login).upper() != "TRUE":
            user = getattr(self._cloud.nodes, "user", "ubuntu")
            lines = (line.partition(":") for line in items.get("ssh-keys", "").splitlines())
            keys = tuple(key for name, _, key in lines if name == user)
        text = items.get("user-data", "") if IMAGES[record.wish.image]["cloud_init"] else ""
        try:
            return UserData.of_cloud_config(text, *keys)
        except WrongUserData:
            return UserData(keys)  # cloud-init complains in its log, and the machine boots

    def _is_reachable(self, record: Record) -> bool:
        tags = set((record.body.get("tags") or {}).get("items") or ())
        return self._cloud.settings.open_network or self.firewalls.lets_in(
            tags, getattr(self._cloud.nodes, "port", _PAPER_PORT)
        )

    def _get(self, call: Call) -> Any:
        return self._view(self._need(call), self._cloud.clock.now())

    def _list(self, call: Call) -> Any:
        self._check_zone(call.parts["zone"])
        items = [
            item
            for scope, item in self._shown(call.project)
            if scope == f"zones/{call.parts['zone']}"
        ]
        return listed("compute#instanceList", items, call.query, self._cloud.settings)

    def _aggregated(self, call: Call) -> Any:
        how = self._cloud.settings
        kind = "compute#instanceAggregatedList"
        return aggregated((kind, "instances"), self._shown(call.project), call, how)

    def _delete(self, call: Call) -> Any:
        record = self._need(call)
        if record.vm is None or self._is_being_made(record):
            raise Refused(400, "resourceNotReady", f"The resource '{record.path}' is not ready")
        if record.deletion is None or record.deletion.is_over:
            duration = max(self._cloud.settings.end_delay_s, self._cloud.settings.operation_s)
            record.deletion = self.log.begin("delete", record, call, duration_s=duration)
        self._cloud.end_vm(record.vm)
        return self.log.view(record.deletion)

    def _stop(self, call: Call) -> Any:
        record = self._need(call)
        vm = record.vm
        if vm is None:
            raise Refused(400, "resourceNotReady", f"The resource '{record.path}' is not ready")
        if record.wish.kind.ssd_gib and call.query.get("discardLocalSsd") != "true":
            said = "VM has a Local SSD attached but an undefined value for `discard-local-ssd`."
            raise Refused(400, "invalid", said)
        self._cloud.stop_vm(vm)
        return self.log.view(self.log.begin("stop", record, call))

    def _start(self, call: Call) -> Any:
        record = self._need(call)
        vm, now = record.vm, self._cloud.clock.now()
        if vm is None or vm.state(now) is VmState.STOPPING:
            raise Refused(400, "resourceNotReady", f"The resource '{record.path}' is not ready")
        errors = []
        if vm.state(now) is VmState.STOPPED:
            try:
                self._cloud.check_room(vm.order)
                self._cloud.start_vm(vm)
            except NoRoom as no:
                errors.append(self.log.error_of(no, record))
        return self.log.view(self.log.begin("start", record, call, errors))

    def ghosts(self) -> set[str]:
        """Return the names of orders that found no room: lists may have shown them until then."""
        return {
            record.name
            for record in self.records.values()
            if record.vm is None and not self._is_being_made(record)
        }

    def _need(self, call: Call) -> Record:
        zone, name = call.parts["zone"], call.parts["instance"]
        self._check_zone(zone)
        record = self.records.get((call.project, zone, name))
        if record is None or not self._is_visible(record, self._cloud.clock.now()):
            raise not_found(f"projects/{call.project}/zones/{zone}/instances/{name}")
        return record

    def _check_zone(self, zone: str) -> None:
        if zone not in ZONES:
            said = f"Location {zone} is not found or access is unauthorized."
            raise Refused(403, "forbidden", said)
        if zone in self._cloud.settings.zones_down:
            raise Refused(503, "backendError", "Backend Error")

    def _is_there(self, project: str, zone: str, name: str) -> bool:
        """Say whether a name is taken, also by an instance that is not shown yet."""
        record = self.records.get((project, zone, name))
        if record is None:
            return False
        if record.vm is None or self._is_being_made(record):
            return self._is_being_made(record)
        return record.vm.state(self._cloud.clock.now()) is not VmState.GONE

    def _is_being_made(self, record: Record) -> bool:
        return record.insertion is not None and not record.insertion.is_over

    def _is_visible(self, record: Record, at: float) -> bool:
        if self._is_being_made(record):
            return self._cloud.settings.is_shown_early and at >= record.made_at
        return record.vm is not None and record.vm.state(at) not in {None, VmState.GONE}

    def _shown(self, project: str) -> list[tuple[str, dict[str, Any]]]:
        at = self._cloud.listed_at()
        own = (r for r in self.records.values() if r.project == project)
        visible = [r for r in own if self._is_visible(r, at)]
        return [(f"zones/{r.zone}", self._view(r, at)) for r in visible]

    def _view(self, record: Record, at: float) -> dict[str, Any]:
        return instance_view(record, at)
