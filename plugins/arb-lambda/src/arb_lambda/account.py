"""Whose account it is. Lambda names it nowhere: the id of our SSH key in it stands for it.

The id is remembered for each API key, because a call a second is all there is, and because the account
stays the same when somebody deletes our SSH key and it is registered anew under another id.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any, Final

from arb.errors import CredentialsError
from arb_lambda.client import path_of
from arb_lambda.instances import token_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from arb.types import InstanceRef
    from arb_lambda.client import LambdaClient

__all__ = ["account_id", "check_account", "check_machine", "first_id", "keep", "kept", "key_name"]

_FILE: Final = "accounts.json"


def key_name(client: LambdaClient) -> str:
    """Return the name of our SSH key in the account."""
    return f"arb-{client.context.owner}"


def account_id(client: LambdaClient) -> str:
    """Return what stands for the account; empty while our SSH key was never in it.

    Raises:
        CredentialsError, RateLimited, ProviderUnavailable: It could not be found out.
    """
    known = kept(client).get("account")
    if known:
        return known
    account = first_id(client.rows("/ssh-keys", "id", "name"), key_name(client))
    if account:
        keep(client, account=account)
    return account


def first_id(keys: Iterable[Mapping[str, Any]], name: str) -> str:
    """Return the id of a key of that name, of several the same for everybody; empty for none."""
    return min((str(key["id"]) for key in keys if key["name"] == name), default="")


def check_account(client: LambdaClient, account: str) -> None:
    """Refuse to act for another account than that of the API key.

    Raises:
        CredentialsError: It is another one.
    """
    if account and account != account_id(client):
        raise _another(account)


def check_machine(client: LambdaClient, ref: InstanceRef) -> None:
    """Refuse to act on a machine that this API key cannot see.

    Where nothing stands for the account (our SSH key was deleted, and this computer never knew it) the
    machine itself does, if it is there and has our token.

    Raises:
        CredentialsError: It belongs to another account.
    """
    own = account_id(client) if ref.account else ""
    if ref.account == own:
        return
    if not own:
        reply = client.read(path_of("/instances", ref.id))
        row = client.data(reply, "an instance") if reply.is_ok else {}
        if isinstance(row, dict) and ref.token and token_of(row) == ref.token:
            return
    raise _another(ref.account)


def kept(client: LambdaClient) -> dict[str, str]:
    """Return what is remembered of the account; a damaged file is as good as none."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        found = json.loads(_path(client).read_text()).get(_who(client), {})
        return {str(name): str(value) for name, value in found.items()}
    return {}


def keep(client: LambdaClient, **facts: str) -> None:
    """Remember something of the account; an empty text forgets it."""
    path = _path(client)
    known: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError, TypeError):
        known = dict(json.loads(path.read_text()))
    mine = {**kept(client), **facts}
    known[_who(client)] = {name: value for name, value in mine.items() if value}
    partial = path.with_name(f".{path.name}.{os.getpid()}.{id(client)}")
    with contextlib.suppress(OSError):
        partial.write_text(json.dumps(known))
        partial.replace(path)


def _another(account: str) -> CredentialsError:
    summary = f"lambda: it belongs to another account ({account}) than the API key"
    hint = "use the key of the account that bought it"
    return CredentialsError(summary, code="lambda-other-account", hint=hint)


def _path(client: LambdaClient) -> Path:
    return client.context.data_dir / _FILE


def _who(client: LambdaClient) -> str:
    """Return whose entry it is, without telling the API key."""
    text = f"{client.settings.api_url}\0{client.context.owner}\0{client.key.text}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
