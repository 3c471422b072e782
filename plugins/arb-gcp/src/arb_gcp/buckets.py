"""Access to one bucket for one hour: what reaches a node opens nothing else of the account."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from arb.errors import CredentialsError, ProviderUnavailable, UsageError
from arb.types import StoreRemote
from arb_gcp.answers import ApiError
from arb_gcp.client import Bearer, Client
from arb_gcp.settings import Settings
from arb_gcp.tokens import Token, new_token

if TYPE_CHECKING:
    from arb.types import ProviderContext

__all__ = ["store_remote"]

_URI: Final = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])(?:/(.*))?")
_GRANT: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type
_ROLE: Final = "inRole:roles/storage.objectAdmin"
_STATUSES: Final = frozenset({401, 403})


def store_remote(context: ProviderContext, uri: str) -> StoreRemote:
    """Return an rclone remote with a token that ends within the hour and fits this bucket alone.

    Such tokens work with buckets whose access is uniform, which is Google's own advice; the token
    is tried here, so that another bucket fails now and not on the node.

    Raises:
        CredentialsError: None are there, or they may not use the bucket.
        UsageError: The address is not one of a bucket, or its access is not uniform.
        ProviderUnavailable: No answer.
    """
    match = _URI.fullmatch(uri)
    if match is None:
        summary = f"{uri!r} is not the address of a bucket"
        raise UsageError(summary, code="gs-uri", hint="write gs://BUCKET/FOLDER")
    bucket, folder = match[1], (match[2] or "").strip("/")
    client = Client(context, Settings.of(context.options))
    _list_one(client, bucket, None)
    token = _exchange(client, bucket)
    _list_one(client, bucket, token.value)
    expiry = datetime.fromtimestamp(token.expires_at, UTC)
    blob = {"access_token": token.value, "token_type": "Bearer", "expiry": expiry.isoformat()}
    options = {"bucket_policy_only": "true", "env_auth": "false"}
    if "storage" in client.settings.endpoints:
        options["endpoint"] = client.address("storage")
    return StoreRemote(
        type="google cloud storage",
        options=options,
        secrets={"token": json.dumps(blob)},
        root=f"{bucket}/{folder}" if folder else bucket,
    )


def _list_one(client: Client, bucket: str, token: str | None) -> None:
    """Look into the bucket, as the account or with a token for it."""
    path = f"b/{bucket}/o?maxResults=1"
    if token is None:
        try:
            client.get(path, api="storage")
        except ApiError as error:
            if error.is_missing:
                summary = f"there is no bucket gs://{bucket}"
                raise UsageError(summary, code="gs-no-bucket") from error
            raise
        return
    answer = _plain(client, "GET", client.address("storage") + path, token, None)
    if answer.status_code in _STATUSES:
        summary = f"bucket gs://{bucket} does not take tokens that are limited to it"
        hint = f"run: gcloud storage buckets update gs://{bucket} --uniform-bucket-level-access"
        raise UsageError(summary, code="gs-not-uniform", hint=hint)
    if not answer.ok:
        raise ProviderUnavailable(f"gs: HTTP {answer.status_code}", code="gcp-unreachable")


def _exchange(client: Client, bucket: str) -> Token:
    """Return a token for the bucket alone; it ends with the account's own, which is a new one."""
    whole = new_token(client.context, client.credentials, client.http)
    rule = {
        "availableResource": f"//storage.googleapis.com/projects/_/buckets/{bucket}",
        "availablePermissions": [_ROLE],
    }
    body = {
        "grant_type": _GRANT,
        "requested_token_type": _ACCESS_TOKEN,
        "subject_token_type": _ACCESS_TOKEN,
        "subject_token": whole.value,
        "options": json.dumps({"accessBoundary": {"accessBoundaryRules": [rule]}}),
    }
    answer = _plain(client, "POST", f"{client.address('sts')}v1/token", None, body)
    if not answer.ok:
        summary = f"gcp would not limit its token to gs://{bucket}: HTTP {answer.status_code}"
        raise CredentialsError(summary, code="gs-token")
    return Token(str(answer.json()["access_token"]), whole.expires_at)


def _plain(client: Client, method: str, url: str, token: str | None, form: Any) -> Any:
    """Send one request that is not in the account's name."""
    import requests

    limit = max(0.2, min(8.0, client.context.remaining_s()))
    auth = Bearer(token or "")
    try:
        return client.http.request(method, url, data=form, auth=auth, timeout=limit)
    except requests.RequestException as error:
        summary = f"gcp {method} {url.partition('?')[0]}: no answer ({type(error).__name__})"
        raise ProviderUnavailable(summary, code="gcp-unreachable") from error
