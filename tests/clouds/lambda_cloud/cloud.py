"""The simulated Lambda: what it sells, whose it is, and what answers a call."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote

from arb_local.room import Place
from clouds.cloud import Cloud
from clouds.http import Answer, Request
from clouds.lambda_cloud.errors import Refused, invalid
from clouds.lambda_cloud.gate import ACCOUNTS, Gate
from clouds.lambda_cloud.instances import Instances
from clouds.lambda_cloud.keys import SshKeys
from clouds.lambda_cloud.openapi import described
from clouds.lambda_cloud.rules import Firewalls
from clouds.lambda_cloud.settings import KEY, LambdaSettings
from clouds.lambda_cloud.shop import REGIONS, TYPES, Kind, changed, region_view
from clouds.lambda_cloud.strange import strange
from clouds.lambda_cloud.views import image_views
from clouds.model import Order, Vm, VmState
from clouds.nodes import Nodes
from clouds.userdata import UserData

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Lambda"]

_API = "/api/v1"


class Lambda(Cloud):
    """Lambda's cloud, as far as its description goes, with two accounts: ``KEY`` and ``OTHER_KEY``.

    The first account is in use: somebody has a machine, an SSH key and firewall rules there, and
    ``changed_of_others`` names whatever of that is not as it was. Where the vendor's description is
    at hand every request and answer is held against it, and ``untrue`` collects what differs.
    """

    LISTS_BY_REGION = False
    CONTROLS: ClassVar[tuple[str, ...]] = (
        *Cloud.CONTROLS,
        "change_type",
        "changed_of_others",
        "delete_key",
        "lets_in",
        "make_unhealthy",
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._numbers = itertools.count(1)
        self.types: tuple[Kind, ...] = TYPES
        self.keys = SshKeys(self)
        self.firewalls = Firewalls(self)
        self.instances = Instances(self)
        self.untrue: list[str] = []
        self._gate = Gate(self)
        self._routes = list(_routes(self))
        self.add_foreign("notebook")
        self.add_foreign("laptop", "key")
        self.add_foreign("web", "ruleset")
        self._others = self._state_of_others()

    def make_settings(self) -> LambdaSettings:
        """Return how it behaves at first."""
        return LambdaSettings()

    def make_nodes(self, path: Path) -> Nodes:
        """Return machines that listen where Lambda's do, where this user may."""
        return Nodes(path, port=22, user="ubuntu", sshd="none")

    def new_id(self, prefix: str) -> str:
        """Return an id in the form of the API's; the prefix is left out."""
        odd = "/%2f?#" if self.settings.strange else ""
        return f"{next(self._numbers):032x}{odd}"

    def quota(self, name: str) -> float | None:
        """Return a limit that a test set; None for none."""
        return self._quotas.get(name)

    def present(self) -> list[Vm]:
        """Return the machines that are not gone."""
        now = self.clock.now()
        return [vm for vm in self.vms.values() if vm.state(now) is not VmState.GONE]

    # -- controls --------------------------------------------------------------------------

    def change_type(self, name: str, **changes: Any) -> None:
        """Change an instance type, for instance its ``cents`` or ``regions``."""
        with self.lock:
            self.types = changed(self.types, name, **changes)

    def delete_key(self, name: str) -> None:
        """Delete SSH keys of a name, as somebody does it in the dashboard."""
        with self.lock:
            for entry in self.ledger().alive("key"):
                if entry.name == name:
                    self.keys.forget(entry.id)

    def make_unhealthy(self, name: str) -> None:
        """Let a machine be unhealthy: it is billed on."""
        with self.lock:
            self.find(name).order.tags["unhealthy"] = True

    def preempt(self, name: str, notice_s: float = 0) -> None:
        """Take a machine away. That may not be the end of its bill."""
        super().preempt(name, notice_s)
        with self.lock:
            if self.settings.preempted_bills:
                self.find(name).entry.gone_at = None

    def add_foreign(self, name: str, kind: str = "machine", **facts: Any) -> str:
        """Put something of somebody else into the first account and return its id."""
        with self.lock:
            if kind == "key":
                return self.keys.add_foreign(name, ACCOUNTS[KEY])
            if kind == "ruleset":
                return self.firewalls.add_foreign(name, ACCOUNTS[KEY], **facts)
            return super().add_foreign(name, kind, **facts)

    def foreign_order(self, name: str, **facts: Any) -> Order:
        """Return a machine that somebody made by hand in the first account."""
        kind = next(k for k in self.types if k.name == "gpu_1x_gh200")
        tags = {"kind": kind, "account": ACCOUNTS[KEY], "ssh_key": "laptop"}
        tags |= {"tags": [{"key": "team", "value": "research"}], "rulesets": []}
        region = facts.pop("region", "us-east-1")
        return Order(name, kind.name, region, kind.cents / 100, UserData(), tags=tags, **facts)

    def changed_of_others(self) -> list[str]:
        """Return what of somebody else's first belongings is not as it was."""
        with self.lock:
            now = self._state_of_others()
        return [what for what, before in self._others.items() if now.get(what) != before]

    def shown(self, name: str) -> dict[str, Any]:
        """Return a machine as the API shows it now."""
        return self.instances.view(self.find(name))

    def lets_in(self, name: str, port: int) -> bool:
        """Say whether the world reaches a TCP port of a machine."""
        return self.firewalls.lets_in(self.find(name), port)

    # -- a call ----------------------------------------------------------------------------

    def operation(self, request: Request) -> str:
        """Return method and path, ids replaced by ``ID``."""
        path = request.path.removeprefix(_API)
        if not path.endswith("/global"):
            path = re.sub(r"^(/(?:instances|ssh-keys|firewall-rulesets))/[^/]+", r"\1/ID", path)
        return f"{request.method} {path}"

    def handle(self, request: Request) -> Answer:
        """Answer one call, and hold both against the description."""
        try:
            answer = self._answered(request)
            if self.settings.strange:
                answer = Answer(answer.status, {"data": strange(answer.body["data"])})
        except Refused as refused:
            answer = refused.answer
            if self.settings.echo and isinstance(answer.body, dict):
                sent = f"{dict(request.headers)} {request.body.decode(errors='replace')}"
                answer.body["error"]["message"] += f" {sent}"
        self._hold_against_description(request, answer)
        return answer

    def _answered(self, request: Request) -> Answer:
        account = self._gate.account_of(request)
        for method, path, handler in self._routes:
            if method == request.method and (match := path.fullmatch(request.path)):
                if set(request.query) - {"cluster_id"}:
                    raise invalid("There is no such query parameter.")
                return handler(request, account, *map(unquote, match.groups()))
        raise Refused(404, "global/not-found", "The requested resource was not found.")

    def _hold_against_description(self, request: Request, answer: Answer) -> None:
        description, name = described(), self.operation(request)
        if description is None:
            return
        if answer.status < 400 and (fault := description.fault_of_request(request)):
            self.untrue.append(f"taken: {name}: {fault}")
        if fault := description.fault_of_answer(request, answer):
            self.untrue.append(f"answered: {name}: {fault}")

    # -- what is sold ----------------------------------------------------------------------

    def list_types(self, _: Request, __: str) -> Answer:
        """Tell types, prices and places."""
        shown = {
            kind.name: {
                "instance_type": kind.view(),
                "regions_with_capacity_available": [
                    region_view(region) for region in kind.regions if self._has(kind, region)
                ],
            }
            for kind in self.types
        }
        return Answer(200, {"data": shown})

    def list_regions(self, *_: object) -> Answer:
        """Tell all regions."""
        return Answer(200, {"data": [region_view(name) for name in REGIONS]})

    def list_images(self, *_: object) -> Answer:
        """Tell all images."""
        return Answer(200, {"data": image_views(REGIONS)})

    def list_file_systems(self, *_: object) -> Answer:
        """Tell that there are none."""
        return Answer(200, {"data": []})

    def _has(self, kind: Kind, region: str) -> bool:
        free = self.free(Place(kind.name, region, "", spot=False))
        return self.settings.phantom or free is None or free > 0

    def _state_of_others(self) -> dict[str, Any]:
        """Return what must stay as it is, by its name for people."""
        found: dict[str, Any] = {
            "the account's rules": list(self.firewalls.account_rules),
            "the rules of all regions": list(self.firewalls.global_rules),
        }
        looks = {"key": self.keys.snapshot, "ruleset": self.firewalls.snapshot}
        for entry in self._entries:
            if entry.foreign:
                look = looks.get(entry.kind, self._facts)
                found[f"{entry.kind} {entry.name}"] = look(entry.id)
        return found

    def _facts(self, id_: str) -> dict[str, Any]:
        vm = self.vms[id_]
        return {"name": vm.name, "state": vm.state(self.clock.now()), "tags": vm.order.tags["tags"]}


