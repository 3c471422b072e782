"""What requests are refused. Strict: what is not described is not taken."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

from clouds.lambda_cloud.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clouds.http import Request

__all__ = ["body_of", "check_launch", "check_rules"]

_LAUNCH = {
    "region_name": str,
    "instance_type_name": str,
    "ssh_key_names": list,
    "file_system_names": list,
    "file_system_mounts": list,
    "hostname": str,
    "name": str,
    "image": dict,
    "user_data": str,
    "tags": list,
    "firewall_rulesets": list,
}
_NEEDED = ("region_name", "instance_type_name", "ssh_key_names")
_HOSTNAME = re.compile(r"[a-z0-9][0-9a-z-]{0,62}")
_TAG_KEY = re.compile(r"[a-z][a-z0-9:-]+")
_LONGEST = {"name": 64, "tag key": 55, "tag value": 128, "description": 128}
_MOST_USER_DATA = 1_000_000
_LAST_PORT = 65535
_PRIVATE = [
    ipaddress.IPv4Network(text)
    for text in ("10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
]


def body_of(
    request: Request, known: Mapping[str, type], needed: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the fields of a body of the right form.

    Raises:
        Refused: It is not.
    """
    try:
        body = request.json()
    except ValueError:
        raise invalid("The request body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise invalid("The request body must be an object.")
    for name, value in body.items():
        if name not in known:
            raise invalid(f"{name} is not a known field.")
        if not isinstance(value, known[name]):
            raise invalid(f"{name} must be a {known[name].__name__}.")
    for name in needed:
        if name not in body:
            raise invalid(f"{name} is required.")
    return body


def check_launch(request: Request) -> dict[str, Any]:
    """Return the body of a launch, whose form is right.

    Raises:
        Refused: It is not.
    """
    body = body_of(request, _LAUNCH, _NEEDED)
    if len(body["ssh_key_names"]) != 1:
        raise invalid("Exactly one SSH key must be specified.")
    if len(body.get("name", "")) > _LONGEST["name"]:
        raise invalid("name is too long.")
    if "hostname" in body and not _HOSTNAME.fullmatch(body["hostname"]):
        raise invalid("hostname is not valid.")
    if len(body.get("user_data", "").encode()) > _MOST_USER_DATA:
        raise invalid("user_data is too large.")
    if "image" in body and set(body["image"]) not in ({"id"}, {"family"}):
        raise invalid("image must have an id or a family.")
    for tag in body.get("tags", ()):
        _check_tag(tag)
    for entry in body.get("firewall_rulesets", ()):
        if not isinstance(entry, dict) or set(entry) != {"id"}:
            raise invalid("firewall_rulesets must have ids.")
    if body.get("file_system_names") or body.get("file_system_mounts"):
        raise invalid("There are no file systems here.")
    return body


def check_rules(rules: object) -> list[dict[str, Any]]:
    """Return firewall rules, whose form is right.

    Raises:
        Refused: It is not.
    """
    if not isinstance(rules, list):
        raise invalid("rules must be a list.")
    return [_checked_rule(rule) for rule in rules]


def _check_tag(tag: object) -> None:
    if not isinstance(tag, dict) or set(tag) != {"key", "value"}:
        raise invalid("A tag has a key and a value.")
    key, value = tag["key"], tag["value"]
    if not isinstance(key, str) or not isinstance(value, str):
        raise invalid("A tag is made of texts.")
    if not _TAG_KEY.fullmatch(key) or len(key) > _LONGEST["tag key"]:
        raise invalid(f"The tag key {key!r} is not valid.")
    if len(value) > _LONGEST["tag value"]:
        raise invalid(f"The value of the tag {key!r} is too long.")


def _checked_rule(rule: object) -> dict[str, Any]:
    if not isinstance(rule, dict):
        raise invalid("A rule is an object.")
    if set(rule) - {"port_range"} != {"protocol", "source_network", "description"}:
        raise invalid("A rule has protocol, source_network, description and port_range.")
    if rule["protocol"] not in {"tcp", "udp", "icmp", "all"}:
        raise invalid("protocol is not valid.")
    if ("port_range" in rule) == (rule["protocol"] == "icmp"):
        raise invalid("port_range is for every protocol but icmp.")
    if "port_range" in rule and not _is_range(rule["port_range"]):
        raise invalid("port_range is not valid.")
    if not isinstance(rule["description"], str):
        raise invalid("description must be a text.")
    if len(rule["description"]) > _LONGEST["description"]:
        raise invalid("description is too long.")
    _check_network(rule["source_network"])
    return rule


def _is_range(value: object) -> bool:
    if not isinstance(value, list) or [type(port) for port in value] != [int, int]:
        return False
    return 1 <= value[0] <= value[1] <= _LAST_PORT


def _check_network(text: object) -> None:
    """Refuse what is no public network: the description wants those."""
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        raise invalid("source_network is not valid.") from None
    if any(network.subnet_of(private) for private in _PRIVATE):
        raise invalid("source_network is not public.")
