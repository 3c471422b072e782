"""Accounts and their tokens: service account keys, users, impersonation, limited tokens."""

from __future__ import annotations

import base64
import functools
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from clouds.gcp.state import OTHER_PROJECT
from clouds.http import Answer

if TYPE_CHECKING:
    from pathlib import Path

    from clouds.http import Request

__all__ = ["Accounts", "Grant", "rsa_pair"]

_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_AUDIENCE = "https://oauth2.googleapis.com/token"
_HOUR_S = 3600
_SCOPES = "https://www.googleapis.com/auth/"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@dataclass(frozen=True)
class Grant:
    """What a token stands for.

    Attributes:
        account: E-mail.
        until: End, by the cloud's clock.
        bucket: The only bucket that it opens; empty for a whole one.
        is_whole: It was asked for with the scope for everything.
    """

    account: str
    until: float
    bucket: str = ""
    is_whole: bool = True


@functools.cache
def rsa_pair() -> tuple[str, Any]:
    """Return a private key as PEM text, and the public one; made once a process."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode(), key.public_key()


class Accounts:
    """The accounts of one project, and every token that was given out."""

    def __init__(self, project: str, now: Any) -> None:
        self.project, self._now = project, now
        self.email = f"arb@{project}.iam.gserviceaccount.com"
        self.target = f"launcher@{project}.iam.gserviceaccount.com"
        self.other = f"arb@{OTHER_PROJECT}.iam.gserviceaccount.com"
        self.user = "someone@example.com"
        self.revoked: set[str] = set()
        self._tokens: dict[str, Grant] = {}
        self.refresh_token = "1//refresh-token-of-someone"

    # -- files that clients are given ------------------------------------------------------

    def project_of(self, account: str) -> str:
        """Return the project that an account may use."""
        return OTHER_PROJECT if account == self.other else self.project

    def write_key(self, path: Path, url: str, *, other: bool = False) -> Path:
        """Write a service account's key file."""
        email = self.other if other else self.email
        document = {
            "type": "service_account",
            "project_id": self.project_of(email),
            "private_key_id": "0123456789abcdef",
            "private_key": rsa_pair()[0],
            "client_email": email,
            "client_id": "100000000000000000001",
            "token_uri": f"{url}/token",
        }
        return _write(path, document)

    def write_user(self, path: Path) -> Path:
        """Write what ``gcloud auth application-default login`` leaves."""
        document = {
            "type": "authorized_user",
            "account": "",
            "client_id": "0000.apps.googleusercontent.com",
            "client_secret": "not-much-of-a-secret",
            "refresh_token": self.refresh_token,
            "quota_project_id": self.project,
        }
        return _write(path, document)

    def write_impersonation(self, path: Path, url: str) -> Path:
        """Write a file by which the service account acts as another one."""
        own = json.loads(self.write_key(path.with_suffix(".own"), url).read_text())
        target = f"{url}/v1/projects/-/serviceAccounts/{self.target}:generateAccessToken"
        document = {
            "type": "impersonated_service_account",
            "service_account_impersonation_url": target,
            "source_credentials": own,
            "delegates": [],
        }
        return _write(path, document)

    # -- tokens ----------------------------------------------------------------------------

    def grant_of(self, request: Request) -> Grant | None:
        """Return what a request's token stands for; None when it stands for nothing."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        grant = self._tokens.get(token) if scheme == "Bearer" else None
        if grant is None and token.count(".") == 2:  # a JWT has three parts
            claims, fault = self._read_assertion(token, signed_by_itself=True)
            grant = None if fault else Grant(claims["iss"], self._now() + _HOUR_S)
        if grant is None or grant.until <= self._now() or grant.account in self.revoked:
            return None
        return grant

    def give(
        self, account: str, bucket: str = "", until: float = 0, *, is_whole: bool = True
    ) -> dict[str, Any]:
        """Return the answer that hands out a new token."""
        token = f"ya29.{secrets.token_urlsafe(24)}"
        end = until or self._now() + _HOUR_S
        self._tokens[token] = Grant(account, end, bucket, is_whole)
        left = int(end - self._now())
        return {"access_token": token, "expires_in": left, "token_type": "Bearer"}

    def oauth(self, request: Request) -> Answer:
        """Answer the token endpoint."""
        form = dict(parse_qsl(request.body.decode()))
        if form.get("grant_type") == "refresh_token":
            known = form.get("refresh_token") == self.refresh_token
            if not known or self.user in self.revoked:
                said = "Token has been expired or revoked."
                return _denied("invalid_grant", said)
            return Answer(200, self.give(self.user))
        if form.get("grant_type") != _JWT:
            return _denied("unsupported_grant_type", "Invalid grant_type: ")
        claims, fault = self._read_assertion(form.get("assertion", ""))
        if fault:
            return _denied("invalid_grant", fault)
        is_whole = SCOPE in claims["scope"].split()
        return Answer(200, self.give(claims["iss"], is_whole=is_whole))

    def impersonate(self, request: Request, email: str) -> Answer:
        """Answer ``generateAccessToken``."""
        from datetime import UTC, datetime

        if email != self.target or SCOPE not in request.json().get("scope", ()):
            return Answer(403, {"error": {"code": 403, "message": "Permission denied"}})
        given = self.give(self.target)
        until = datetime.now(UTC).timestamp() + given["expires_in"]
        expiry = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Answer(200, {"accessToken": given["access_token"], "expireTime": expiry})

    def limit(self, request: Request) -> Answer:
        """Answer the exchange of a token for one that opens a single bucket."""
        form = dict(parse_qsl(request.body.decode()))
        whole = self._tokens.get(form.get("subject_token", ""))
        if form.get("grant_type") != _EXCHANGE or whole is None:
            return _denied("invalid_request", "the subject token is not valid")
        (rule,) = json.loads(form["options"])["accessBoundary"]["accessBoundaryRules"]
        bucket = rule["availableResource"].removeprefix(
            "//storage.googleapis.com/projects/_/buckets/"
        )
        given = self.give(whole.account, bucket, whole.until)
        kind = "urn:ietf:params:oauth:token-type:access_token"
        body = {**given, "issued_token_type": kind}
        del body["expires_in"]  # Google leaves it out here: it ends with the whole one
        return Answer(200, body)

    def _read_assertion(
        self, assertion: str, *, signed_by_itself: bool = False
    ) -> tuple[dict[str, Any], str]:
        """Return what a JWT claims, and what is wrong with it.

        One that is signed by itself is taken instead of a token, and needs no audience of ours.
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        head, _, signature = assertion.rpartition(".")
        try:
            claims = json.loads(_unpadded(head.partition(".")[2]))
            rsa_pair()[1].verify(
                _unpadded(signature), head.encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except (ValueError, InvalidSignature):
            return {}, "Invalid JWT Signature."
        email = claims.get("iss")
        if email not in {self.email, self.other} or email in self.revoked:
            return {}, "Invalid grant: account not found"
        if signed_by_itself:
            return claims, ""
        if claims.get("aud") != _AUDIENCE or not claims.get("scope", "").startswith(_SCOPES):
            return {}, "Invalid JWT: audience or scope"
        return claims, ""


def _denied(error: str, description: str) -> Answer:
    return Answer(400, {"error": error, "error_description": description})


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _write(path: Path, document: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    path.chmod(0o600)
    return path
