"""What is sent for a machine and for a firewall: functions of the request alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from arb.errors import RequestError, Scope
from arb_lambda.instances import TOKEN_TAG

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from arb.types import NodeSetup, ProvisionRequest
    from arb_lambda.settings import Settings

__all__ = [
    "BLOCK_S",
    "check_request",
    "firewall_rules",
    "launch_body",
    "merged",
    "port_rule",
    "tags_of",
]

BLOCK_S: Final = 5.0
"""What is wrong with one order is no reason to hold up the next: it counts for this walk."""
_OWN: Final = "arb-"
"""How the keys of our own tags begin."""
_LONGEST_KEY: Final = 55
_LONGEST_VALUE: Final = 128
_MOST_USER_DATA: Final = 1_000_000
_NOT_IN_KEYS: Final = re.compile(r"[^a-z0-9:-]+")
_EVERYBODY: Final = "0.0.0.0/0"
_RULE: Final = ("protocol", "port_range", "source_network", "description")
"""What a rule may say when it is sent; what is read may say more."""


def launch_body(
    request: ProvisionRequest, setup: NodeSetup, *, key: str, image: Mapping[str, str], ruleset: str
) -> dict[str, Any]:
    """Return the body of one launch.

    Args:
        request: The order.
        setup: Of the machine.
        key: Name of our SSH key in the account.
        image: As ``find_image`` returned it.
        ruleset: Id of the firewall rule set; empty for none.
    """
    body: dict[str, Any] = {
        "region_name": request.offer.region,
        "instance_type_name": request.offer.instance_type,
        "ssh_key_names": [key],
        "name": setup.token,
        "tags": tags_of(request, setup),
    }
    if setup.files or setup.commands:
        body["user_data"] = setup.user_data()
    if image:
        body["image"] = dict(image)
    if ruleset:
        body["firewall_rulesets"] = [{"id": ruleset}]
    return body


def tags_of(request: ProvisionRequest, setup: NodeSetup) -> list[dict[str, str]]:
    """Return our tags and the user's labels, those in the form that Lambda takes."""
    tags = {_key(name): value[:_LONGEST_VALUE] for name, value in request.labels.items()}
    tags = {key: value for key, value in tags.items() if key and not key.startswith(_OWN)}
    tags |= {TOKEN_TAG: setup.token, f"{_OWN}cluster": request.cluster[:_LONGEST_VALUE]}
    return [{"key": key, "value": value} for key, value in tags.items()]


def firewall_rules(ports: Sequence[str], settings: Settings) -> list[dict[str, Any]]:
    """Return the rules of a cluster: the SSH server, and what the task wants reachable."""
    ssh = (
        _rule(settings.ssh_port, settings.ssh_port, source, "arb: ssh")
        for source in settings.ssh_source_ranges
    )
    return [*ssh, *map(port_rule, ports)]


def port_rule(ports: str) -> dict[str, Any]:
    """Return the rule for a port or a range of ports, open for everybody."""
    first, _, last = ports.partition("-")
    return _rule(int(first), int(last or first), _EVERYBODY, f"arb: port {ports}")


def check_request(request: ProvisionRequest) -> None:
    """Refuse what Lambda would refuse of every machine, before anything is sent.

    Raises:
        RequestError: The disk is too large for the offer, or the user data for Lambda.
    """
    offer = request.offer
    if 0 < offer.disk_gib < request.disk_gib:
        summary = (
            f"lambda: the disk of {offer.instance_type} has {offer.disk_gib:.0f} GiB, "
            f"{request.disk_gib:.0f} are asked for"
        )
        hint = "leave disk_size out, or ask for less"
        raise RequestError(summary, scope=Scope.OFFER, code="lambda-disk", hint=hint)
    largest = max((len(setup.user_data().encode()) for setup in request.setups), default=0)
    if largest > _MOST_USER_DATA:
        summary = f"lambda takes {_MOST_USER_DATA} bytes of user data, {largest} are needed"
        raise RequestError(summary, scope=Scope.PROVIDER, code="lambda-user-data", block_s=BLOCK_S)


def merged(rules: Iterable[Mapping[str, Any]], ports: Sequence[str]) -> list[dict[str, Any]]:
    """Return rules with those added that open more ports; nothing is opened twice."""
    kept = [{name: rule[name] for name in _RULE if rule.get(name) is not None} for rule in rules]
    known = {_reach(rule) for rule in kept}
    return kept + [rule for rule in map(port_rule, ports) if _reach(rule) not in known]


def _reach(rule: Mapping[str, Any]) -> tuple[object, ...]:
    ports = rule.get("port_range")
    return (rule.get("protocol"), rule.get("source_network"), *(ports or ()))


def _rule(first: int, last: int, source: str, description: str) -> dict[str, Any]:
    return {
        "protocol": "tcp",
        "port_range": [first, last],
        "source_network": source,
        "description": description,
    }


def _key(label: str) -> str:
    """Return a label's name as the key of a tag; empty when nothing is left of it."""
    key = _NOT_IN_KEYS.sub("-", label.lower()).strip("-:")
    key = key.lstrip("0123456789:-")[:_LONGEST_KEY]
    return key if len(key) > 1 else ""
