"""EC2: moto's, with idempotency, capacity, quotas, time and lag, and the machines that are real."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from clouds.aws import shop
from clouds.aws.calls import AwsCall
from clouds.aws.errors import Refused
from clouds.aws.images import publish
from clouds.aws.launch import Launch, no_room, read_launch
from clouds.aws.power import Power
from clouds.aws.xml import as_run_answer, ec2_answer, page_of, with_token
from clouds.http import Answer, Request
from clouds.model import NoRoom, Order, Vm, VmState

if TYPE_CHECKING:
    from collections.abc import Callable

    from clouds.aws.cloud import Aws
    from clouds.aws.inside import Inside
    from clouds.ledger import Entry

__all__ = ["Engine", "Record"]

_FOREVER = float("inf")
_SHOWN = {
    VmState.BOOTING: "pending",
    VmState.RUNNING: "running",
    VmState.STOPPING: "stopping",
    VmState.STOPPED: "stopped",
    VmState.ENDING: "shutting-down",
    VmState.GONE: "terminated",
}
_REASONS = {
    "user": "Client.UserInitiatedShutdown",
    "preempted": "Server.SpotInstanceTermination",
    "hardware": "Server.InternalError",
    "failed-start": "Server.InsufficientInstanceCapacity",
}
_READS = frozenset({"DescribeInstances", "DescribeSecurityGroups", "DescribeVolumes"})
_MOST_TYPES = 100
_FOREIGN_ADDRESS = "10.9.9.9"


@dataclass
class Record:
    """An instance as moto has it, and what goes with it.

    Attributes:
        instance: moto's.
        reservation: Its id.
        region: Where.
        inside: The account's part of moto.
        things: Disks, interface and spot request in the ledger.
    """

    instance: Any
    reservation: str
    region: str
    inside: Inside
    things: list[Entry]


class Engine:
    """EC2 of one simulated AWS."""

    def __init__(self, cloud: Aws) -> None:
        self.cloud = cloud
        self.records: dict[str, Record] = {}
        self._whole: dict[tuple[str, str], dict[str, Any]] = {}
        self._answers: dict[tuple[str, str, str], tuple[dict[str, str], list[str]]] = {}
        power = Power(self)
        self._handlers: dict[str, Callable[[AwsCall], Answer]] = {
            "RunInstances": self._run,
            "DescribeInstances": self._describe,
            "TerminateInstances": power.terminate,
            "StopInstances": power.stop,
            "StartInstances": power.start,
            "DescribeRegions": self._regions,
            "DescribeInstanceTypes": self._types,
            "DescribeInstanceTypeOfferings": self._offerings,
            "DescribeSpotPriceHistory": cloud.market.spot_prices,
            "CreateSecurityGroup": self._make_group,
            "DeleteSecurityGroup": self._drop_group,
            "DeleteVolume": self._drop_volume,
            "DescribeImages": self._images,
        }

    def answer(self, call: AwsCall) -> Answer:
        """Answer one call of EC2."""
        failing = call.region in self.cloud.settings.failing_regions
        if failing and call.action.startswith("Describe"):
            raise Refused(
                "Unavailable", "The service is unavailable. Please try again shortly.", 503
            )
        inside = self.cloud.inside(call)
        if call.action in _READS and inside.is_empty(call.region):
            name = {"DescribeInstances": "reservationSet", "DescribeVolumes": "volumeSet"}
            return ec2_answer(call.action, name.get(call.action, "securityGroupInfo"), ())
        return self._handlers.get(call.action, inside.forward)(call)

    # -- orders ----------------------------------------------------------------------------

    def _run(self, call: AwsCall) -> Answer:
        asked = {k: v for k, v in call.parameters.items() if k not in {"Action", "Version"}}
        known = self._answers.get((call.account, call.region, call.get("ClientToken")))
        if known is not None and call.get("DryRun") != "true":
            if known[0] != asked:
                told = "Arguments on this idempotent request are inconsistent with arguments used"
                raise Refused("IdempotentParameterMismatch", f"{told} in previous request(s).")
            return self._as_run(call, known[1])
        if call.get("DryRun") == "true":
            raise Refused("DryRunOperation", "Request would have succeeded, but DryRun is set", 412)
        launch = read_launch(self.cloud, call)
        count = self._room(call, launch)
        ids = self._make(call, launch, count)
        if launch.token:
            self._answers[call.account, call.region, launch.token] = (asked, ids)
        return self._as_run(call, ids)

    def _room(self, call: AwsCall, launch: Launch) -> int:
        """Return how many machines there are room for: between least and most, or none at all.

        Raises:
            Refused: For fewer than the least.
        """
        order = self._order(call, launch, {})
        ghosts: list[str] = []
        try:
            while len(ghosts) < launch.most:
                self.cloud.check_room(order)
                ghosts.append(f"ghost-{len(ghosts)}")
                now = self.cloud.clock.now()
                self.cloud.vms[ghosts[-1]] = Vm(ghosts[-1], order, now, _FOREVER, None)  # type: ignore[arg-type]
        except NoRoom as full:
            if len(ghosts) < launch.count:
                raise no_room(full, call, launch) from None
        finally:
            for ghost in ghosts:
                del self.cloud.vms[ghost]
        return len(ghosts)

    def _order(self, call: AwsCall, launch: Launch, tags: dict[str, str]) -> Order:
        quota = f"{shop.family_quota(launch.kind, spot=launch.spot)}@{call.region}"
        cpus = shop.types()[launch.kind]["VCpuInfo"]["DefaultVCpus"]
        return Order(
            tags.get("Name") or launch.token,
            launch.kind,
            call.region,
            self.cloud.market.usd(launch.kind, call.region, launch.zone, spot=launch.spot),
            launch.user_data,
            zone=launch.zone,
            spot=launch.spot,
            quotas={quota: cpus},
            tags={"shutdown": launch.shutdown, "public": launch.public},
        )

    def _make(
        self, call: AwsCall, launch: Launch, count: int, *, foreign: bool = False
    ) -> list[str]:
        """Let moto make instances, then machines for them; return their ids."""
        publish(self.cloud, call)
        inside, region = self.cloud.inside(call), call.region
        self._restore(inside, region)
        before = set(inside.reservations(region))
        answer = inside.forward(
            call, ImageId=launch.image, MinCount=str(count), MaxCount=str(count)
        )
        new = [r for key, r in inside.reservations(region).items() if key not in before]
        if answer.status >= 400 or not new:
            raise _Motos(answer)
        self._whole[inside.account, region] = dict(inside.reservations(region))
        tags = call.tags("instance")
        for instance in new[0].instances:
            vm = self.cloud.make_vm(self._order(call, launch, tags), instance.id, foreign=foreign)
            inside.settle(instance, vm.address or _FOREIGN_ADDRESS, call.tags("network-interface"))
            things = [] if foreign else self._things(call, launch, instance)
            self.records[vm.id] = Record(instance, new[0].id, region, inside, things)
        return [instance.id for instance in new[0].instances]

    def _things(self, call: AwsCall, launch: Launch, instance: Any) -> list[Entry]:
        """Write down what is made beside a machine, by the names that it was given."""
        facts = {"region": call.region}
        made = [
            self.cloud.record("volume", volume, call.tags("volume").get("Name", ""), **facts)
            for volume, _ in self.cloud.inside(call).volumes_of(instance)
        ]
        nic = call.tags("network-interface").get("Name", "")
        made.append(self.cloud.record("network-interface", instance.nics[0].id, nic, **facts))
        if launch.spot:
            request = self.cloud.new_id("sir-")
            instance.spot_instance_request_id = request
            name = call.tags("spot-instances-request").get("Name", "")
            made.append(self.cloud.record("spot-request", request, name, **facts))
        return made

    def _as_run(self, call: AwsCall, ids: list[str]) -> Answer:
        inside = self.cloud.inside(call)
        self._project(inside, call.region, self.cloud.clock.now(), all_of=ids)
        form = {"Action": "DescribeInstances", "Version": call.get("Version")}
        form |= {f"InstanceId.{number}": id_ for number, id_ in enumerate(ids, 1)}
        return as_run_answer(inside.forward(replace(call, parameters=form)))

    # -- what shows ------------------------------------------------------------------------

    def _describe(self, call: AwsCall) -> Answer:
        inside, size = self.cloud.inside(call), self.cloud.settings.page_size
        self._project(inside, call.region, self.cloud.listed_at())
        by_id = any(name.startswith("InstanceId.") for name in call.parameters)
        changes = {"MaxResults": str(size)} if size and not by_id else {}
        return inside.forward(call, **changes)

    def visible(self, vm: Vm) -> bool:
        """Say whether calls find a machine."""
        return vm.state(self.cloud.listed_at()) is not None

    def _restore(self, inside: Inside, region: str) -> None:
        inside.show_only(region, self._whole.get((inside.account, region), {}))

    def _project(
        self, inside: Inside, region: str, at: float, all_of: list[str] | None = None
    ) -> None:
        """Let moto show every machine as it was at a time, and hide those that it was too early for."""
        shown: dict[str, Any] = {}
        whole = self._whole.get((inside.account, region), {})
        for id_, record in self.records.items():
            if record.inside is not inside or record.region != region:
                continue
            vm = self.cloud.vms[id_]
            state = vm.state(at)
            over = at - vm.ends_at > self.cloud.settings.shown_s
            if id_ in (all_of or ()) or (state is not None and not over):
                shown[record.reservation] = whole[record.reservation]
                self._show(record, vm, state or VmState.BOOTING, at)
        inside.show_only(region, {key: r for key, r in whole.items() if key in shown})

    def _show(self, record: Record, vm: Vm, state: VmState, at: float) -> None:
        begun = [t for t, s in vm.switches if s is VmState.BOOTING and t <= at]
        running = state is VmState.RUNNING
        public = vm.address if running and vm.order.tags["public"] else ""
        reason = ""
        if state in {VmState.ENDING, VmState.GONE}:
            reason = _REASONS.get(vm.reason, "")
        elif state in {VmState.STOPPING, VmState.STOPPED}:
            reason = _REASONS["user"]
        shown = self.cloud.settings.odd_state if running else ""
        record.inside.show(
            record.instance,
            shown or _SHOWN[state],
            begun[-1] if begun else vm.made_at,
            public,
            reason,
        )
        if self.cloud.settings.shows_zone_ids:
            record.instance.placement.availability_zone_id = vm.order.zone

    def on_end(self, vm: Vm) -> None:
        """End what ends with a machine."""
        record = self.records.get(vm.id)
        if record is None:
            return
        staying = {v for v, ends in record.inside.volumes_of(record.instance) if not ends}
        record.inside.end(record.region, record.instance)
        for entry in record.things:
            if entry.id not in staying:
                entry.gone_at, entry.reason = vm.ends_at, vm.reason

    # -- somebody else's -------------------------------------------------------------------

    def add_foreign(self, name: str, **facts: Any) -> str:
        """Make a machine as somebody in the account does by hand."""
        tags = {"ResourceType": "instance", "Tag.1.Key": "Name", "Tag.1.Value": name}
        form = {"InstanceType": "t3.micro", "MinCount": "1", "MaxCount": "1", **facts}
        form |= {f"TagSpecification.1.{key}": value for key, value in tags.items()}
        form["ImageId"] = next(iter(shop.IMAGES))
        call = self._by_hand("RunInstances", form)
        return self._make(call, read_launch(self.cloud, call), 1, foreign=True)[0]

    def add_foreign_group(self, name: str) -> str:
        """Make a security group as somebody in the account does by hand."""
        form = {"GroupName": name, "GroupDescription": "by hand"}
        self._make_group(self._by_hand("CreateSecurityGroup", form), foreign=True)
        return next(e.id for e in reversed(self.cloud.ledger().entries) if e.name == name)

    def _by_hand(self, action: str, form: dict[str, str]) -> AwsCall:
        region, account = self.cloud.settings.regions[0], self.cloud.accounts.own
        kind = {"content-type": "application/x-www-form-urlencoded"}
        scope = f"AWS4-HMAC-SHA256 Credential=AKIABYHAND/20260101/{region}/ec2/aws4_request,"
        request = Request("POST", "/", {}, {**kind, "authorization": scope})
        parameters = {"Action": action, "Version": "2016-11-15", **form}
        return AwsCall(request, "ec2", region, "AKIABYHAND", action, account, parameters)

    # -- things ----------------------------------------------------------------------------

    def _make_group(self, call: AwsCall, *, foreign: bool = False) -> Answer:
        inside = self.cloud.inside(call)
        answer = inside.forward(call)
        if answer.status < 400:
            id_ = str(answer.body).partition("<groupId>")[2].partition("</groupId>")[0]
            facts = {"region": call.region, "foreign": foreign}
            self.cloud.record("security-group", id_, call.get("GroupName"), **facts)
        return answer

    def _drop_group(self, call: AwsCall) -> Answer:
        id_, now = call.get("GroupId"), self.cloud.clock.now()
        for vm_id, record in self.records.items():
            groups = {group.id for group in record.instance.nics[0].group_set}
            if id_ in groups and self.cloud.vms[vm_id].state(now) is not VmState.GONE:
                raise Refused("DependencyViolation", f"resource {id_} has a dependent object")
        return self._dropped(call, id_)

    def _drop_volume(self, call: AwsCall) -> Answer:
        return self._dropped(call, call.get("VolumeId"))

    def _dropped(self, call: AwsCall, id_: str) -> Answer:
        answer = self.cloud.inside(call).forward(call)
        entry = self.cloud.entry(id_)
        if answer.status < 400 and entry is not None:
            entry.gone_at, entry.reason = self.cloud.clock.now(), "user"
        return answer

    # -- what is sold ----------------------------------------------------------------------

    def _regions(self, call: AwsCall) -> Answer:
        rows = [
            {
                "regionName": region,
                "regionEndpoint": f"ec2.{region}.amazonaws.com",
                "optInStatus": "opt-in-not-required",
            }
            for region in self.cloud.settings.regions
        ]
        return ec2_answer(call.action, "regionInfo", rows)

    def _types(self, call: AwsCall) -> Answer:
        asked = call.items("InstanceType")
        here = shop.offered(call.region)
        sold = sorted(kind for kind in self.cloud.sold_types() if kind in here)
        if wrong := [kind for kind in asked if kind not in sold]:
            told = f"The following supplied instance types do not exist: [{', '.join(wrong)}]"
            raise Refused("InvalidInstanceType", told)
        if len(asked) > _MOST_TYPES or (asked and call.get("MaxResults")):
            raise Refused("InvalidParameterCombination", "too many instance types, or with a page")
        size = min(int(call.get("MaxResults") or _MOST_TYPES), _MOST_TYPES)
        size = self.cloud.settings.page_size or size
        page, token = page_of(asked or sold, call.get("NextToken"), size)
        form = {"Action": call.action, "Version": call.get("Version")}
        form |= {f"InstanceType.{number}": kind for number, kind in enumerate(page, 1)}
        return with_token(self.cloud.inside(call).forward(replace(call, parameters=form)), token)

    def _offerings(self, call: AwsCall) -> Answer:
        sold, kinds = self.cloud.sold_types(), call.filters.get("instance-type")
        by_id = {zone: name for name, zone in shop.zones_of(call.region).items()}
        where = {
            "availability-zone-id": lambda zone: zone,
            "availability-zone": lambda zone: by_id.get(zone, zone),
        }.get(call.get("LocationType"), lambda _: call.region)
        rows = [
            {
                "instanceType": kind,
                "locationType": call.get("LocationType"),
                "location": where(zone),
            }
            for kind, zones in shop.offered(call.region).items()
            for zone in zones
            if kind in sold and kind in (kinds or (kind,))
        ]
        size = self.cloud.settings.page_size or int(call.get("MaxResults") or 1000)
        page, token = page_of(rows, call.get("NextToken"), size)
        return ec2_answer(call.action, "instanceTypeOfferingSet", page, token)

    def _images(self, call: AwsCall) -> Answer:
        publish(self.cloud, call)
        return self.cloud.inside(call).forward(call)


class _Motos(Refused):
    """A refusal in moto's own words."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("", "", answer.status)
        self._answer = answer

    def answer(self, service: str) -> Answer:
        """Return it as it is."""
        return self._answer
