"""What every check stands on: the plugin's hooks, contexts to call them with, and what they said."""

from __future__ import annotations

import inspect
import shutil
import tempfile
import threading
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from arb.errors import ArbError, Refusal
from arb.hookspecs import PROVIDER_HOOKS
from arb.plugins.budgets import BUDGETS_S
from arb.plugins.calls import call
from arb.plugins.results import WrongResult, checked, own_instances
from arb.testing.cloud import ContractCloud, Login
from arb.testing.limiter import RecordingLimiter
from arb.testing.skips import DoesNotApply, NotProven
from arb.testing.verdict import ContractBroken
from arb.testing.watch import Watch
from arb.types import Capability, ProviderContext

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from arb.plugins.calls import Outcome
    from arb.types import Clock, ProviderInfo

__all__ = ["OWNER", "ContractRig", "Heard"]

OWNER: Final = "contract"
"""The owner in tokens of the suite: 8 characters of base32, as every owner's."""
DECOY: Final = "-----BEGIN OPENSSH PRIVATE KEY-----\nZGVjb3ktb2YtdGhlLXVzZXI\n"
"""The user's own SSH key in every home folder of the suite: nobody may read it."""
_WALL_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Heard:
    """One call as the outside saw it. ``outcome`` is a result or an exception."""

    hook: str
    outcome: object


