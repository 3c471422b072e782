"""Claims: who has a host. The file ``~/.arb-claim`` on the host itself is what counts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from arb.types import Instance, InstanceState, parse_token

if TYPE_CHECKING:
    from arb_ssh.hosts import Host

__all__ = ["FILE", "Claim", "machine_id", "plain", "read_claim"]

FILE: Final = ".arb-claim"
_LONGEST: Final = 200
_PREFIX_LENGTH: Final = len("arb-12345678-")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim says.

    Attributes:
        token: Of the machine that the host is now; another text where arb did not make it.
        id: Of that machine.
        host: The name of the host in the list of who claimed it.
        pool, instance_type, price_usd_hour: As it was bought.
        cluster: The user's name for the cluster.
        by: Who claimed it, for people: ``alice@laptop``.
        node: What the machine calls itself.
        made_at: By the host's own clock.
    """

    token: str
    id: str = ""
    host: str = ""
    pool: str = ""
    instance_type: str = ""
    price_usd_hour: float = 0.0
    cluster: str = ""
    by: str = ""
    node: str = ""
    made_at: float = 0.0

    def text(self) -> str:
        """Return it as it is written, without what the host itself adds."""
        facts = {k: v for k, v in asdict(self).items() if k not in {"node", "made_at"}}
        return json.dumps(facts, separators=(",", ":"))

    @property
    def holder(self) -> str:
        """Return who has it, for people."""
        if not self.by and parse_token(self.token):
            return f"{self.token}, whose claim is damaged or gone: its key is in authorized_keys"
        if not self.by:
            return "a claim that arb did not write"
        return plain(f"{self.by} for {self.cluster}" if self.cluster else self.by)

    def instance(self, provider: str, host: Host, payload: str) -> Instance:
        """Return the machine that a claimed host is."""
        return Instance(
            provider,
            self.id,
            self.pool or host.pool,
            InstanceState.RUNNING,
            token=self.token,
            detail=f"on {host.name}",
            address=host.address,
            private_address=host.private_address,
            instance_type=self.instance_type,
            made_at=self.made_at,
            price_usd_hour=self.price_usd_hour,
            payload=payload,
        )


def plain(text: str) -> str:
    """Return what another computer said as one short line that a terminal can show."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())[:_LONGEST]


def machine_id(host: Host, token: str) -> str:
    """Return the id of a machine: each claim of a host is another one."""
    return f"{host.name}-{token[_PREFIX_LENGTH:]}"


def read_claim(text: str) -> Claim:
    """Read what ``text`` wrote; whatever cannot be read is a claim all the same, by nobody we know."""
    try:
        facts = json.loads(text)
        return Claim(
            **{key: _as(kind, facts[key]) for key, kind in _FIELDS.items() if key in facts}
        )
    except (ValueError, TypeError, AttributeError, KeyError):
        return Claim(token="")


def _as(kind: type, value: Any) -> Any:
    if kind is float:
        return float(value)
    if not isinstance(value, str):
        raise TypeError(value)
    return value


_FIELDS: Final = {
    name: float if name in {"made_at", "price_usd_hour"} else str
    for name in Claim.__dataclass_fields__
}
