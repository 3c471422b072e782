"""What the provider is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.types import Capability, PeerNetwork, ProviderInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OPTIONS", "provider_info"]

OPTIONS: Final[Mapping[str, str]] = {
    "hosts": "Your machines: a list, pools by name, or the path of a YAML file with either.",
    "user": "Who logs in where a host does not say; default: the name of this computer's user.",
    "identity_file": "Your key where a host does not name one; default: what ssh-agent holds.",
    "known_hosts": "File with host keys that are trusted; default: ~/.ssh/known_hosts.",
}


def provider_info() -> ProviderInfo:
    """Describe the provider."""
    return ProviderInfo(
        display_name="your own machines",
        capabilities=frozenset({Capability.ON_DEMAND, Capability.OWNED, Capability.LIVES_ON}),
        peer_network=PeerNetwork.PRIVATE,
        readiness_timeout_s=60,  # they run already: who does not let us in by then will not
        listing_lag_s=0,
        catalog_ttl_s=1,  # others take and free hosts too, and a look is cheap
        options=OPTIONS,
    )
