"""What buying needs: the journal, the providers, keys, time and somebody who listens."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from arb.provision.blocklist import Blocklist

if TYPE_CHECKING:
    from arb.errors import ArbError
    from arb.plugins import Plugins
    from arb.plugins.provider import Provider
    from arb.progress import Progress
    from arb.provision.journal import Journal
    from arb.state.leases import Lease
    from arb.state.vault import Vault
    from arb.types import Clock, ProvisionRequest

__all__ = ["Shop", "explained"]


def explained(error: ArbError) -> str:
    """Return an error in one line, with what to do when the user can."""
    return f"{error.summary}; {error.hint}" if error.hint else error.summary


@dataclass(frozen=True, slots=True)
class Shop:
    """One process's means to buy and to give back."""

    journal: Journal
    plugins: Plugins
    vault: Vault
    clock: Clock
    progress: Progress
    blocklist: Blocklist = field(init=False, repr=False)
    unfinished: dict[str, ArbError] = field(default_factory=dict, init=False, repr=False)
    """Machine -> why this process could not have it ended; the wish is on disk all the same."""
    _told: set[str] = field(default_factory=set, init=False, repr=False)

    def __post_init__(self) -> None:
        """Begin to remember refusals."""
        object.__setattr__(self, "blocklist", Blocklist(self.journal.store, self.clock))

    def under(self, lease: Lease | None) -> Shop:
        """Return the same means whose journal writes belong to a turn, or to none."""
        twin = copy.copy(self)
        object.__setattr__(twin, "journal", self.journal.under(lease))
        return twin

    def provider(self, name: str) -> Provider:
        """Return an installed provider.

        Raises:
            UsageError: It is not installed; the hint says what to install.
        """
        return self.plugins.provider(name)

    def warn_left_open(self, what: str, error: ArbError) -> None:
        """Warn of what cannot be carried on with now; one reason is told once a process."""
        reason = explained(error)
        if reason not in self._told:
            self._told.add(reason)
            self.progress.warn(f"{what}: {reason}")

    def keep_host_keys(self, request: ProvisionRequest) -> None:
        """Keep the host keys of machines that are being made.

        Not before: most requests are refused, and nobody needs the keys of those again.
        """
        for setup in request.setups:
            if setup.host_key is not None:
                self.vault.put(f"host/{setup.token}", setup.host_key.private.encode())
