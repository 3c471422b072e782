"""Reaching a node, and what runs on it to end it or to be warned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.errors import CredentialsError, ProviderUnavailable
from arb.types import NoticeProbe, SelfTerminate, SshEndpoint
from arb_gcp.credentials import find_credentials
from arb_gcp.settings import APIS, Settings

if TYPE_CHECKING:
    from arb.types import Instance, ProviderContext

__all__ = ["credential_mounts", "notice_probe", "self_terminate", "ssh_endpoint"]

_ADC_ON_NODE: Final = "~/.config/gcloud/application_default_credentials.json"
_POWER_OFF: Final = (
    "off=$(command -v shutdown || echo shutdown); "
    'if [ "$(id -u)" = 0 ]; then "$off" -h now; else sudo -n "$off" -h now; fi'
)


def ssh_endpoint(context: ProviderContext, instance: Instance) -> SshEndpoint:
    """Return the image's SSH port and the user whom the ``ssh-keys`` metadata lets in.

    Raises:
        ProviderUnavailable: The machine has no address yet.
    """
    if not instance.address:
        raise ProviderUnavailable(f"gcp {instance.id} has no address yet", code="gcp-no-address")
    settings = Settings.of(context.options)
    return SshEndpoint(instance.address, settings.ssh_port, settings.ssh_user)


def credential_mounts(context: ProviderContext) -> dict[str, str]:
    """Return the credentials file, where Google's tools look for it; none is no error."""
    try:
        found = find_credentials(context, Settings.of(context.options))
    except CredentialsError:
        return {}
    return {_ADC_ON_NODE: str(found.path.absolute())} if found and found.path else {}


def self_terminate() -> SelfTerminate:
    """Return a shutdown: it ends the bill of the machine, whose disk is then still there."""
    return SelfTerminate(_POWER_OFF, leaves="the boot disk")


def notice_probe(context: ProviderContext) -> NoticeProbe:
    """Return the flag of the metadata server that turns TRUE some 30 s before the end."""
    settings = Settings.of(context.options)
    host = settings.endpoints.get("metadata", APIS["metadata"])
    return NoticeProbe(
        url=f"{host}computeMetadata/v1/instance/preempted",
        headers={"Metadata-Flavor": "Google"},
        match="TRUE",
        interval_s=3,
    )
