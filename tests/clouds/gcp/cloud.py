"""The simulated Google: who may call what, and the parts that answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from clouds.cloud import Cloud
from clouds.gcp import discovery
from clouds.gcp.accounts import Accounts, Grant
from clouds.gcp.engine import Engine
from clouds.gcp.errors import Refused, api_off, billing_off, forbidden, unauthorized
from clouds.gcp.filters import WrongFilter, masked
from clouds.gcp.others import Others
from clouds.gcp.permissions import NEEDED
from clouds.gcp.shop import PRICES
from clouds.gcp.state import PROJECT, GcpSettings
from clouds.http import Answer
from clouds.nodes import Nodes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clouds.http import Request
    from clouds.model import Vm

__all__ = ["Call", "Gcp"]

APIS = ("compute.v1", "cloudbilling.v1", "cloudresourcemanager.v3", "storage.v1")


@dataclass(frozen=True)
class Call:
    """One call of an API, understood.

    Attributes:
        parts: What varies in its path.
        wants_all: It would rather have no answer than one without some zones.
    """

    method: discovery.Method
    parts: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    grant: Grant
    wants_all: bool = False

    @property
    def project(self) -> str:
        """The project in the path."""
        return self.parts["project"]


class Gcp(Cloud):
    """Google Cloud, as far as the facts go: one project, ``arb-test``.

    Every request is checked against Google's own description of its APIs, and so is every answer:
    ``untrue`` collects answers that were not as described, and a fixture wants it empty.
    """

    CONTROLS: ClassVar[tuple[str, ...]] = (
        *Cloud.CONTROLS,
        "add_bucket",
        "change_price",
        "deny",
        "revoke",
        "switch_api",
        "switch_billing",
        "write_impersonation",
        "write_key",
        "write_user",
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.accounts = Accounts(PROJECT, self.clock.now)
        self.engine = Engine(self)
        self.others = Others(self)
        self.prices = dict(PRICES)
        self.denied: set[str] = set()
        self.apis_off: set[str] = set()
        self.is_billed = True
        self.untrue: list[str] = []

    def make_nodes(self, path: Path) -> Nodes:
        """Return machines that listen where Google's do, where this user may."""
        return Nodes(path, port=22, user="ubuntu", sshd="none")

    def make_settings(self) -> GcpSettings:
        """Return how it behaves at first."""
        return GcpSettings()

    # -- controls --------------------------------------------------------------------------

    def write_key(self, path: str, *, other: bool = False) -> str:
        """Write a service account's key file and return its path; ``other`` is somebody else's."""
        return str(self.accounts.write_key(Path(path), self.url, other=other))

    def write_user(self, path: str) -> str:
        """Write a user's application default credentials and return their path."""
        return str(self.accounts.write_user(Path(path)))

    def write_impersonation(self, path: str) -> str:
        """Write credentials that act as another service account, and return their path."""
        return str(self.accounts.write_impersonation(Path(path), self.url))

    def revoke(self, account: str = "") -> None:
        """Take an account away; the key's own by default."""
        self.accounts.revoked.add(account or self.accounts.email)

    def deny(self, *permissions: str, names: list[str] | None = None) -> None:
        """Take permissions from every account; over HTTP as ``names``."""
        self.denied.update(permissions, names or ())

    def switch_api(self, service: str, *, on: bool) -> None:
        """Switch an API of the project on or off, for instance ``compute.googleapis.com``."""
        (self.apis_off.discard if on else self.apis_off.add)(service)

    def switch_billing(self, *, on: bool) -> None:
        """Link a billing account to the project, or take it away."""
        self.is_billed = on

    def change_price(self, sku: str, usd: float) -> None:
        """Change a unit price, by the name in ``shop.PRICES``."""
        self.prices[sku] = usd

    def add_bucket(self, name: str, objects: dict[str, str], *, uniform: bool = True) -> None:
        """Make a bucket."""
        self.others.buckets[name] = (objects, uniform)

    def add_foreign(self, name: str, kind: str = "machine", **facts: Any) -> str:
        """Put something of somebody else into the project and return its id."""
        with self.lock:
            if kind == "machine":
                return self.engine.add_foreign(name, **facts)
            if kind == "firewall":
                return self.engine.firewalls.add_foreign(name)
        return super().add_foreign(name, kind, **facts)

    def preempt(self, name: str, notice_s: float = 0) -> None:
        """Take a machine away: it is deleted or stopped, as its scheduling says."""
        with self.lock:
            stopped = self.engine.stop_taken(name)
        if not stopped:
            super().preempt(name, notice_s)

    # -- the base's questions --------------------------------------------------------------

    def operation(self, request: Request) -> str:
        """Return Google's name of the call."""
        if special := self.others.name_of(request):
            return special
        found = self._found(request)
        return found[1].id if found else f"{request.method} {request.path}"

    def handle(self, request: Request) -> Answer:
        """Answer one call."""
        special = self.others.answer(request)
        if special is not None:
            return special
        found = self._found(request)
        if found is None:
            return Answer(404, "<html><title>Error 404 (Not Found)!!1</title></html>")
        api, method, parts = found
        try:
            return self._answer(api, method, parts, request)
        except Refused as refused:
            return refused.answer(old=api.name.startswith("compute"))

    def on_end(self, vm: Vm) -> None:
        """Write the end into the operation log; the boot disk goes with it."""
        self.engine.on_end(vm)

    def _notice_power_off(self, now: float) -> None:
        before = {vm.id: len(vm.switches) for vm in self.vms.values()}
        super()._notice_power_off(now)
        for vm in self.vms.values():
            if len(vm.switches) > before[vm.id]:
                self.engine.on_power_off(vm)

    def _found(
        self, request: Request
    ) -> tuple[discovery.Api, discovery.Method, dict[str, str]] | None:
        for name in APIS:
            api = discovery.load(name)
            match = api.match(request.method, request.path)
            if match:
                return api, *match
        return None

    def _answer(
        self,
        api: discovery.Api,
        method: discovery.Method,
        parts: Mapping[str, str],
        request: Request,
    ) -> Answer:
        grant = self.accounts.grant_of(request)
        if grant is None:
            raise unauthorized()
        if not grant.is_whole:
            said = "Request had insufficient authentication scopes."
            raise Refused(403, "insufficientPermissions", said)
        if api.name in self.apis_off:
            raise api_off(api.name, PROJECT)
        if api.name.startswith("compute") and not self.is_billed:
            raise billing_off(PROJECT)
        query = dict(request.query)
        partial = self.settings.lists_fail_whole and query.pop("returnPartialSuccess", "")
        call = Call(method, parts, query, self._body(request), grant, partial != "true")
        if fault := api.fault_of_request(method, parts, query, call.body):
            raise Refused(400, "invalid", fault)
        self._check_permissions(call)
        handler = self.engine.handlers.get(method.id) or self.others.handlers.get(method.id)
        if handler is None:
            raise Refused(501, "notImplemented", f"{method.id} is not simulated")
        said = handler(call)
        if fault := api.fault_of_value(method.gives, said):
            self.untrue.append(f"{method.id}: {fault}")
        try:
            return Answer(200, masked(said, request.query.get("fields", "")))
        except WrongFilter as error:
            raise Refused(400, "invalidParameter", str(error)) from None

    def _body(self, request: Request) -> Any:
        try:
            return request.json()
        except ValueError:
            raise Refused(400, "parseError", "Parse Error") from None

    def _check_permissions(self, call: Call) -> None:
        project = call.parts.get("project")
        needed = [*NEEDED.get(call.method.id, ()), *self.engine.more_permissions(call)]
        if project is not None and project != self.accounts.project_of(call.grant.account):
            raise forbidden(next(iter(needed), "compute.projects.get"), f"projects/{project}")
        for permission in needed:
            if permission in self.denied:
                raise forbidden(permission, f"projects/{project or PROJECT}")
