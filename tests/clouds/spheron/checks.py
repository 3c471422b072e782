"""What ``POST /api/deployments`` refuses. Strict: what is not documented is not taken."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from clouds.http import Answer
from clouds.userdata import UserData

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clouds.spheron.shop import GpuOffer

__all__ = ["Refused", "check_deployment", "check_offer", "user_data"]

_REQUIRED = {
    "provider": str,
    "offerId": str,
    "gpuCount": int,
    "region": str,
    "operatingSystem": str,
    "instanceType": str,
    "name": str,
}
_OPTIONAL = {
    "gpuType": str,
    "sshKeyId": str,
    "ssh_public_key": str,
    "teamId": str,
    "cloudInit": dict,
    "kubernetesAddon": dict,
}
_FILE = {"path": str, "content": str, "owner": str, "permissions": str, "encoding": str}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,59}")
_PUBLIC_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+) [A-Za-z0-9+/=]+( .*)?")
_PERMISSIONS = re.compile(r"0[0-7]{3}")
_ENCODINGS = {"b64", "gzip", "gz+b64"}


class Refused(Exception):
    """The API says no; ``answer`` is how."""

    def __init__(self, status: int, error: str, **more: Any) -> None:
        super().__init__(error)
        self.answer = Answer(status, {"error": error, **more})


def check_deployment(body: object) -> dict[str, Any]:
    """Return the body of an order, whose form is right.

    Raises:
        Refused: It is not.
    """
    if not isinstance(body, dict):
        raise _invalid("body", "must be an object")
    for name in body:
        if name not in {**_REQUIRED, **_OPTIONAL}:
            raise _invalid(name, "is not allowed")
    for name, kind in _REQUIRED.items():
        if name not in body:
            raise _invalid(name, "is required")
        _check_type(name, body[name], kind)
    for name in body.keys() & _OPTIONAL.keys():
        _check_type(name, body[name], _OPTIONAL[name])
    if body["instanceType"] not in {"DEDICATED", "SPOT", "CLUSTER"}:
        raise _invalid("instanceType", "must be one of DEDICATED, SPOT, CLUSTER")
    if not _NAME.fullmatch(body["name"]):
        raise _invalid("name", "is not valid")
    _check_key(body)
    _check_cloud_init(body.get("cloudInit", {}))
    return body


def check_offer(body: Mapping[str, Any], offer: GpuOffer | None) -> GpuOffer:
    """Return the offer that is ordered, which fits what is ordered of it.

    Raises:
        Refused: There is none, or it does not.
    """
    if offer is None or offer.provider != body["provider"]:
        raise Refused(400, "Invalid offer", code="INVALID_OFFER")
    if body.get("gpuType", offer.gpu_type) != offer.gpu_type:
        message = "gpuType does not match: omit it or pass the offer's gpuType"
        raise Refused(400, "Bad Request", message=message)
    if body["gpuCount"] != offer.gpus:
        raise _invalid("gpuCount", f"must be {offer.gpus}")
    if body["region"] not in offer.clusters:
        raise _invalid("region", "is not a cluster of the offer")
    if body["operatingSystem"] not in offer.os_options:
        raise _invalid("operatingSystem", "is not an option of the offer")
    if not offer.is_sold(body["instanceType"]):
        raise _invalid("instanceType", "does not match the offer")
    if "cloudInit" in body and not offer.cloud_init:
        raise _invalid("cloudInit", "is not supported by the offer")
    if "kubernetesAddon" in body and offer.kind != "CLUSTER":
        raise _invalid("kubernetesAddon", "is not supported by the offer")
    if not offer.available:
        raise Refused(400, "Offer not available")
    return offer


def user_data(body: Mapping[str, Any], *keys: str) -> UserData:
    """Return what the machine does at its first boot."""
    parts = body.get("cloudInit", {})
    return UserData.of_parts(parts.get("writeFiles", ()), parts.get("runcmd", ()), *keys)


def _check_key(body: Mapping[str, Any]) -> None:
    if ("sshKeyId" in body) == ("ssh_public_key" in body):
        raise _invalid("sshKeyId", "exactly one of sshKeyId and ssh_public_key is required")
    if "ssh_public_key" in body and not _PUBLIC_KEY.fullmatch(body["ssh_public_key"].strip()):
        raise _invalid("ssh_public_key", "is not a public key")


def _check_cloud_init(parts: Mapping[str, Any]) -> None:
    for name, value in parts.items():
        if name not in {"packages", "writeFiles", "runcmd"}:
            raise _invalid(f"cloudInit.{name}", "is not allowed")
        _check_type(f"cloudInit.{name}", value, list)
    for name in ("packages", "runcmd"):
        for i, value in enumerate(parts.get(name, ())):
            _check_type(f"cloudInit.{name}[{i}]", value, str)
    for i, file in enumerate(parts.get("writeFiles", ())):
        _check_file(f"cloudInit.writeFiles[{i}]", file)


def _check_file(where: str, file: object) -> None:
    if not isinstance(file, dict):
        raise _invalid(where, "must be an object")
    for name, value in file.items():
        if name not in _FILE:
            raise _invalid(f"{where}.{name}", "is not allowed")
        _check_type(f"{where}.{name}", value, str)
    for name in ("path", "content"):
        if name not in file:
            raise _invalid(f"{where}.{name}", "is required")
    if not _PERMISSIONS.fullmatch(file.get("permissions", "0644")):
        raise _invalid(f"{where}.permissions", "is not valid")
    if file.get("encoding", "b64") not in _ENCODINGS:
        raise _invalid(f"{where}.encoding", "is not valid")


def _check_type(where: str, value: object, kind: type) -> None:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _invalid(where, f"must be a {kind.__name__}")


def _invalid(where: str, what: str) -> Refused:
    details = [{"field": where, "message": f"{where} {what}"}]
    return Refused(400, "Input payload validation failed", details=details)
