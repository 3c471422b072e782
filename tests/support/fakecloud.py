"""A provider whose every answer a test can script, reached through the real plugin facade."""

from __future__ import annotations

import itertools
import sys
import types
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from arb.hookspecs import hookimpl
from arb.plugins.table import PluginEntry
from arb.types import (
    Capability,
    Catalog,
    CheckResult,
    CheckStatus,
    Instance,
    InstanceState,
    Leftovers,
    Listing,
    Offer,
    ProviderInfo,
    ProvisionResult,
    SshEndpoint,
    Termination,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from arb.types import Clock, InstanceRef, ListQuery, ProvisionRequest

__all__ = ["FakeCloud", "offer"]

_NUMBERS = itertools.count(1)
_CAPABILITIES = frozenset({Capability.ON_DEMAND, Capability.SPOT, Capability.USER_DATA})


def offer(kind: str = "small", price: float = 1.0, **changes: Any) -> Offer:
    """Return an offer of the provider ``fake``; ``kind`` is its instance type and part of its id."""
    values: dict[str, Any] = {"provider": "fake", "region": "r1", "zone": "a"}
    values |= {"offer_id": kind, "instance_type": kind, "price_usd_hour": price} | changes
    return Offer(**values)


@dataclass
class FakeCloud:
    """Machines of one provider, and what its hooks say.

    Attributes:
        clock: Time, as the cloud sees it.
        info: What ``arb_provider_info`` returns; set it before the provider is opened.
        on_provision: One script a call, the last one for all further calls; empty sells. A script
            takes the request, and returns a result or raises.
        on_poll: The same for ``arb_poll``, which exists only when this is not None.
        on_prices: The same for ``arb_query_prices``. A script takes the offers and returns rows, each
            a dictionary of the hook's columns; ``available`` is unknown unless given.
        on_terminate: Scripts by instance id, then for all others under ``""``.
        on_list: Scripts for whole listings; they take the honest listing.
        on_cleanup: Scripts; they take the cluster reference.
        on_leftovers: The same for ``arb_list_leftovers``, which exists only when this is not None. A
            script takes the owner; without one, ``leftovers`` are told.
        leftovers: Tokens of purchases that left something beside machines; clean-up takes theirs away.
        on_ssh_ports: Scripts; they take the instance.
        hidden_until: Instance id -> time at which listings begin to show it.
        machines: Everything that was ever made.
        shop: What ``arb_catalog`` returns, unless ``catalog_error`` is raised.
        calls: ``(hook, argument)`` of every call, in order.
    """

    clock: Clock
    name: str = "fake"
    info: ProviderInfo = field(
        default_factory=lambda: ProviderInfo("Fake", _CAPABILITIES, readiness_timeout_s=600)
    )
    on_provision: list[Callable[[ProvisionRequest], ProvisionResult]] = field(default_factory=list)
    on_poll: list[Callable[[ProvisionRequest], list[Instance]]] | None = None
    on_prices: list[Callable[[tuple[Offer, ...]], list[dict[str, Any]]]] | None = None
    on_terminate: dict[str, list[Callable[[InstanceRef], Termination]]] = field(
        default_factory=dict
    )
    on_list: list[Callable[[Listing], Listing]] = field(default_factory=list)
    on_cleanup: list[Callable[[Any], None]] = field(default_factory=list)
    on_leftovers: list[Callable[[str], Leftovers]] | None = None
    on_ssh_ports: list[Callable[[Instance], SshEndpoint]] = field(default_factory=list)
    hidden_until: dict[str, float] = field(default_factory=dict)
    machines: dict[str, Instance] = field(default_factory=dict)
    leftovers: set[str] = field(default_factory=set)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    shop: list[Offer] = field(default_factory=list)
    catalog_error: Exception | None = None
    account: str = ""
    checked: CheckResult = field(default_factory=lambda: CheckResult(CheckStatus.OK, "fine"))
    with_cleanup: bool = True

    # -- what tests ask -------------------------------------------------------------------

    def called(self, hook: str) -> list[Any]:
        """Return the arguments of every call of one hook, in order."""
        return [argument for name, argument in self.calls if name == f"arb_{hook}"]

    def alive(self) -> list[str]:
        """Return the ids of machines that are billed."""
        return [id_ for id_, m in self.machines.items() if m.state is not InstanceState.GONE]

    # -- what scripts do ------------------------------------------------------------------

    def make(
        self, request: ProvisionRequest, count: int | None = None, **changes: Any
    ) -> tuple[Instance, ...]:
        """Make the first machines of a request, running, and return them."""
        batch = Capability.BATCH in self.info.capabilities
        made = []
        for rank in range(request.count if count is None else count):
            setup = request.setups[0 if batch else rank]
            number = len(self.machines) + 1
            values: dict[str, Any] = {"state": InstanceState.RUNNING, "zone": request.offer.zone}
            values |= {"address": f"10.0.0.{number}", "made_at": self.clock.now()} | changes
            machine = Instance(
                self.name, f"i-{number}", request.offer.region, token=setup.token, **values
            )
            self.machines[machine.id] = machine
            made.append(machine)
        return tuple(made)

    def sell(self, request: ProvisionRequest, **changes: Any) -> ProvisionResult:
        """Make all machines."""
        return ProvisionResult(self.make(request, **changes), "handle-1", self.account)

    @staticmethod
    def listed_prices(offers: tuple[Offer, ...], **prices: float | None) -> list[dict[str, Any]]:
        """Return rows of ``arb_query_prices``: the catalog's prices, but for some offer ids.

        None leaves the offer out.
        """
        return [
            {"offer_id": o.offer_id, "spot": o.spot, "price_usd_hour": price}
            for o in offers
            if (price := prices.get(o.offer_id, o.price_usd_hour)) is not None
        ]

    def change(self, id_: str, **changes: Any) -> None:
        """Change one machine."""
        self.machines[id_] = replace(self.machines[id_], **changes)

    # -- the plugin -----------------------------------------------------------------------

    def entry(self) -> PluginEntry:
        """Register a module with this cloud's hooks; return its row of the plugin table."""
        module = types.ModuleType(f"arb_fake_cloud_{next(_NUMBERS)}")
        sys.modules[module.__name__] = module
        module.ARB_API = 1  # type: ignore[attr-defined]
        for hook in self._hooks():
            setattr(module, hook.__name__, hookimpl(hook))
        return PluginEntry("arb.providers", self.name, module.__name__, f"arb-{self.name}", "1.0")

    def _hooks(self) -> list[Callable[..., Any]]:  # noqa: C901 - a list of small functions
        """Return the hooks as the plain functions that the plugin system takes."""

        def arb_provider_info():
            return self.info

        def arb_check(context):
            return self.checked

        def arb_catalog(context):
            import pandas as pd

            if self.catalog_error is not None:
                raise self.catalog_error
            own = {"provider", "source", "as_of"}
            unknown = {"available", "capacity", "user_data"}
            rows = [
                {k: v for k, v in asdict(o).items() if k not in own | unknown} for o in self.shop
            ]
            columns = [f.name for f in fields(Offer) if f.name not in own | unknown]
            frame = pd.DataFrame(rows, columns=columns)
            frame["available"] = pd.array([o.available for o in self.shop], dtype="boolean")
            return Catalog(frame, "bundled", 0.0)

        def arb_query_prices(context, offers):
            import pandas as pd

            self.calls.append(("arb_query_prices", offers))
            rows = self._scripted(self.on_prices, offers, self.listed_prices)
            columns = ["offer_id", "spot", "price_usd_hour", "available"]
            frame = pd.DataFrame(rows, columns=columns)
            return frame.astype({"spot": bool, "available": "boolean"})

        def arb_provision(context, request):
            self.calls.append(("arb_provision", request))
            return self._scripted(self.on_provision, request, self.sell)

        def arb_poll(context, request, handle):
            self.calls.append(("arb_poll", request))
            return self._scripted(self.on_poll, request, self._of_request)

        def arb_list_instances(context, query):
            self.calls.append(("arb_list_instances", query))
            return self._scripted(self.on_list, self._listing(query), lambda listing: listing)

        def arb_terminate(context, instance):
            self.calls.append(("arb_terminate", instance))
            scripts = self.on_terminate.get(instance.id) or self.on_terminate.get("") or []
            answer = self._scripted(scripts, instance, lambda _: Termination.GONE)
            if answer.gone and instance.id in self.machines:
                self.change(instance.id, state=InstanceState.GONE)
            return answer

        def arb_cleanup(context, cluster):
            self.calls.append(("arb_cleanup", cluster))
            self._scripted(self.on_cleanup, cluster, lambda _: None)
            self.leftovers -= set(cluster.tokens)

        def arb_list_leftovers(context, owner):
            self.calls.append(("arb_list_leftovers", owner))
            told = Leftovers(frozenset(self.leftovers), account=self.account)
            return self._scripted(self.on_leftovers, owner, lambda _: told)

        def arb_ssh_ports(context, instance):
            return self._scripted(
                self.on_ssh_ports, instance, lambda i: SshEndpoint(i.address, 22, "me")
            )

        hooks = [arb_provider_info, arb_check, arb_catalog, arb_provision, arb_list_instances]
        hooks += [arb_terminate, arb_ssh_ports]
        if self.with_cleanup:
            hooks.append(arb_cleanup)
        if self.on_leftovers is not None:
            hooks.append(arb_list_leftovers)
        if self.on_poll is not None:
            hooks.append(arb_poll)
        if self.on_prices is not None:
            hooks.append(arb_query_prices)
        return hooks

    @staticmethod
    def _scripted(scripts: Any, argument: Any, default: Callable[[Any], Any]) -> Any:
        if not scripts:
            return default(argument)
        script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        return script(argument)

    def _of_request(self, request: ProvisionRequest) -> list[Instance]:
        tokens = {setup.token for setup in request.setups}
        return [m for m in self.machines.values() if m.token in tokens]

    def _listing(self, query: ListQuery) -> Listing:
        now = self.clock.now()
        shown = tuple(
            machine
            for id_, machine in self.machines.items()
            if self.hidden_until.get(id_, 0) <= now
            and (not query.tokens or machine.token in query.tokens)
            and (not query.regions or machine.region in query.regions)
        )
        return Listing(shown, frozenset({Listing.EVERYWHERE}), account=self.account)
