"""The SSH key that launches name: one for each owner, registered once.

Names need not be unique for Lambda when two clients register them at the same time, and nothing can be
launched with a name that two keys have. So processes of one computer take turns, and of several
computers each takes its own key back when it sees another one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TextIO

from arb.errors import ProviderUnavailable
from arb_lambda.account import first_id, keep, kept, key_name
from arb_lambda.client import path_of
from arb_lambda.errors import MISSING, TAKEN, presentable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from arb.types import ProviderContext
    from arb_lambda.client import LambdaClient

__all__ = ["LaunchKey", "forget_key", "launch_key"]

_LOCK: Final = "ssh-key.lock"
_TURN_S: Final = 20.0
"""For so long another process's turn is waited for: it makes a call a second."""
_POLL_S: Final = 0.1
_TRIES: Final = 5
_KEYS: Final = "/ssh-keys"
_GONE: Final = frozenset({MISSING, "global/not-found"})


class LaunchKey(NamedTuple):
    """The name of our SSH key in the account, and what stands for the account."""

    name: str
    account: str


def launch_key(client: LambdaClient, public: str) -> LaunchKey:
    """Return our SSH key in the account, which is there as far as is known.

    Args:
        client: Of the call.
        public: The line of the public key.

    Raises:
        CredentialsError, RateLimited, ProviderUnavailable: It could not be registered.
    """
    known = _known(client, public)
    if known:
        return known
    with _turn(client):
        return _known(client, public) or _registered(client, public)


def forget_key(client: LambdaClient) -> None:
    """Look for the key again next time: Lambda does not know it, or knows two of its name."""
    keep(client, key="", public="")


def _known(client: LambdaClient, public: str) -> LaunchKey | None:
    facts = kept(client)
    if facts.get("public") != _print(public) or not facts.keys() >= {"key", "account"}:
        return None
    return LaunchKey(facts["key"], facts["account"])


def _registered(client: LambdaClient, public: str) -> LaunchKey:
    """Register the key unless it is there; leave exactly one of its name."""
    mine = refused = ""
    for _ in range(_TRIES):
        keys = client.rows(_KEYS, "id", "name", "public_key")
        name = _free_name(client, keys, public)
        named = [key["id"] for key in keys if key["name"] == name]
        if len(named) == 1:
            account = kept(client).get("account") or first_id(keys, key_name(client))
            keep(client, account=account, key=name, public=_print(public))
            return LaunchKey(name, account)
        if named:
            _leave_one(client, named, mine)
            mine = ""
        else:
            mine, refused = _register(client, name, public)
    summary = f"lambda: the SSH key {key_name(client)} could not be registered"
    raise ProviderUnavailable(
        f"{summary}: {refused}" if refused else summary, code="lambda-ssh-key"
    )


def _leave_one(client: LambdaClient, named: list[str], mine: str) -> None:
    """Of keys with one name take back our own, or leave the one that stands for the account."""
    account = kept(client).get("account")
    extra = sorted(named, key=lambda id_: (id_ != account, id_))[1:]
    for id_ in [mine] if mine in named else extra:
        reply = client.change("DELETE", path_of(_KEYS, id_))
        if reply.code not in _GONE:
            client.data(reply, "the removal of an SSH key")


def _free_name(client: LambdaClient, keys: Sequence[dict[str, Any]], public: str) -> str:
    """Return the name of our key; another one when a different key has it already."""
    name = key_name(client)
    prints = {_print(key["public_key"]) for key in keys if key["name"] == name}
    return name if prints <= {_print(public)} else f"{name}-{_print(public)[:8]}"


def _register(client: LambdaClient, name: str, public: str) -> tuple[str, str]:
    """Register a key and return its id; or no id, and why: mostly somebody was faster."""
    reply = client.change("POST", _KEYS, {"name": name, "public_key": public.strip()})
    if reply.code in TAKEN:
        return "", presentable(reply.text(), (client.key.text,))
    made = client.data(reply, "the registration of an SSH key")
    return str(made.get("id")) if isinstance(made, dict) else "", ""


def _print(public: str) -> str:
    """Return what tells keys apart, whatever comment they have."""
    body = " ".join(public.split()[:2])
    return hashlib.sha256(body.encode()).hexdigest()[:16]


@contextlib.contextmanager
def _turn(client: LambdaClient) -> Iterator[None]:
    """Let no other process of this computer do it at the same time; where that works.

    Whoever has the turn makes a few calls. One that stands still while it has it is not waited for any
    longer: two keys of one name are seen, and one of them is taken back.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            lock = stack.enter_context((client.context.data_dir / _LOCK).open("w"))
            _wait_for(client.context, lock)
        yield


def _wait_for(context: ProviderContext, lock: TextIO) -> None:
    """Lock a file, unless that takes too long. Raises ``OSError`` where it cannot be locked."""
    limit = context.clock.monotonic() + min(_TURN_S, context.remaining_s() / 3)
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if context.clock.monotonic() >= limit:
                return
            context.clock.sleep(_POLL_S)
        else:
            return