class ContractRig:
    """The part of ``ProviderContract`` that is not a check. See there."""

    plugin: ClassVar[Any] = None
    provider: ClassVar[str] = ""
    options: ClassVar[Mapping[str, object]] = {}
    deviations: ClassVar[Mapping[str, str]] = {}
    hang_budget_s: ClassVar[float] = 1.0

    # -- to override -----------------------------------------------------------------------

    def make_cloud(self) -> ContractCloud:
        """Return the backend of this check, new and empty.

        Default: one that can do nothing, so that only what needs no backend is proven.
        """
        return ContractCloud()

    def make_context(
        self, login: Login, folder: Path, home: Path, *, clock: Clock, deadline: float
    ) -> ProviderContext:
        """Return what a hook is called with.

        Args:
            login: Whose account; what ``everybody`` of the cloud has is added.
            folder: Of one computer: its cache and data folders are made below it.
            home: The user's home folder; the login's files and an SSH key of the user are there.
            clock: Time.
            deadline: In ``clock.monotonic()`` time.
        """
        for name in ("cache", "data"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        everybody = self.cloud.everybody()
        return ProviderContext(
            provider=self.name,
            owner=OWNER,
            options={**self.options, **everybody.options, **login.options},
            cache_dir=folder / "cache",
            data_dir=folder / "data",
            env={"HOME": str(home), **everybody.env, **login.env},
            home=home,
            clock=clock,
            limiter=RecordingLimiter(deadline, self.acquired),
            deadline=deadline,
        )

    # -- life of a check -------------------------------------------------------------------

    def teardown_method(self) -> None:
        """End a check: the backend is closed, the folders are removed. pytest calls it."""
        cloud = self.__dict__.get("cloud")
        if cloud is not None:
            cloud.close()
        if "folder" in self.__dict__:
            shutil.rmtree(self.folder, ignore_errors=True)

    @cached_property
    def cloud(self) -> ContractCloud:
        """The backend of this check."""
        return self.make_cloud()

    @cached_property
    def folder(self) -> Path:
        """A folder of this check."""
        return Path(tempfile.mkdtemp(prefix="arb-contract-"))

    @cached_property
    def heard(self) -> list[Heard]:
        """What hooks returned and raised so far, in order."""
        return []

    @cached_property
    def printed(self) -> set[str]:
        """Hooks that wrote to standard output."""
        return set()

    @cached_property
    def acquired(self) -> list[tuple[str, bool]]:
        """Rate budgets that were asked for, and whether the wait was bounded by the deadline."""
        return []

    @cached_property
    def _homes(self) -> list[tuple[Login, Path]]:
        return []

    @cached_property
    def account(self) -> Login:
        """Credentials that work; none where the cloud has no account."""
        try:
            return self.cloud.login()
        except NotProven:
            return Login()

    # -- the plugin ------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The provider's id: ``provider``, else from the name of the plugin's package."""
        module = getattr(self.plugin, "__name__", type(self.plugin).__module__)
        package = module.partition(".")[0]
        return self.provider or package.removeprefix("arb_").replace("_", "-")

    @cached_property
    def hooks(self) -> dict[str, Callable[..., Any]]:
        """What the plugin implements, by hook."""
        found = {hook: getattr(self.plugin, hook, None) for hook in PROVIDER_HOOKS}
        return {hook: function for hook, function in found.items() if callable(function)}

    @cached_property
    def info(self) -> ProviderInfo:
        """What the provider says of itself."""
        info: ProviderInfo = self.call("arb_provider_info")
        return info

    def can(self, capability: Capability) -> bool:
        """Say whether the provider names a capability."""
        return capability in self.info.capabilities

    def need_hook(self, hook: str) -> None:
        """Skip the check unless the provider has a hook."""
        if hook not in self.hooks:
            raise DoesNotApply(f"the provider has no {hook}")

    def need(self, capability: Capability) -> None:
        """Skip the check unless the provider names a capability."""
        if not self.can(capability):
            raise DoesNotApply(f"the provider does not name the capability {capability}")

    def need_account(self) -> None:
        """Skip the check where no credentials are needed."""
        if not self.cloud.login():
            raise DoesNotApply("the provider needs no account")

    # -- calls -----------------------------------------------------------------------------

    def context(
        self,
        hook: str = "arb_provision",
        *,
        login: Login | None = None,
        computer: str = "one",
        clock: Clock | None = None,
        budget_s: float | None = None,
    ) -> ProviderContext:
        """Return what a hook is called with.

        Args:
            hook: Whose time budget.
            login: Credentials; those that work by default. ``Login()`` is none.
            computer: Calls with the same name share their cache and data folders.
            clock: Time; the cloud's by default.
            budget_s: Instead of the hook's own.
        """
        login = self.account if login is None else login
        clock = clock or self.cloud.clock
        if budget_s is None:
            budget_s = self.info.hook_budgets_s.get(hook, BUDGETS_S[hook])
        deadline = clock.monotonic() + budget_s
        folder = self.folder / computer
        return self.make_context(login, folder, self._home(login), clock=clock, deadline=deadline)

    def hanging_context(self, hook: str, *, login: Login | None = None) -> ProviderContext:
        """Return a context with little time, whose clock is a ``Watch``; call ``hang`` before."""
        watch = Watch(self.cloud.clock)
        return self.context(hook, login=login, clock=watch, budget_s=self.hang_budget_s)

    def call(
        self,
        hook: str,
        context: ProviderContext | None = None,
        /,
        *,
        raw: bool = False,
        wall_s: float = _WALL_S,
        **arguments: object,
    ) -> Any:
        """Call a hook as the core does, with what it names of ``arguments``.

        Args:
            hook: Which; it must be there.
            context: By default the one of working credentials.
            raw: Take the result as it is.
            wall_s: Seconds of real time to wait for it.
            arguments: What the specification names, without ``context``.

        Raises:
            ArbError: As the hook raised it.
            ContractBroken: It raised anything else, returned what it may not, or did not return.
        """
        if hook not in self.hooks:
            raise NotProven(f"the provider has no {hook}")
        function = self.hooks[hook]
        wanted = _parameters(function)
        if "context" in wanted:
            arguments["context"] = context or self.context(hook)
        given = {name: value for name, value in arguments.items() if name in wanted}
        outcome = self.run(lambda: function(**given), hook, wall_s)
        if outcome.printed is not None:
            self.printed.add(hook)
        if not outcome.finished:
            raise ContractBroken(f"{hook} had not returned after {wall_s:g} s")
        self.heard.append(Heard(hook, outcome.error or outcome.value))
        if outcome.error is not None:
            raise self._told(hook, outcome.error)
        return outcome.value if raw else self._checked(hook, outcome.value)

    def run(self, function: Callable[[], Any], hook: str, wall_s: float) -> Outcome[Any]:
        """Run one call as the core does: in a thread of its own, for at most ``wall_s``."""
        return call(function, budget_s=wall_s, name=f"contract.{hook}")

    def attempt(
        self, hook: str, context: ProviderContext | None = None, /, **arguments: Any
    ) -> tuple[Any, ArbError | None]:
        """Call a hook and return its result, or the error that it raised."""
        try:
            return self.call(hook, context, **arguments), None
        except ArbError as error:
            return None, error

    def _checked(self, hook: str, value: object) -> Any:
        try:
            return checked(hook, value, self.name)
        except WrongResult as wrong:
            raise ContractBroken(f"{hook} {wrong}") from wrong

    def _told(self, hook: str, error: BaseException) -> BaseException:
        """Return what to raise for what a hook raised."""
        if not isinstance(error, ArbError):
            kind = type(error).__name__
            broken = ContractBroken(f"{hook} raised {kind}, not an error of arb.errors: {error}")
            broken.__cause__ = error
            return broken
        if isinstance(error, Refusal):
            try:
                error.made = own_instances(error.made, self.name)
            except WrongResult as wrong:
                return ContractBroken(f"made of a refusal of {hook}: {wrong}")
        return error

    def _home(self, login: Login) -> Path:
        """Return the home folder of a login, made when it is first used."""
        with _HOMES:
            for known, home in self._homes:
                if known is login or (not known and not login):
                    return home
            home = self.folder / f"home-{len(self._homes)}"
            files = {".ssh/id_ed25519": DECOY, **login.files}
            for name, content in files.items():
                path = home / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
                path.chmod(0o600)
            self._homes.append((login, home))
            return home


_HOMES: Final = threading.Lock()


@lru_cache(maxsize=256)
def _parameters(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)