def _routes(cloud: Lambda) -> Iterator[tuple[str, re.Pattern[str], Callable[..., Answer]]]:
    """Yield method, path and what answers it."""
    vms, keys, rules = cloud.instances, cloud.keys, cloud.firewalls
    for method, path, handler in (
        ("GET", "/instance-types", cloud.list_types),
        ("GET", "/regions", cloud.list_regions),
        ("GET", "/images", cloud.list_images),
        ("GET", "/file-systems", cloud.list_file_systems),
        ("GET", "/instances", vms.list),
        ("GET", "/instances/([^/]+)", vms.get),
        ("POST", "/instances/([^/]+)", vms.rename),
        ("POST", "/instance-operations/launch", vms.launch),
        ("POST", "/instance-operations/terminate", vms.terminate),
        ("POST", "/instance-operations/restart", vms.restart),
        ("GET", "/ssh-keys", keys.list),
        ("POST", "/ssh-keys", keys.add),
        ("DELETE", "/ssh-keys/([^/]+)", keys.delete),
        ("GET", "/firewall-rules", rules.list_rules),
        ("PUT", "/firewall-rules", rules.replace_rules),
        ("GET", "/firewall-rulesets", rules.list),
        ("POST", "/firewall-rulesets", rules.create),
        ("GET", "/firewall-rulesets/global", rules.get_global),
        ("PATCH", "/firewall-rulesets/global", rules.patch_global),
        ("GET", "/firewall-rulesets/([^/]+)", rules.get),
        ("PATCH", "/firewall-rulesets/([^/]+)", rules.patch),
        ("DELETE", "/firewall-rulesets/([^/]+)", rules.delete),
    ):
        yield method, re.compile(_API + path), handler
