"""Checks of what a provider says of itself, and of its credentials."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from arb.errors import PluginError
from arb.plugins.loading import SUPPORTED_API, LoadedPlugin
from arb.plugins.table import PluginEntry
from arb.plugins.validation import PluginHooks
from arb.testing.cloud import Login
from arb.testing.orders import ContractOrders, told
from arb.testing.skips import NotProven
from arb.testing.verdict import ContractBroken, check, demand
from arb.types import Capability, CheckStatus, PeerNetwork

if TYPE_CHECKING:
    from arb.types import CheckResult, ProviderInfo

__all__ = ["InfoChecks"]

_COSTLY: Final = frozenset({"asyncio", "http.client", "ssl", "urllib.request"})
"""Modules of the standard library that a plugin has no use for before it is called."""
_IMPORT: Final = """
import importlib, json, sys
import arb.errors, arb.hookspecs, arb.types
before = set(sys.modules)
plugin = importlib.import_module(sys.argv[1])
if hasattr(plugin, "arb_provider_info"):
    plugin.arb_provider_info()
print(json.dumps(sorted(set(sys.modules) - before)))
"""
_WAITS: Final = ("minimum_s", "notice_s", "machine_interval_s", "poll_interval_s", "listing_lag_s")
_LIMITS: Final = ("readiness_timeout_s", "catalog_ttl_s")
_DAY_S: Final = 86_400
_PAIRED: Final = {Capability.STOP: ("arb_stop", "arb_start"), Capability.PORTS: ("arb_open_ports",)}


class InfoChecks(ContractOrders):
    """Import, hook API, information, capabilities, credentials."""

    @check
    def test_importing_the_plugin_needs_no_sdk(self) -> None:
        """Import the plugin's module and ask what it is: only its own light modules come in.

        ``arb_provider_info``: "A constant: no file, no network, no credentials, no SDK."
        """
        module = self.plugin if inspect.ismodule(self.plugin) else type(self.plugin)
        name: str = getattr(module, "__module__", None) or module.__name__
        if not _can_be_found(name):
            raise NotProven(f"the module {name} cannot be imported by another process")
        own = name.partition(".")[0]
        heavy = {
            found
            for found in imported_by(name)
            if found.partition(".")[0] not in {own, "arb", "pluggy", *sys.stdlib_module_names}
            or found in _COSTLY
        }
        listed = ", ".join(sorted(heavy)[:8])
        demand(not heavy, f"importing {name} imports {listed}: do it inside the hooks")

    @check
    def test_the_hook_api_is_one_that_the_core_speaks(self) -> None:
        """Read ``ARB_API``.

        ``arb.hookspecs``: "ARB_API = 1"
        """
        module = sys.modules.get(type(self.plugin).__module__)
        api = getattr(self.plugin, "ARB_API", getattr(module, "ARB_API", None))
        spoken = ", ".join(map(str, sorted(SUPPORTED_API)))
        demand(api in SUPPORTED_API, f"ARB_API is {api!r}; the core speaks {spoken}")

    @check
    def test_every_hook_has_the_form_of_its_specification(self) -> None:
        """Load the plugin as the core does: required hooks, markers, parameters.

        ``arb.hookspecs``: "must not give defaults or make them keyword-only"
        """
        entry = PluginEntry("arb.providers", self.name, self.name, "the plugin", "")
        try:
            PluginHooks.of(LoadedPlugin(entry, self.plugin, 1))
        except PluginError as error:
            raise ContractBroken(error.summary) from error

    @check
    def test_the_information_is_a_constant(self) -> None:
        """Ask twice.

        ``arb_provider_info``: "A constant"
        """
        again = self.call("arb_provider_info")
        demand(again == self.info, f"it said {self.info}, and then {again}")

    @check
    def test_the_information_holds_what_the_core_can_use(self) -> None:
        """Read every field: names that exist, numbers that make sense.

        ``ProviderInfo``: "What the core must know of a provider without credentials or network."
        """
        faults = info_faults(self.info)
        demand(not faults, "; ".join(faults))

    @check
    def test_capabilities_have_their_hooks_and_hooks_their_capability(self) -> None:
        """Compare what is named with what is implemented.

        ``arb_provider_info``: "A capability that is named must work and one that works must be
        named"
        """
        for capability, hooks in _PAIRED.items():
            for hook in hooks:
                demand(
                    (hook in self.hooks) == self.can(capability),
                    f"the capability {capability} is {'' if self.can(capability) else 'not '}named,"
                    f" and {hook} is {'there' if hook in self.hooks else 'missing'}",
                )

    @check
    def test_missing_credentials_are_not_configured(self) -> None:
        """Check without any credentials: the result says so, and what to do.

        ``arb_check``: "Missing credentials are ``NOT_CONFIGURED``"
        ``arb_check``: "all three are results, not exceptions"
        """
        self.need_account()
        self._expect_check(Login(), CheckStatus.NOT_CONFIGURED)

    @check
    def test_refused_credentials_are_refused(self) -> None:
        """Check with credentials that the backend refuses: the result says so, and what to do.

        ``arb_check``: "a refusal is ``REFUSED``"
        ``arb_check``: "all three are results, not exceptions"
        """
        self.need_account()
        self._expect_check(self.cloud.refused_login(), CheckStatus.REFUSED)

    @check
    def test_working_credentials_are_found_and_named(self) -> None:
        """Check with credentials that work: their source is told, and what they do not allow.

        ``arb_check``: "``source`` says where the credentials were found"
        """
        context = self.context("arb_check", login=self.cloud.login())
        result: CheckResult = self.call("arb_check", context)
        good = {CheckStatus.OK, CheckStatus.LIMITED}
        demand(result.status in good, f"it is {result.status}: {result.summary}")
        demand(result.summary, "the summary is empty")
        demand(result.source, "the source is empty")
        named = result.status is CheckStatus.OK or result.hint or result.missing
        demand(named, "it is LIMITED, and neither hint nor missing says how")

    @check
    def test_no_answer_to_a_check_is_unreachable(self) -> None:
        """Check while the backend answers nothing.

        ``arb_check``: "no answer is ``UNREACHABLE``: all three are results, not exceptions"
        """
        self.cloud.hang()
        context = self.hanging_context("arb_check")
        result, error = self.attempt("arb_check", context)
        demand(error is None, f"no answer is no result: {told(error)}")
        status = result.status
        demand(status is CheckStatus.UNREACHABLE, f"no answer is {status}, not UNREACHABLE")

    def _expect_check(self, login: Login, status: CheckStatus) -> None:
        context = self.context("arb_check", login=login)
        result, error = self.attempt("arb_check", context)
        demand(error is None, f"it is no result: {told(error)}")
        demand(result.status is status, f"it is {result.status}, not {status}")
        demand(result.summary, "the summary is empty")
        demand(result.hint, "no hint says what to do")


def _is_wait(seconds: float) -> bool:
    return 0 <= seconds < _DAY_S


def _can_be_found(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


@cache
def imported_by(module: str) -> frozenset[str]:
    """Return what an import of a module brings into a fresh interpreter that knows the contract."""
    run = subprocess.run(
        [sys.executable, "-c", _IMPORT, module],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    if run.returncode:
        last = run.stderr.strip().rpartition("\n")[2]
        raise ContractBroken(f"{module} cannot be imported by itself: {last}")
    return frozenset(json.loads(run.stdout.splitlines()[-1]))


def info_faults(info: ProviderInfo) -> list[str]:
    """Return what is wrong with a provider's information, one line each."""
    known = set(Capability)
    faults = [f"{c!r} is no capability" for c in info.capabilities if c not in known]
    if not info.display_name.strip():
        faults.append("display_name is empty")
    if not {Capability.ON_DEMAND, Capability.SPOT} & info.capabilities:
        faults.append("it names neither on-demand nor spot, so nothing can be bought")
    if not isinstance(info.peer_network, PeerNetwork):
        faults.append(f"peer_network is {info.peer_network!r}")
    faults += [f"{n} is {getattr(info, n)} s" for n in _WAITS if not _is_wait(getattr(info, n))]
    faults += [f"{n} is {getattr(info, n)} s" for n in _LIMITS if not getattr(info, n) > 0]
    for name, budget in info.rate_budgets.items():
        if not (budget.burst >= 1 and budget.per_s > 0):
            faults.append(f"the rate budget {name} lets nothing through")
    faults += [f"the option {o} has no help line" for o, h in info.options.items() if not h.strip()]
    return faults
