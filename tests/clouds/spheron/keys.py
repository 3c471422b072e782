"""SSH keys that customers of the simulated Spheron registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clouds.http import Answer
from clouds.spheron.checks import Refused
from clouds.spheron.views import iso

if TYPE_CHECKING:
    from clouds.cloud import Cloud
    from clouds.http import Request

__all__ = ["KeyRing"]

_SHOWN = ("id", "name", "fingerprint", "createdAt")


class KeyRing:
    """``/api/ssh-keys``. Every method takes the request and the API key that came with it."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._keys: dict[str, dict[str, str]] = {}

    def list(self, _: Request, owner: str) -> Answer:
        """List the keys of a user; public keys are not repeated."""
        own = (key for key in self._keys.values() if key["owner"] == owner)
        return Answer(200, [{name: key[name] for name in _SHOWN} for key in own])

    def add(self, request: Request, owner: str) -> Answer:
        """Register a key."""
        body = request.json() or {}
        if set(body) - {"name", "publicKey", "teamId"} or not {"name", "publicKey"} <= set(body):
            raise Refused(400, "Input payload validation failed", details=[])
        id_ = self._cloud.new_id("key_")
        self._cloud.record("key", id_, body["name"])
        made = {"id": id_, "name": body["name"], "fingerprint": "SHA256:AAAA"}
        made |= {"createdAt": iso(self._cloud.clock.now())}
        self._keys[id_] = {**made, "publicKey": body["publicKey"], "owner": owner}
        return Answer(201, made)

    def delete(self, _: Request, owner: str, id_: str) -> Answer:
        """Forget a key."""
        if self._keys.get(id_, {}).get("owner") != owner:
            raise Refused(404, "SSH key not found")
        del self._keys[id_]
        entry = self._cloud.entry(id_)
        if entry:
            entry.gone_at, entry.reason = self._cloud.clock.now(), "user"
        return Answer(200, {"message": "SSH key deleted"})

    def public_line(self, order: dict[str, Any], owner: str) -> str:
        """Return the public key that an order names or brings.

        Raises:
            Refused: There is no such key.
        """
        if "ssh_public_key" in order:
            return str(order["ssh_public_key"])
        known = self._keys.get(order["sshKeyId"], {})
        if known.get("owner") != owner:
            raise Refused(404, "SSH key not found")
        return known["publicKey"]
