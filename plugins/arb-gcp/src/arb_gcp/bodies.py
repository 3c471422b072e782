"""Bodies of requests, as functions of what was ordered: no clock, no chance, no look-up."""

from __future__ import annotations

import base64
import json
import math
import re
import shlex
import uuid
from typing import TYPE_CHECKING, Any, Final

from arb_gcp.images import boot_disk_type, default_image, image_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from arb.types import NodeSetup, Offer, ProvisionRequest
    from arb_gcp.settings import Settings

__all__ = [
    "ATTEMPT_LABEL",
    "OWNER_LABEL",
    "firewall_bodies",
    "instance_body",
    "labels_of",
    "ports_body",
    "request_id",
]

OWNER_LABEL: Final = "arb-owner"
ATTEMPT_LABEL: Final = "arb-attempt"
_CLUSTER_LABEL: Final = "arb-cluster"
_NOT_IN_LABELS: Final = re.compile(r"[^a-z0-9_-]+")
_RESERVED: Final = "goog"
"""Labels that begin so are Google's own, and refused."""
_LONGEST_LABEL: Final = 63
_MOST_LABELS: Final = 60
"""Google takes 64; ours are among them."""
_DONE_FILE: Final = "/var/lib/arb-setup-done"
_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"

# For images without cloud-init. Google's guest agent runs it at every boot, as root.
_STARTUP: Final = f"""#!/bin/sh
if command -v cloud-init >/dev/null 2>&1; then exit 0; fi
if [ -e {_DONE_FILE} ]; then exit 0; fi
set -eu
umask 077
put() {{
  mkdir -p "$(dirname "$1")"
  base64 -d >"$1"
  chmod "$2" "$1"
  chown "$3" "$1"
}}
"""


def request_id(name: str) -> str:
    """Return the ``requestId`` under which what has this name is ordered, however often it is sent."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"arb:{name}"))


def instance_body(
    request: ProvisionRequest, setup: NodeSetup, settings: Settings
) -> dict[str, Any]:
    """Return the ``Instance`` to insert for one machine.

    Args:
        request: The order.
        setup: Of this machine; its secrets go into the metadata and nowhere else.
        settings: Checked options.
    """
    offer = request.offer
    body: dict[str, Any] = {
        "name": setup.token,
        "machineType": f"zones/{offer.zone}/machineTypes/{offer.instance_type}",
        "disks": [_boot_disk(request, settings)],
        "networkInterfaces": [_interface(offer.region, settings)],
        "scheduling": _scheduling(offer),
        "labels": labels_of(request),
        "tags": {"items": [request.token]},
        "metadata": {"items": _metadata(request, setup, settings)},
    }
    guest = json.loads(offer.payload or "{}").get("guest")
    if guest:
        kind = f"zones/{offer.zone}/acceleratorTypes/{guest['type']}"
        body["guestAccelerators"] = [
            {"acceleratorType": kind, "acceleratorCount": int(guest["count"])}
        ]
    if settings.service_account:
        account = {"email": settings.service_account, "scopes": [_SCOPE]}
        body["serviceAccounts"] = [account]
    return body


def labels_of(request: ProvisionRequest) -> dict[str, str]:
    """Return the user's labels as Google takes them, and ours, which win."""
    owner = request.token.split("-")[1]
    chosen: dict[str, str] = {}
    for key, value in sorted(request.labels.items()):
        name = _label(key)
        if name and not name.startswith(_RESERVED) and len(chosen) < _MOST_LABELS:
            chosen[name if name[0].isalpha() else f"x{name}"[:_LONGEST_LABEL]] = _label(value)
    own = {
        OWNER_LABEL: owner,
        ATTEMPT_LABEL: request.token,
        _CLUSTER_LABEL: _label(request.cluster),
    }
    return chosen | own


