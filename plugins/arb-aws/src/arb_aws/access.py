"""Reaching a node, and what runs on it to end it or to be warned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.errors import ProviderUnavailable
from arb.types import NoticeProbe, SelfTerminate, SshEndpoint
from arb_aws.handles import Handle
from arb_aws.session import file_of
from arb_aws.settings import Settings

if TYPE_CHECKING:
    from arb.types import Instance, InstanceRef, ProviderContext

__all__ = ["credential_mounts", "notice_probe", "self_terminate", "ssh_endpoint"]

_POWER_OFF: Final = (
    "off=$(command -v shutdown || echo shutdown); "
    'if [ "$(id -u)" = 0 ]; then "$off" -h now; else sudo -n "$off" -h now; fi'
)
_ON_NODE: Final = {"credentials_file": "~/.aws/credentials", "config_file": "~/.aws/config"}
_WATCHED: Final = {
    "interruption": "latest/meta-data/spot/instance-action",
    "rebalance": "latest/meta-data/events/recommendations/rebalance",
}
_TOKEN_HEADER: Final = "X-aws-ec2-metadata-token"  # noqa: S105 - the name of a header
_TOKEN_LIFE_S: Final = 21600


def ssh_endpoint(context: ProviderContext, instance: Instance) -> SshEndpoint:
    """Return the image's SSH port and user.

    Raises:
        ProviderUnavailable: The machine has no address yet.
    """
    if not instance.address:
        raise ProviderUnavailable(f"aws {instance.id} has no address yet", code="aws-no-address")
    settings = Settings.of(context.options)
    user = settings.ssh_user or Handle.of(instance.payload).user or "ubuntu"
    return SshEndpoint(instance.address, settings.ssh_port, user)


def credential_mounts(context: ProviderContext) -> dict[str, str]:
    """Return the files of keys and profiles that are there, at AWS's usual places."""
    paths = {remote: file_of(context, which) for which, remote in _ON_NODE.items()}
    return {remote: str(path.absolute()) for remote, path in paths.items() if path.is_file()}


def self_terminate(instance: InstanceRef) -> SelfTerminate | None:
    """Return a shutdown: on-demand machines are made so that it terminates them.

    None for spot: what a shutdown from inside does there is not established.
    """
    return None if Handle.of(instance.handle).spot else SelfTerminate(_POWER_OFF)


def notice_probe(context: ProviderContext) -> NoticeProbe:
    """Return what the metadata service shows before an interruption; 404 until then."""
    settings = Settings.of(context.options)
    return NoticeProbe(
        url=f"{settings.metadata_url}/{_WATCHED[settings.notice]}",
        token_url=f"{settings.metadata_url}/latest/api/token",
        token_header=_TOKEN_HEADER,
        token_request_headers={f"{_TOKEN_HEADER}-ttl-seconds": str(_TOKEN_LIFE_S)},
        interval_s=5,
    )
