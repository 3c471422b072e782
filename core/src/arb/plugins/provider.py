"""The face that every provider shows to the core: one typed method a hook."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from arb.errors import PluginError, RateLimited, Refusal, StateError, UsageError, closest
from arb.plugins.budgets import BUDGETS_S
from arb.plugins.contexts import ContextMaker
from arb.plugins.origin import Origin
from arb.plugins.throttle import CallLimiter
from arb.plugins.validation import PluginHooks, check_capabilities
from arb.types import Capability

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pandas as pd

    from arb.plugins.invoke import Invoker
    from arb.plugins.loading import LoadedPlugin
    from arb.plugins.settings import PluginSettings
    from arb.types import (
        Catalog,
        CheckResult,
        ClusterRef,
        Instance,
        InstanceRef,
        Leftovers,
        Listing,
        ListQuery,
        NoticeProbe,
        Offer,
        ProviderContext,
        ProviderInfo,
        ProvisionRequest,
        ProvisionResult,
        SelfTerminate,
        SshEndpoint,
        Termination,
    )

__all__ = ["Answer", "Provider"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A hook's result with its origin.

    Attributes:
        value: As the specification of ``hook`` says.
        hook: Which hook.
        provider: The id of the provider.
        distribution: The distribution that answered.
        version: Its version.
    """

    value: Any
    hook: str
    provider: str
    distribution: str
    version: str


