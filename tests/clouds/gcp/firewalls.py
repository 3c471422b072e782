"""Firewall rules of the project's networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clouds.gcp.checks import check_firewall
from clouds.gcp.errors import Refused, not_found
from clouds.gcp.lists import listed
from clouds.gcp.state import PROJECT, Firewall
from clouds.gcp.views import firewall_view

if TYPE_CHECKING:
    from clouds.gcp.cloud import Call, Gcp
    from clouds.gcp.oplog import OperationLog

__all__ = ["Firewalls"]


@dataclass(frozen=True)
class _About:
    """What an operation is about."""

    project: str
    path: str
    id: str
    zone: str = ""


class Firewalls:
    """All rules, by name."""

    def __init__(self, cloud: Gcp, log: OperationLog) -> None:
        self._cloud, self._log = cloud, log
        self._rules: dict[tuple[str, str], Firewall] = {}
        self.networks = {"global/networks/default", "global/networks/custom"}
        self.handlers = {
            "compute.networks.get": self._network,
            "compute.firewalls.insert": self._insert,
            "compute.firewalls.get": self._get,
            "compute.firewalls.list": self._list,
            "compute.firewalls.patch": self._patch,
            "compute.firewalls.delete": self._delete,
        }

    def add_foreign(self, name: str) -> str:
        """Put somebody else's rule into the project."""
        body = {
            "name": name,
            "network": "global/networks/default",
            "direction": "INGRESS",
            "allowed": [{"IPProtocol": "tcp", "ports": ["443"]}],
            "sourceRanges": ["0.0.0.0/0"],
        }
        return self._add(PROJECT, body, foreign=True).id

    def lets_in(self, tags: set[str], port: int) -> bool:
        """Say whether the world reaches a port of machines with some tags."""
        return any(
            _covers(rule.body, port)
            for rule in self._rules.values()
            if rule.body.get("sourceRanges") and set(rule.body.get("targetTags") or tags) & tags
        )

    def _network(self, call: Call) -> Any:
        path = f"global/networks/{call.parts['network']}"
        if path not in self.networks:
            raise not_found(f"projects/{call.project}/{path}")
        return {
            "kind": "compute#network",
            "name": call.parts["network"],
            "autoCreateSubnetworks": not path.endswith("custom"),
        }

    def _insert(self, call: Call) -> Any:
        body = call.body or {}
        check_firewall(body, self.networks)
        if repeated := self._log.repeated(call):
            return repeated
        if (call.project, body["name"]) in self._rules:
            path = f"projects/{call.project}/global/firewalls/{body['name']}"
            raise Refused(409, "alreadyExists", f"The resource '{path}' already exists")
        limit = self._cloud._quotas.get("FIREWALLS")
        if limit is not None and len(self._rules) >= limit:
            said = f"Quota 'FIREWALLS' exceeded.  Limit: {limit:.1f} globally."
            raise Refused(403, "quotaExceeded", said)
        rule = self._add(call.project, body)
        return self._log.view(self._log.begin("insert", self._about(rule), call))

    def _get(self, call: Call) -> Any:
        return firewall_view(self._need(call))

    def _list(self, call: Call) -> Any:
        own = (rule for rule in self._rules.values() if rule.project == call.project)
        items = [firewall_view(rule) for rule in own]
        return listed("compute#firewallList", items, call.query, self._cloud.settings)

    def _patch(self, call: Call) -> Any:
        rule = self._need(call)
        rule.body = {**rule.body, **(call.body or {})}
        check_firewall(rule.body, self.networks)
        return self._log.view(self._log.begin("patch", self._about(rule), call))

    def _delete(self, call: Call) -> Any:
        rule = self._need(call)

        def gone() -> None:
            if self._rules.pop((rule.project, rule.body["name"]), None) is not None:
                rule.entry.gone_at, rule.entry.reason = self._cloud.clock.now(), "user"

        return self._log.view(self._log.begin("delete", self._about(rule), call, at_end=gone))

    def _add(self, project: str, body: dict[str, Any], *, foreign: bool = False) -> Firewall:
        id_ = self._cloud.new_id("5000")
        entry = self._cloud.record("firewall", id_, body["name"], foreign=foreign)
        rule = Firewall(project, dict(body), id_, self._cloud.clock.now(), entry)
        self._rules[project, body["name"]] = rule
        return rule

    def _need(self, call: Call) -> Firewall:
        rule = self._rules.get((call.project, call.parts["firewall"]))
        if rule is None:
            raise not_found(f"projects/{call.project}/global/firewalls/{call.parts['firewall']}")
        return rule

    def _about(self, rule: Firewall) -> _About:
        path = f"projects/{rule.project}/global/firewalls/{rule.body['name']}"
        return _About(rule.project, path, rule.id)


def _covers(body: dict[str, Any], port: int) -> bool:
    for allowed in body.get("allowed") or ():
        if allowed.get("IPProtocol") not in {"tcp", "all"}:
            continue
        for ports in allowed.get("ports") or ["0-65535"]:
            low, _, high = ports.partition("-")
            if int(low) <= port <= int(high or low):
                return True
    return False