def firewall_bodies(request: ProvisionRequest, settings: Settings) -> list[dict[str, Any]]:
    """Return the rules of one attempt; each is named after its token and meets its machines only.

    SSH from where the user allows it, the task's ports from everywhere, and between the nodes of a
    gang everything.
    """
    token = request.token
    ranges = list(settings.ssh_source_ranges)
    rules = [_rule(token, "ssh", settings, _tcp(str(settings.ssh_port)), sourceRanges=ranges)]
    if request.ports:
        rules.append(ports_body(token, request.ports, settings))
    if request.count > 1:
        whole = [{"IPProtocol": protocol} for protocol in ("tcp", "udp", "icmp")]
        rules.append(_rule(token, "peers", settings, whole, sourceTags=[token]))
    return rules


def ports_body(token: str, ports: Iterable[str], settings: Settings) -> dict[str, Any]:
    """Return the rule for ports that the world may reach."""
    return _rule(token, "ports", settings, _tcp(*ports), sourceRanges=["0.0.0.0/0"])


def _rule(
    token: str, kind: str, settings: Settings, allowed: Sequence[Mapping[str, Any]], **sources: Any
) -> dict[str, Any]:
    return {
        "name": f"{token}-{kind}",
        "description": "made by arb; it goes with its cluster",
        "network": settings.network_path,
        "direction": "INGRESS",
        "allowed": list(allowed),
        "targetTags": [token],
        **sources,
    }


def _tcp(*ports: str) -> list[dict[str, Any]]:
    return [{"IPProtocol": "tcp", "ports": sorted(set(ports))}]


def _boot_disk(request: ProvisionRequest, settings: Settings) -> dict[str, Any]:
    offer = request.offer
    image = image_path(request.image or settings.image or default_image(offer))
    kind = settings.disk_type or boot_disk_type(offer.instance_type)
    size = math.ceil(request.disk_gib) or settings.disk_gib
    return {
        "boot": True,
        "autoDelete": True,
        "initializeParams": {
            "sourceImage": image,
            "diskSizeGb": str(size),
            "diskType": f"zones/{offer.zone}/diskTypes/{kind}",
        },
    }


def _interface(region: str, settings: Settings) -> dict[str, Any]:
    interface: dict[str, Any] = {"network": settings.network_path}
    if subnetwork := settings.subnetwork_path(region):
        interface["subnetwork"] = subnetwork
    if settings.external_ip:
        interface["accessConfigs"] = [{"type": "ONE_TO_ONE_NAT", "name": "External NAT"}]
    return interface


def _scheduling(offer: Offer) -> dict[str, Any]:
    """A machine that is taken is deleted: a stopped one would go on costing its disk."""
    if offer.spot:
        return {
            "provisioningModel": "SPOT",
            "instanceTerminationAction": "DELETE",
            "onHostMaintenance": "TERMINATE",
            "automaticRestart": False,
        }
    maintenance = "TERMINATE" if offer.accelerator else "MIGRATE"
    return {
        "provisioningModel": "STANDARD",
        "onHostMaintenance": maintenance,
        "automaticRestart": True,
    }


def _metadata(
    request: ProvisionRequest, setup: NodeSetup, settings: Settings
) -> list[dict[str, str]]:
    items = {
        "enable-oslogin": "FALSE",  # with it on, ssh-keys would be ignored
        "block-project-ssh-keys": "TRUE",
        "ssh-keys": f"{settings.ssh_user}:{setup.authorized_key}",
        "user-data": setup.user_data(),
    }
    if request.image or settings.image:  # nobody knows whether it has cloud-init
        items["startup-script"] = startup_script(setup)
    return [{"key": key, "value": value} for key, value in items.items()]


def startup_script(setup: NodeSetup) -> str:
    """Return what does a setup on images without cloud-init; elsewhere it ends at once."""
    lines = [_STARTUP]
    for file in setup.files:
        content = base64.b64encode(file.content.encode()).decode()
        words = shlex.join((file.path, file.mode, file.owner))
        lines.append(f"put {words} <<'ARB'\n{content}\nARB\n")
    lines += [f"sh -c {shlex.quote(command)}\n" for command in setup.commands]
    return "".join((*lines, f": >{_DONE_FILE}\n"))


def _label(text: str) -> str:
    return _NOT_IN_LABELS.sub("-", text.lower()).strip("-")[:_LONGEST_LABEL]
