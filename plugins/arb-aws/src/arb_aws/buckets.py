"""Access to one bucket for a limited time: what reaches a node opens nothing else of the account."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from arb.errors import CredentialsError, ProviderUnavailable, UsageError
from arb.types import StoreRemote
from arb_aws.client import Client
from arb_aws.faults import ApiError, Forbidden
from arb_aws.session import endpoint_of

if TYPE_CHECKING:
    from arb.types import ProviderContext

__all__ = ["bucket_policy", "store_remote"]

_URI: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")
_LIFE_S: Final = 36 * 3600
"""The longest that STS gives to a user."""
_NAME: Final = "arb"
_OBJECTS: Final = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
)
_WHOLE: Final = ("s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads")
_ABSENT: Final = frozenset({"404", "NoSuchBucket", "NotFound"})
_MOVED: Final = frozenset(
    {"301", "307", "400", "PermanentRedirect", "AuthorizationHeaderMalformed"}
)
_DENIED: Final = frozenset({"403", "AccessDenied", "Forbidden"})


def store_remote(context: ProviderContext, uri: str) -> StoreRemote:
    """Return an rclone remote with session credentials.

    A user's keys become a session of 36 hours that is limited to the bucket, where the user may ask
    for one, else one with all that the user may do; the credentials of a role or a log-in end by
    themselves and are used as they are.

    Raises:
        CredentialsError: None are there, or they may not use the bucket.
        UsageError: The address is not one of a bucket, or there is none.
        ProviderUnavailable: No answer.
    """
    match = _URI.fullmatch(uri)
    if match is None:
        summary = f"{uri!r} is not the address of a bucket"
        raise UsageError(summary, code="s3-uri", hint="write s3://BUCKET/FOLDER")
    bucket, folder = match[1], (match[2] or "").strip("/")
    client = Client.from_context(context)
    options = {"provider": "AWS", "env_auth": "false", "region": _region_of(client, bucket)}
    url = endpoint_of(context, client.settings, "s3")
    if url:
        options |= {"endpoint": url, "force_path_style": "true"}
    root = f"{bucket}/{folder}" if folder else bucket
    return StoreRemote(type="s3", options=options, secrets=_session(client, bucket), root=root)


def bucket_policy(bucket: str) -> str:
    """Return what a session may do: everything with the objects of one bucket, nothing else."""
    arn = f"arn:aws:s3:::{bucket}"
    statements = [
        {"Effect": "Allow", "Action": list(_WHOLE), "Resource": arn},
        {"Effect": "Allow", "Action": list(_OBJECTS), "Resource": f"{arn}/*"},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _region_of(client: Client, bucket: str) -> str:
    """Return where a bucket is, which also says whether it is there and may be used."""
    home = client.home_region()
    try:
        answer = client.call("s3", "head_bucket", home, Bucket=bucket)
    except ApiError as error:
        fault = error.fault
        if fault.code in _ABSENT:
            raise UsageError(f"there is no bucket s3://{bucket}", code="s3-no-bucket") from error
        if fault.code in _DENIED:
            summary = f"aws: the account may not use bucket s3://{bucket}"
            raise CredentialsError(summary, code="aws-forbidden") from error
        if fault.code in _MOVED and fault.bucket_region:
            return fault.bucket_region
        raise
    headers = answer["ResponseMetadata"].get("HTTPHeaders") or {}
    return str(answer.get("BucketRegion") or headers.get("x-amz-bucket-region") or home)


def _session(client: Client, bucket: str) -> dict[str, str]:
    """Return credentials that end by themselves, as rclone names them."""
    keys = client.read_keys()
    if keys.token:
        return _secrets(keys.access_key, keys.secret_key, keys.token)
    region = client.home_region()
    try:
        answer = client.call(
            "sts",
            "get_federation_token",
            region,
            Name=_NAME,
            Policy=bucket_policy(bucket),
            DurationSeconds=_LIFE_S,
        )
    except Forbidden:
        answer = client.call("sts", "get_session_token", region, DurationSeconds=_LIFE_S)
    made: Any = answer.get("Credentials")
    if not made:
        raise ProviderUnavailable("aws: STS made no session", code="aws-unreadable")
    return _secrets(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])


def _secrets(key: str, secret: str, token: str) -> dict[str, str]:
    return {"access_key_id": key, "secret_access_key": secret, "session_token": token}
