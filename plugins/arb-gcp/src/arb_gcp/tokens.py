"""Access tokens: from credentials by google-auth, kept for their hour between commands.

Every hook call is new, and so is every command; without the kept token each would begin with a
round trip to the token server. The file is the owner's alone (0600), lives in the cache folder, and
is useless when the token has ended or the credentials changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from arb.errors import CredentialsError, ProviderUnavailable
from arb_gcp.credentials import METADATA
from arb_gcp.metadata import ask

if TYPE_CHECKING:
    from pathlib import Path

    import requests

    from arb.types import ProviderContext
    from arb_gcp.credentials import Credentials

__all__ = ["SCOPE", "Token", "drop_token", "get_token", "new_token"]

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_MARGIN_S: Final = 300.0
"""A token that ends so soon is not used any more: a call may take a while."""
_TIMEOUT_S: Final = 15.0
_AWS_TOKEN: Final = "urn:ietf:params:aws:token-type:aws4_request"  # noqa: S105 - a type's name
_LOG_IN_AGAIN: Final = "run: gcloud auth application-default login, or make a new key"


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and its end, in seconds since the epoch by the context's clock."""

    value: str = field(repr=False)
    expires_at: float


def get_token(context: ProviderContext, found: Credentials, http: requests.Session) -> Token:
    """Return a token, the kept one while it lasts.

    Raises:
        CredentialsError: Google refused the credentials.
        ProviderUnavailable: The token server did not answer.
    """
    path = _path(context, found)
    kept = _read(path)
    if kept is not None and kept.expires_at - _MARGIN_S > context.clock.now():
        return kept
    token = new_token(context, found, http)
    if found.kind != METADATA:  # that server keeps them itself
        _write(path, token)
    return token


def drop_token(context: ProviderContext, found: Credentials) -> None:
    """Forget the kept token: it was refused."""
    with contextlib.suppress(OSError):
        _path(context, found).unlink()


def new_token(context: ProviderContext, found: Credentials, http: requests.Session) -> Token:
    """Exchange the credentials for a token.

    Raises:
        CredentialsError, ProviderUnavailable: As ``get_token``.
    """
    from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError

    try:
        if found.kind == METADATA:
            return _of_metadata_server(context, found, http)
        loaded = _loaded(found)
        loaded.refresh(_Transport(context, http))
    except TransportError as error:
        summary = f"gcp token server did not answer ({_kind(error)})"
        raise ProviderUnavailable(summary, code="gcp-unreachable") from error
    except (GoogleAuthError, ValueError) as error:
        if isinstance(error, RefreshError) and error.retryable:
            summary = "gcp token server has trouble of its own"
            raise ProviderUnavailable(summary, code="gcp-unreachable") from error
        raise _refused(found, error) from error
    left_s = (loaded.expiry.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()
    return Token(loaded.token, context.clock.now() + left_s)


class _Transport:
    """What google-auth sends requests with: our session, and no longer than the hook has."""

    def __init__(self, context: ProviderContext, http: requests.Session) -> None:
        from google.auth.transport.requests import Request

        self._context, self._inner = context, Request(http)

    def __call__(self, url: str, *args: Any, **more: Any) -> Any:
        more["timeout"] = min(_TIMEOUT_S, max(0.1, self._context.remaining_s()))
        return self._inner(url, *args, **more)


def _loaded(found: Credentials) -> Any:
    """Return google-auth's credentials, limited to what ``SCOPE`` allows.

    Raises:
        GoogleAuthError, ValueError: The file is not what its type says.
    """
    info = dict(found.info)
    if found.kind == "authorized_user":
        return _user(info)
    if found.kind == "external_account_authorized_user":
        from google.auth import external_account_authorized_user as workforce

        info["scopes"] = [SCOPE]  # it takes them from there alone
        return workforce.Credentials.from_info(info)  # type: ignore[no-untyped-call]
    make = _scoped(found.kind, info)
    if make is None:
        raise ValueError(f"credentials of type {found.kind} are not known")
    return make(info, scopes=[SCOPE])


def _user(info: dict[str, Any]) -> Any:
    """Return a user's credentials; a token server that the file names is asked, as for others."""
    from google.oauth2 import credentials

    loaded = credentials.Credentials.from_authorized_user_info(info)  # type: ignore[no-untyped-call]
    named = info.get("token_uri")
    return loaded.with_token_uri(named) if named else loaded


def _scoped(kind: str, info: dict[str, Any]) -> Any:
    """Return what makes credentials of a type that is told its scopes; None for other types."""
    if kind == "service_account":
        from google.oauth2 import service_account

        return service_account.Credentials.from_service_account_info
    if kind == "impersonated_service_account":
        from google.auth import impersonated_credentials

        return impersonated_credentials.Credentials.from_impersonated_service_account_info
    if kind == "external_account":
        return _federated(info).from_info
    return None


def _federated(info: dict[str, Any]) -> Any:
    """Return the class for workload identity, by where its subject token comes from."""
    from google.auth import aws, identity_pool, pluggable

    if info.get("subject_token_type") == _AWS_TOKEN:
        return aws.Credentials
    is_program = (info.get("credential_source") or {}).get("executable") is not None
    return pluggable.Credentials if is_program else identity_pool.Credentials


def _of_metadata_server(
    context: ProviderContext, found: Credentials, http: requests.Session
) -> Token:
    import requests

    try:
        said = ask(context, http, found.host, "instance/service-accounts/default/token").json()
        return Token(said["access_token"], context.clock.now() + float(said["expires_in"]))
    except requests.HTTPError as error:
        raise _refused(found, ValueError("it has no service account")) from error
    except (requests.RequestException, ValueError, KeyError) as error:
        summary = f"gcp metadata server did not answer ({_kind(error)})"
        raise ProviderUnavailable(summary, code="gcp-unreachable") from error


def _refused(found: Credentials, error: Exception) -> CredentialsError:
    """Say it in Google's words, which are short; never with the answer's other parts."""
    words = str(error.args[0]) if error.args else _kind(error)
    said = " ".join(words.split())[:200]
    summary = f"gcp refused the credentials from {found.source}: {said}"
    return CredentialsError(summary, code="gcp-credentials-refused", hint=_LOG_IN_AGAIN)


def _kind(error: Exception) -> str:
    return type(error).__name__


def _path(context: ProviderContext, found: Credentials) -> Path:
    text = json.dumps([found.kind, found.host, dict(found.info)], sort_keys=True)
    return context.cache_dir / f"token-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def _read(path: Path) -> Token | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return Token(str(kept["value"]), float(kept["expires_at"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, token: Token) -> None:
    """Keep a token; a cache that cannot be written to costs a round trip, and nothing else."""
    new = path.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        new.unlink(missing_ok=True)
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            json.dump({"value": token.value, "expires_at": token.expires_at}, file)
        new.replace(path)