class Provider(Origin):
    """One usable provider. Its methods are the hooks of ``arb.hookspecs``, without the context.

    Every method may raise what its hook's specification says, and besides: ``PluginError`` when the
    plugin broke the contract, ``ProviderUnavailable`` with the code ``deadline`` when it hung. After
    that it is not entered again in this process, and what the call did is not known.

    Attributes:
        name: The provider's id.
        info: What it says of itself.
    """

    def __init__(
        self, hooks: PluginHooks, info: ProviderInfo, invoker: Invoker, settings: PluginSettings
    ) -> None:
        self.name: Final = hooks.entry.name
        self.info: Final = info
        super().__init__(hooks)
        self._invoker: Final = invoker
        self._contexts: Final = ContextMaker(settings, self.name, info.rate_budgets)

    @classmethod
    def open(cls, loaded: LoadedPlugin, invoker: Invoker, settings: PluginSettings) -> Provider:
        """Check an imported plugin, ask what it is, and return its facade.

        Raises:
            PluginError: It cannot be used.
            UsageError: ``provider_options`` names an option that it does not have.
        """
        hooks = PluginHooks.of(loaded)
        hook = "arb_provider_info"
        info: ProviderInfo = invoker.invoke(hooks, hook, dict, BUDGETS_S[hook])
        check_capabilities(hooks, info)
        _check_options(hooks.entry.name, settings.options.get(hooks.entry.name, {}), info.options)
        return cls(hooks, info, invoker, settings)

    @property
    def hung_in(self) -> str:
        """The hook that overran its deadline; empty while the provider may be called."""
        return self._hooks.hung_in

    def let_in_again(self) -> None:
        """Take a provider that hung for a working one, once all its calls that hung have ended."""
        hooks = self._hooks
        if hooks.hung_in and all(ended.is_set() for ended in hooks.hung_calls):
            hooks.hung_in = ""
            hooks.hung_calls.clear()

    def let_run(self, hook: str) -> None:
        """Take no notice of a call of this hook that hangs: nobody waits for it any more."""
        self._hooks.unawaited.add(hook)

    def __repr__(self) -> str:
        return f"<Provider {self.name} from {self._hooks.entry.origin}>"

    def has(self, hook: str) -> bool:
        """Say whether it implements a hook, for instance ``arb_poll``."""
        return hook in self._hooks.found

    def can(self, capability: Capability) -> bool:
        """Say whether it names a capability."""
        return capability in self.info.capabilities

    def budget_s(self, hook: str, machines: int = 1) -> float:
        """Return the seconds that a hook may take: the provider's own budget or the documented.

        Args:
            hook: For instance ``arb_provision``, which may take longer for more machines.
            machines: How many are ordered.
        """
        budget_s = self.info.hook_budgets_s.get(hook, BUDGETS_S[hook])
        more = machines - 1 if hook == "arb_provision" else 0
        return budget_s + more * self.info.machine_interval_s

    def ask(self, hook: str, /, **arguments: object) -> Answer:
        """Call any hook and return its result with its origin.

        Args:
            hook: For instance ``arb_catalog``.
            arguments: What its specification names, without ``context``.
        """
        if not self.has(hook):
            text = f"{self._hooks.entry.origin}: {hook} is not implemented"
            raise PluginError(text, code="hook-missing", hint="arb plugins lists what is")
        budget_s = self.budget_s(hook, getattr(arguments.get("request"), "count", 1))
        contexts: list[ProviderContext] = []

        def with_context() -> dict[str, object]:
            contexts.append(self._contexts.make(budget_s))
            return {"context": contexts[-1], **arguments}

        try:
            value = self._invoker.invoke(self._hooks, hook, with_context, budget_s)
        except RateLimited as error:
            _hold_others(contexts, error)
            raise
        return Answer(value, hook, self.name, self.distribution, self.version)

    def check(self) -> CheckResult:
        """Find out whether the credentials work."""
        result: CheckResult = self.ask("arb_check").value
        return result

    def catalog(self) -> Catalog:
        """Return every offer. The frame's ``attrs["arb"]`` says who made it."""
        answer = self.ask("arb_catalog")
        catalog: Catalog = answer.value
        catalog.frame.attrs["arb"] = _stamp(answer)
        return catalog

    def query_prices(self, offers: Sequence[Offer]) -> pd.DataFrame:
        """Return live price and availability of a few offers; ask ``has`` first.

        The frame's ``attrs["arb"]`` says who made it.
        """
        answer = self.ask("arb_query_prices", offers=tuple(offers))
        frame: pd.DataFrame = answer.value
        frame.attrs["arb"] = _stamp(answer)
        return frame

    def provision(self, request: ProvisionRequest) -> ProvisionResult:
        """Buy machines. Spends money.

        An error with ``never_sent`` says that the provider was not asked. Any other but a
        ``Refusal`` says nothing about what exists.
        """
        with _of_order(request):
            result: ProvisionResult = self.ask("arb_provision", request=request).value
        return replace(result, instances=_own(request, result.instances))

    def poll(self, request: ProvisionRequest, handle: str) -> tuple[Instance, ...]:
        """Say how an order is doing; ask ``has`` first."""
        with _of_order(request):
            found: tuple[Instance, ...] = self.ask("arb_poll", request=request, handle=handle).value
        return _own(request, found)

    def list_instances(self, query: ListQuery) -> Listing:
        """List machines that carry an arb token; what was not asked for is left out."""
        listing: Listing = self.ask("arb_list_instances", query=query).value
        if not query.tokens:
            return listing
        asked = tuple(i for i in listing.instances if i.token in query.tokens)
        return replace(listing, instances=asked)

    def terminate(self, instance: InstanceRef) -> Termination:
        """Stop paying for one instance."""
        result: Termination = self.ask("arb_terminate", instance=instance).value
        return result

    def list_leftovers(self, owner: str) -> Leftovers | None:
        """Say of which purchases there is anything beside machines; None when nobody can tell."""
        if not self.has("arb_list_leftovers"):
            return None
        found: Leftovers = self.ask("arb_list_leftovers", owner=owner).value
        return found

    def cleanup(self, cluster: ClusterRef) -> None:
        """Remove what is not an instance; nothing where the provider makes nothing else."""
        if self.has("arb_cleanup"):
            self.ask("arb_cleanup", cluster=cluster)

    def stop(self, instances: Sequence[InstanceRef]) -> tuple[Instance, ...]:
        """Stop machines.

        Raises:
            UsageError: The provider cannot.
        """
        self._require(Capability.STOP, "stop instances")
        found: tuple[Instance, ...] = self.ask("arb_stop", instances=tuple(instances)).value
        return found

    def start(self, instances: Sequence[InstanceRef]) -> tuple[Instance, ...]:
        """Start stopped machines again. Spends money.

        Raises:
            UsageError: The provider cannot.
        """
        self._require(Capability.STOP, "stop and start instances")
        found: tuple[Instance, ...] = self.ask("arb_start", instances=tuple(instances)).value
        return found

    def ssh_ports(self, instance: Instance) -> SshEndpoint:
        """Say where the SSH server of an instance listens."""
        endpoint: SshEndpoint = self.ask("arb_ssh_ports", instance=instance).value
        return endpoint

    def open_ports(self, cluster: ClusterRef, ports: Sequence[str]) -> None:
        """Let the world reach more TCP ports of a running cluster.

        Raises:
            UsageError: The provider cannot.
        """
        self._require(Capability.PORTS, "open ports of a running cluster")
        self.ask("arb_open_ports", cluster=cluster, ports=tuple(ports))

    def credential_mounts(self) -> Mapping[str, str]:
        """Name the credential files that the provider's own tools need on a node."""
        if not self.has("arb_credential_mounts"):
            return {}
        mounts: Mapping[str, str] = self.ask("arb_credential_mounts").value
        return mounts

    def self_terminate(self, instance: InstanceRef) -> SelfTerminate | None:
        """Return what a node runs to end its own billing, or None."""
        if not self.has("arb_self_terminate"):
            return None
        recipe: SelfTerminate | None = self.ask("arb_self_terminate", instance=instance).value
        return recipe

    def preemption_notice(self) -> NoticeProbe | None:
        """Return what a node watches to learn of its preemption, or None."""
        if not self.has("arb_preemption_notice"):
            return None
        probe: NoticeProbe | None = self.ask("arb_preemption_notice").value
        return probe

    def _require(self, capability: Capability, what: str) -> None:
        if not self.can(capability):
            raise UsageError(f"{self.name} cannot {what}", code="no-capability")


@contextmanager
def _of_order(request: ProvisionRequest) -> Iterator[None]:
    """Leave out of a refusal what is not of this order."""
    try:
        yield
    except Refusal as error:
        error.made = _own(request, error.made)
        raise


def _own(request: ProvisionRequest, instances: Iterable[Instance]) -> tuple[Instance, ...]:
    """Return the machines of an order: what carries another's token must not be ended with it."""
    tokens = {setup.token for setup in request.setups}
    return tuple(i for i in instances if not (i.token and tokens) or i.token in tokens)


def _hold_others(contexts: Sequence[ProviderContext], error: RateLimited) -> None:
    """Have other processes wait, too; that this fails is no reason to say anything else."""
    for context in contexts[-1:]:
        if isinstance(context.limiter, CallLimiter):
            with suppress(StateError):
                context.limiter.heard(error)


def _stamp(answer: Answer) -> dict[str, str]:
    return {
        "provider": answer.provider,
        "distribution": answer.distribution,
        "version": answer.version,
    }


def _check_options(name: str, given: Mapping[str, object], known: Mapping[str, str]) -> None:
    for option in given:
        if option not in known:
            summary = closest(option, known, what=f"option of provider {name}")
            hint = f"see provider_options.{name} in the configuration"
            raise UsageError(summary, code="unknown-option", hint=hint)
