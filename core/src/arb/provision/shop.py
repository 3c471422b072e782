"""What buying needs: the journal, the providers, keys, time and somebody who listens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arb.errors import ArbError
    from arb.plugins import Plugins
    from arb.plugins.provider import Provider
    from arb.progress import Progress
    from arb.provision.journal import Journal
    from arb.state.vault import Vault
    from arb.types import Clock, HostKey, Offer

__all__ = ["Shop"]


@dataclass(frozen=True, slots=True)
class Shop:
    """One process's means to buy and to give back."""

    journal: Journal
    plugins: Plugins
    vault: Vault
    clock: Clock
    progress: Progress

    def provider(self, name: str) -> Provider:
        """Return an installed provider.

        Raises:
            UsageError: It is not installed; the hint says what to install.
        """
        return self.plugins.provider(name)

    def host_key(self, token: str) -> HostKey:
        """Make the host key of one machine, or return the one that was made."""
        from arb.nodes.keys import host_key

        return host_key(self.vault, token)

    def block(self, offer: Offer, error: ArbError) -> None:
        """Remember a refusal: what it covers is skipped until it expires."""
        from arb.provision.blocklist import remember

        remember(self.journal.store, offer, error)

    def blocked(self, offer: Offer) -> str | None:
        """Return the reason when an earlier refusal covers this offer."""
        from arb.provision.blocklist import covering

        return covering(self.journal.store, offer)
