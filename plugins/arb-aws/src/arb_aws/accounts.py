"""Which account an access key is of: it never changes, so it is asked once.

Kept are digests of key ids, never a part of one.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from typing import TYPE_CHECKING, Final

from arb.errors import CredentialsError

if TYPE_CHECKING:
    from pathlib import Path

    from arb.types import ProviderContext
    from arb_aws.client import Client

__all__ = ["known_account", "need_account", "remember_account"]

_MOST: Final = 64
"""Keys of roles last for hours, so old ones go."""


def known_account(context: ProviderContext, digest: str) -> str:
    """Return the account of a key; empty when it is not known.

    Args:
        context: Whose cache folder.
        digest: Of the key's id.
    """
    return _load(_path(context)).get(digest, "")


def remember_account(context: ProviderContext, digest: str, account: str) -> None:
    """Keep the account of a key; a folder that cannot be written to costs a call, no more."""
    path = _path(context)
    known = [*_load(path).items(), (digest, account)][-_MOST:]
    new = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    with contextlib.suppress(OSError):
        new.write_text(json.dumps(dict(known)), encoding="utf-8")
        new.replace(path)


def need_account(client: Client, account: str, what: str) -> None:
    """Refuse to act on what another account bought: to ours it would be "not found".

    Args:
        client: Whose account is asked for.
        account: Whose it is; empty when nobody knows.
        what: It is, for people.

    Raises:
        CredentialsError: It is another one's.
        ArbError: As ``Client.call``.
    """
    if account and account != client.account():
        summary = f"aws {what} is of account {account}, the credentials are of {client.account()}"
        hint = "choose the profile that bought it: AWS_PROFILE, or provider_options.aws.profile"
        raise CredentialsError(summary, code="aws-other-account", hint=hint)


def _path(context: ProviderContext) -> Path:
    return context.cache_dir / "accounts.json"


def _load(path: Path) -> dict[str, str]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in said.items()} if isinstance(said, dict) else {}
