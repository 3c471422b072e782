"""From the list of hosts, as people write it, to hosts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from arb.errors import closest
from arb_ssh.hosts import Gpus, Host
from arb_ssh.values import READERS, read_address, read_pool, wrong

__all__ = ["DEFAULT_POOL", "read_hosts"]

DEFAULT_POOL: Final = "default"
_ALIASES: Final = {"ip": "address", "host": "address", "hostname": "address"}
_OF_ONE: Final = frozenset({"address", "private_address", "name", "host_key", "pool"})
"""What cannot be said of a pool, because it is of one host."""
_SSH_PORT: Final = 22
_JUMPS: Final = frozenset({"proxyjump", "proxycommand", "jump", "jumphost", "bastion", "gateway"})
"""How people call what is not there, without underscores."""


def read_hosts(value: object, where: str, defaults: Mapping[str, Any]) -> tuple[Host, ...]:
    """Read a list of hosts, or pools by name.

    Args:
        value: What was written: a list whose entries may name their ``pool``, or pools by name with
            what holds for all of their ``hosts``.
        where: The place of it, for messages.
        defaults: ``user`` and ``identity_file`` of hosts that do not tell their own.

    Raises:
        UsageError: Something of it cannot be used; the summary names the place.
    """
    if isinstance(value, Mapping):
        hosts = [
            host for name, pool in value.items() for host in _pool(name, pool, where, defaults)
        ]
    else:
        hosts = _entries(value, where, {"pool": DEFAULT_POOL, **defaults})
    return _distinct(hosts, where)


def _pool(name: object, value: object, where: str, defaults: Mapping[str, Any]) -> list[Host]:
    pool = read_pool(name, f"{where}: a key")
    where = f"{where}.{pool}"
    if not isinstance(value, Mapping):
        return _entries(value, where, {"pool": pool, **defaults})
    known = [key for key in READERS if key not in _OF_ONE]
    shared = {key: each for key, each in value.items() if key != "hosts"}
    told = _values(shared, where, known)
    return _entries(value.get("hosts"), f"{where}.hosts", {"pool": pool, **defaults, **told})


def _entries(value: object, where: str, defaults: Mapping[str, Any]) -> list[Host]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise wrong(where, f"must be a list of hosts, not {value!r}")
    return [_host(entry, f"{where}[{n}]", defaults) for n, entry in enumerate(value)]


def _host(value: object, where: str, defaults: Mapping[str, Any]) -> Host:
    if isinstance(value, str):
        told = _values(read_address(value, where), where, list(READERS))
    elif isinstance(value, Mapping):
        told = _values(value, where, list(READERS))
    else:
        raise wrong(where, f"must be an address or the facts of a host, not {value!r}")
    facts: dict[str, Any] = {**defaults, **told}
    if not facts.get("address"):
        raise wrong(where, "has no address")
    if not facts.get("user"):
        raise wrong(where, "names no user, and there is none in the environment")
    facts.setdefault("name", _name(facts))
    facts["gpus"] = _gpus(facts, where)
    return Host(**facts)


def _values(value: Mapping[Any, Any], where: str, known: list[str]) -> dict[str, Any]:
    told = {}
    for written, each in value.items():
        key = _ALIASES.get(str(written), str(written))
        if key == "password":
            raise wrong(where, "has a password: hosts are entered with keys, see identity_file")
        if key.lower().replace("_", "") in _JUMPS:
            raise wrong(where, f"has {written}: hosts are reached directly, not through others")
        if key not in known:
            raise wrong(where, f"has an {closest(key, known, what='key')}")
        if each is not None:
            told[key] = READERS[key](each, f"{where}.{written}")
    return told


def _gpus(facts: dict[str, Any], where: str) -> Gpus | None:
    gpus: Gpus | None = facts.pop("accelerators", None)
    gib = facts.pop("accelerator_gib", None)
    if gib is None:
        return gpus
    if gpus is None or not gpus.name:
        raise wrong(where, "has accelerator_gib without accelerators")
    return replace(gpus, gib=gib)


def _name(facts: Mapping[str, Any]) -> str:
    port = facts.get("port", _SSH_PORT)
    return str(facts["address"]) if port == _SSH_PORT else f"{facts['address']}:{port}"


def _distinct(hosts: list[Host], where: str) -> tuple[Host, ...]:
    for what, counts in (
        ("the host", Counter(host.key for host in hosts)),
        ("the name", Counter(host.name for host in hosts)),
    ):
        for text, count in counts.items():
            if count > 1:
                raise wrong(where, f"has {what} {text} {count} times")
    return tuple(hosts)
