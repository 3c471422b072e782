"""Checks of how nodes are reached, warned and ended, and of what is copied to them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from arb.testing.cloud import Login
from arb.testing.orders import ContractOrders, told
from arb.testing.rig import OWNER
from arb.testing.verdict import check, demand
from arb.types import Capability, NoticeProbe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.types import InstanceRef, SelfTerminate, SshEndpoint

__all__ = ["NodeChecks"]

_PRIVATE: Final = re.compile(r"(?m)^(-----BEGIN [A-Z ]*PRIVATE KEY-----|PuTTY-User-Key-File)")
"""A file that is a key; not a provider's own credentials that hold one among other things."""
_SCHEMES: Final = ("http://", "https://")
_PORTS: Final = ("8080", "8000-8010")


class NodeChecks(ContractOrders):
    """``arb_ssh_ports``, ``arb_open_ports``, and what is computed for a node."""

    @check
    def test_a_running_machine_says_where_ssh_listens(self) -> None:
        """Ask for the endpoint of a running machine, and compare it with the truth.

        ``arb_ssh_ports``: "Port forwards of the provider are applied; the user is the one that the
        image lets ``authorized_key`` in for."
        """
        (machine,) = self.running(self.buy())
        said: SshEndpoint = self.call("arb_ssh_ports", instance=machine)
        really = self.cloud.endpoint(self.ledger_id(machine.id))
        demand(said == really, f"it says {said}, and {really} is true")

    @check
    def test_ports_can_be_opened_twice(self) -> None:
        """Open the same ports of a running cluster twice.

        ``arb_open_ports``: "Idempotent; ports that are open stay open."
        ``arb_open_ports``: "What is made carries one of its tokens."
        """
        self.need(Capability.PORTS)
        bought = self.buy()
        cluster = self.cluster(bought, self.running(bought))
        before = self.things()
        for _ in range(2):
            _, error = self.attempt("arb_open_ports", cluster=cluster, ports=_PORTS)
            demand(error is None, f"it raised {told(error)}")
        made = {name for i, name in self.things().items() if i not in before}
        stray = [n for n in made if bought.request.token not in n and OWNER not in n]
        demand(not stray, f"nobody can tell whose these are: {', '.join(map(repr, stray))}")
        lost = before.keys() - self.things().keys()
        demand(not lost, f"opening ports took {', '.join(sorted(lost))} away")

    @check
    def test_the_way_to_end_itself_is_what_the_capability_says(self) -> None:
        """Ask for the recipe of an on-demand machine.

        ``arb_self_terminate``: "With the capability ``SELF_TERMINATE`` it must be one that needs no
        account key."
        ``SelfTerminate``: "Shell line, run as root where possible."
        """
        self.need_hook("arb_self_terminate")
        recipe: SelfTerminate | None = self.call("arb_self_terminate", instance=self._ref())
        named = self.can(Capability.SELF_TERMINATE)
        keyless = recipe is not None and not recipe.needs_account_key
        demand(
            keyless == named,
            f"the capability is {'' if named else 'not '}named, and the recipe is {recipe}",
        )
        if recipe is not None:
            demand(recipe.command.strip(), "the command is empty")
            one_line = "\n" not in recipe.command.strip()
            demand(one_line, "the command is more than one line")

    @check
    def test_the_warning_is_one_that_a_node_can_watch(self) -> None:
        """Ask for the probe.

        ``NoticeProbe``: "Either ``url`` is polled every ``interval_s``, or ``path`` is a file that
        appears."
        ``arb_preemption_notice``: "``ProviderInfo.notice_s`` says how long the warning is."
        """
        self.need_hook("arb_preemption_notice")
        probe: NoticeProbe | None = self.call("arb_preemption_notice")
        warned = self.info.notice_s > 0
        demand(
            (probe is not None) == warned, f"notice_s is {self.info.notice_s}, and it is {probe}"
        )
        faults = probe_faults(probe) if probe else []
        demand(not faults, "; ".join(faults))

    @check
    def test_mounted_credentials_are_files_that_are_there(self) -> None:
        """Ask for the files that a node needs, with and without credentials.

        ``arb_credential_mounts``: "Remote path (``~`` allowed) to local absolute path, existing
        files only. Never a private SSH key, never a folder."
        """
        self.need_hook("arb_credential_mounts")
        for login in (self.account, Login()):
            for remote, local in self._mounts(login).items():
                path = Path(local)
                demand(path.is_absolute(), f"{local} is not absolute")
                demand(path.is_file(), f"{local} is no file")
                rooted = remote.startswith(("/", "~/"))
                demand(rooted, f"{remote!r} is neither absolute nor below ~")

    @check
    def test_no_private_ssh_key_is_mounted(self) -> None:
        """Ask for the files that a node needs while the user has an SSH key.

        ``arb_credential_mounts``: "Never a private SSH key, never a folder."
        """
        self.need_hook("arb_credential_mounts")
        for local in self._mounts(self.account).values():
            path = Path(local)
            text = path.read_text(errors="replace") if path.is_file() else ""
            demand(not _PRIVATE.search(text), f"{local} is a private key")
            demand(".ssh" not in path.parts, f"{local} is the user's own")

    def _mounts(self, login: Login) -> Mapping[str, str]:
        context = self.context("arb_credential_mounts", login=login)
        mounts: Mapping[str, str] = self.call("arb_credential_mounts", context)
        return mounts

    def _ref(self) -> InstanceRef:
        bought = self.buy()
        (machine,) = self.found(bought)
        return bought.ref(machine)


def probe_faults(probe: NoticeProbe) -> list[str]:
    """Return what a node could not do with a probe, one line each."""
    faults = []
    if bool(probe.url) == bool(probe.path):
        faults.append("it has both url and path" if probe.url else "it has neither url nor path")
    urls = [url for url in (probe.url, probe.token_url) if url]
    faults += [f"{u!r} is no HTTP address" for u in urls if not u.startswith(_SCHEMES)]
    if bool(probe.token_url) != bool(probe.token_header):
        faults.append("token_url and token_header go together")
    if probe.path and not probe.path.startswith(("/", "~/")):
        faults.append(f"{probe.path!r} is neither absolute nor below ~")
    if not 0 < probe.interval_s <= 60:  # noqa: PLR2004 - seconds: no warning is longer than some minutes
        faults.append(f"interval_s is {probe.interval_s}")
    return faults
