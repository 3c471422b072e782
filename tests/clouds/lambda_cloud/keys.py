"""SSH keys that customers of the simulated Lambda registered."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from clouds.http import Answer
from clouds.lambda_cloud.checks import body_of
from clouds.lambda_cloud.errors import Refused, invalid, missing

if TYPE_CHECKING:
    from clouds.http import Request
    from clouds.lambda_cloud.cloud import Lambda

__all__ = ["SshKeys"]

_PUBLIC_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+) [A-Za-z0-9+/=]+( .*)?")
_LONGEST = {"name": 64, "public_key": 4096}


class SshKeys:
    """``/ssh-keys``. Every handler takes the request and the account that sent it."""

    def __init__(self, cloud: Lambda) -> None:
        self._cloud = cloud
        self._keys: dict[str, dict[str, str]] = {}

    def add_foreign(self, name: str, account: str) -> str:
        """Register somebody else's key."""
        line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF9mb3JlaWduX2tleV9vZl9zb21lYm9keV8= me"
        return self._add(name, line, account, foreign=True)["id"]

    def snapshot(self, id_: str) -> dict[str, str] | None:
        """Return a key as it is now; None when it is gone."""
        return dict(self._keys[id_]) if id_ in self._keys else None

    def list(self, _: Request, account: str) -> Answer:
        """List an account's keys."""
        own = (key for key in self._keys.values() if key["account"] == account)
        return Answer(200, {"data": [_view(key) for key in own]})

    def add(self, request: Request, account: str) -> Answer:
        """Register a key."""
        body = body_of(request, {"name": str, "public_key": str}, ("name",))
        for field, longest in _LONGEST.items():
            if field in body and not 0 < len(body[field]) <= longest:
                raise invalid(f"{field} is not valid.")
        if "public_key" not in body:
            raise invalid("Keys are not generated here.")
        if not _PUBLIC_KEY.fullmatch(body["public_key"].strip()):
            raise invalid("public_key is not a public key.")
        if self._named(body["name"], account) and not self._cloud.settings.duplicate_names:
            raise invalid("Key name must be unique")
        return Answer(200, {"data": _view(self._add(body["name"], body["public_key"], account))})

    def delete(self, _: Request, account: str, id_: str) -> Answer:
        """Forget a key."""
        if self._keys.get(id_, {}).get("account") != account:
            raise Refused(404, "global/not-found", "The requested resource was not found.")
        self.forget(id_)
        return Answer(200, {"data": {}})

    def forget(self, id_: str) -> None:
        """Forget a key, as somebody does it in the dashboard."""
        del self._keys[id_]
        entry = self._cloud.entry(id_)
        if entry:
            entry.gone_at, entry.reason = self._cloud.clock.now(), "user"

    def public_line(self, name: str, account: str) -> str:
        """Return the public key that a launch names.

        Raises:
            Refused: There is none of this name, or there are two.
        """
        named = self._named(name, account)
        if not named:
            raise missing(f"SSH key {name} does not exist.")
        if len(named) > 1:
            raise Refused(500, "global/unknown", "An unknown error occurred.")
        return named[0]["public_key"]

    def _named(self, name: str, account: str) -> list[dict[str, str]]:
        wanted = {"name": name, "account": account}
        return [key for key in self._keys.values() if wanted.items() <= key.items()]

    def _add(self, name: str, line: str, account: str, *, foreign: bool = False) -> dict[str, str]:
        id_ = self._cloud.new_id("")
        self._cloud.record("key", id_, name, foreign=foreign)
        self._keys[id_] = {"id": id_, "name": name, "public_key": line, "account": account}
        return self._keys[id_]


def _view(key: dict[str, Any]) -> dict[str, Any]:
    return {field: key[field] for field in ("id", "name", "public_key")}
