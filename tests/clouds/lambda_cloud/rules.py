"""Firewalls of the simulated Lambda: rules of the account, of all regions, and sets of rules."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from clouds.http import Answer
from clouds.lambda_cloud.checks import body_of, check_rules
from clouds.lambda_cloud.errors import Refused, invalid
from clouds.lambda_cloud.shop import NO_FIREWALL, REGIONS, region_view

if TYPE_CHECKING:
    from clouds.http import Request
    from clouds.lambda_cloud.cloud import Lambda
    from clouds.model import Vm

__all__ = ["Firewalls"]

_LONGEST_NAME = 64


def _rule(port: int, description: str, source: str = "0.0.0.0/0") -> dict[str, Any]:
    return {
        "protocol": "tcp",
        "port_range": [port, port],
        "source_network": source,
        "description": description,
    }


class Firewalls:
    """``/firewall-rules`` and ``/firewall-rulesets``.

    Every handler takes the request and the account that sent it.
    """

    def __init__(self, cloud: Lambda) -> None:
        self._cloud = cloud
        self._sets: dict[str, dict[str, Any]] = {}
        self.account_rules = [_rule(22, "ssh"), _rule(443, "our web server")]
        self.global_rules = [_rule(22, "ssh"), _rule(9100, "monitoring", "198.51.100.0/24")]

    def add_foreign(self, name: str, account: str, region: str = "us-east-1") -> str:
        """Make somebody else's set of rules."""
        return self._add(name, region, [_rule(8443, name)], account, foreign=True)["id"]

    def snapshot(self, id_: str) -> dict[str, Any] | None:
        """Return a set as it is now; None when it is gone."""
        return copy.deepcopy(self._sets.get(id_))

    def lets_in(self, vm: Vm, port: int) -> bool:
        """Say whether the world reaches a TCP port of a machine."""
        if vm.order.region in NO_FIREWALL:
            return True
        attached = [self._sets[id_]["rules"] for id_ in vm.order.tags["rulesets"]]
        rules = [rule for part in (self.global_rules, *attached) for rule in part]
        return any(_covers(rule, port) for rule in rules)

    def check_attached(self, ids: list[str], region: str, account: str) -> None:
        """Refuse sets that cannot be attached to a machine.

        Raises:
            Refused: One of them is not there.
        """
        for id_ in ids:
            found = self._sets.get(id_, {})
            if found.get("account") != account or found.get("region") != region:
                raise _no_set()

    # -- handlers --------------------------------------------------------------------------

    def list_rules(self, _: Request, __: str) -> Answer:
        """List the account's own rules."""
        return Answer(200, {"data": self.account_rules})

    def replace_rules(self, request: Request, _: str) -> Answer:
        """Replace all of the account's own rules."""
        self.account_rules = check_rules(body_of(request, {"data": list}, ("data",))["data"])
        return Answer(200, {"data": self.account_rules})

    def get_global(self, _: Request, __: str) -> Answer:
        """Return the rules of all regions."""
        shown = {"id": "global", "name": "Default global rules", "rules": self.global_rules}
        return Answer(200, {"data": shown})

    def patch_global(self, request: Request, account: str) -> Answer:
        """Replace the rules of all regions."""
        body = body_of(request, {"rules": list})
        self.global_rules = check_rules(body.get("rules", self.global_rules))
        return self.get_global(request, account)

    def list(self, _: Request, account: str) -> Answer:
        """List an account's sets."""
        own = (each for each in self._sets.values() if each["account"] == account)
        return Answer(200, {"data": [self._view(each) for each in own]})

    def create(self, request: Request, account: str) -> Answer:
        """Make a set."""
        needed = ("name", "region", "rules")
        body = body_of(request, {"name": str, "region": str, "rules": list}, needed)
        if not 0 < len(body["name"]) <= _LONGEST_NAME:
            raise invalid("name is not valid.")
        if body["region"] not in REGIONS or body["region"] in NO_FIREWALL:
            raise invalid("region has no firewall.")
        rules = check_rules(body["rules"])
        limit = self._cloud.quota("rulesets")
        if limit is not None and len(self._sets) >= limit:
            raise Refused(400, "global/quota-exceeded", "Quota exceeded.")
        made = self._add(body["name"], body["region"], rules, account)
        return Answer(200, {"data": self._view(made)})

    def get(self, _: Request, account: str, id_: str) -> Answer:
        """Return one set."""
        return Answer(200, {"data": self._view(self._own(id_, account))})

    def patch(self, request: Request, account: str, id_: str) -> Answer:
        """Change name or rules of a set."""
        found, body = self._own(id_, account), body_of(request, {"name": str, "rules": list})
        if "rules" in body:
            found["rules"] = check_rules(body["rules"])
        found["name"] = body.get("name", found["name"])
        return Answer(200, {"data": self._view(found)})

    def delete(self, _: Request, account: str, id_: str) -> Answer:
        """Remove a set that no machine uses."""
        self._own(id_, account)
        if self._users(id_):
            code = "firewall-rulesets/firewall-ruleset-in-use"
            raise Refused(400, code, "Firewall ruleset is in use by one or more instances.")
        del self._sets[id_]
        entry = self._cloud.entry(id_)
        if entry:
            entry.gone_at, entry.reason = self._cloud.clock.now(), "user"
        return Answer(200, {"data": {}})

    # -- how it is done --------------------------------------------------------------------

    def _add(
        self,
        name: str,
        region: str,
        rules: list[dict[str, Any]],
        account: str,
        *,
        foreign: bool = False,
    ) -> dict[str, Any]:
        id_ = self._cloud.new_id("")
        self._cloud.record("ruleset", id_, name, region=region, foreign=foreign)
        made = {"id": id_, "name": name, "region": region, "rules": rules, "account": account}
        self._sets[id_] = {**made, "made_at": self._cloud.clock.now()}
        return self._sets[id_]

    def _own(self, id_: str, account: str) -> dict[str, Any]:
        found = self._sets.get(id_, {})
        if found.get("account") != account:
            raise _no_set()
        return found

    def _users(self, id_: str) -> list[str]:
        return [vm.id for vm in self._cloud.present() if id_ in vm.order.tags["rulesets"]]

    def _view(self, found: dict[str, Any]) -> dict[str, Any]:
        created = datetime.fromtimestamp(found["made_at"], UTC).isoformat()
        shown = {field: found[field] for field in ("id", "name", "rules")}
        shown |= {"region": region_view(found["region"]), "created": created}
        return shown | {"instance_ids": self._users(found["id"])}


def _covers(rule: dict[str, Any], port: int) -> bool:
    low, high = rule.get("port_range", (0, 0))
    return rule["protocol"] in {"tcp", "all"} and low <= port <= high


def _no_set() -> Refused:
    message = "Firewall ruleset does not exist or you do not have permission to access it."
    suggestion = "Check your firewall ruleset ID and try again."
    return Refused(404, "global/object-does-not-exist", message, suggestion)
