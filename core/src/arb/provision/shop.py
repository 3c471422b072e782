"""What buying needs: the journal, the providers, keys, a clock and somebody who listens."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from arb.errors import CredentialsError, PluginError, UsageError
from arb.provision.blocklist import Blocklist
from arb.provision.circumstances import Circumstances
from arb.state.events import ATTEMPT_OPENED, read_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from arb.errors import ArbError
    from arb.plugins import Plugins
    from arb.plugins.provider import Provider
    from arb.progress import Progress
    from arb.provision.journal import Journal
    from arb.state.leases import Lease
    from arb.state.store import Store
    from arb.state.vault import Vault
    from arb.types import Clock, ProvisionRequest

__all__ = ["Shop", "explained", "seller_of"]


_HOPELESS: Final = (UsageError, PluginError, CredentialsError)
"""Waiting does not mend these: the user must."""
_HOPELESS_S: Final = 300.0


def explained(error: ArbError) -> str:
    """Return an error in one line, with what to do when the user can."""
    return f"{error.summary}; {error.hint}" if error.hint else error.summary


def seller_of(store: Store, provider: str) -> str:
    """Return the distribution that a provider was last bought through, or the likely one."""
    for event in reversed(read_events(store, kinds=[ATTEMPT_OPENED])):
        data = json.loads(event.data)
        if data["provider"] == provider and data.get("sold_by"):
            return str(data["sold_by"]).partition(" ")[0]
    return f"arb-{provider}"


def _not_installed(store: Store, provider: str) -> UsageError:
    summary = f"the plugin of provider {provider} is not installed"
    hint = f"pip install {seller_of(store, provider)}"
    return UsageError(summary, code="unknown-provider", hint=hint)


def _no_files(_: str) -> Iterable[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Shop:
    """One process's means to buy and to give back.

    ``files_of`` returns the files that a provider's catalog was read from: refusals count only as
    long as they stay as they are.
    """

    journal: Journal
    plugins: Plugins
    vault: Vault
    clock: Clock
    progress: Progress
    files_of: Callable[[str], Iterable[str]] = field(default=_no_files, repr=False)
    blocklist: Blocklist = field(init=False, repr=False)
    unfinished: dict[str, ArbError] = field(default_factory=dict, init=False, repr=False)
    """Machine -> why this process could not have it ended; the wish is on disk all the same."""
    _told: set[str] = field(default_factory=set, init=False, repr=False)
    _gave_up: dict[str, float] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        """Begin to remember refusals."""
        circumstances = Circumstances(self.plugins, self.files_of)
        blocklist = Blocklist(self.journal.store, self.clock, circumstances)
        object.__setattr__(self, "blocklist", blocklist)

    def under(self, lease: Lease | None) -> Shop:
        """Return the same means whose journal writes belong to a turn, or to none."""
        twin = copy.copy(self)
        object.__setattr__(twin, "journal", self.journal.under(lease))
        return twin

    def heard_by(self, progress: Progress) -> Shop:
        """Return the same means that tell somebody else."""
        twin = copy.copy(self)
        object.__setattr__(twin, "progress", progress)
        return twin

    def provider(self, name: str) -> Provider:
        """Return an installed provider.

        Raises:
            UsageError: It is not installed; the hint says what to install.
            PluginError: It cannot be used.
        """
        try:
            return self.plugins.provider(name)
        except UsageError as error:
            if error.code != "unknown-provider":
                raise
            raise _not_installed(self.journal.store, name) from None

    def warn_left_open(self, what: str, error: ArbError) -> None:
        """Warn of what cannot be carried on with now; one reason is told once a process."""
        reason = explained(error)
        if reason not in self._told:
            self._told.add(reason)
            self.progress.warn(f"{what}: {reason}")

    def note_unfinished(self, machine: str, error: ArbError) -> None:
        """Remember that a machine could not be ended; a reason is told once a process."""
        self.unfinished[machine] = error
        if isinstance(error, _HOPELESS):
            self._gave_up[machine] = self.clock.monotonic() + _HOPELESS_S
        line = f"{machine} could not be ended: {explained(error)}"
        if line not in self._told:
            self._told.add(line)
            self.progress.warn(line)

    def gave_up_on(self, machine: str) -> bool:
        """Say whether this process cannot end a machine, whatever it waits for."""
        return self.clock.monotonic() < self._gave_up.get(machine, 0)

    def keep_host_keys(self, request: ProvisionRequest) -> None:
        """Keep the host keys of machines that are being made.

        Not before: most requests are refused, and nobody needs the keys of those again.
        """
        for setup in request.setups:
            if setup.host_key is not None:
                self.vault.put(f"host/{setup.token}", setup.host_key.private.encode())
