"""SSH public keys as text: compare, show, and write them for OpenSSH."""

from __future__ import annotations

import base64
import binascii
import hashlib

from arb.errors import UsageError

__all__ = ["fingerprint", "key_line", "key_parts", "known_hosts_line", "same_key"]


def key_parts(line: str) -> tuple[str, bytes]:
    """Split a public key line into its type and its raw key; a comment is dropped.

    Args:
        line: ``TYPE BASE64 [COMMENT]``.

    Raises:
        UsageError: It is not a public key line.
    """
    fields = line.split()
    if len(fields) < 2:  # noqa: PLR2004 - type and key
        raise _not_a_key()
    try:
        return fields[0], base64.b64decode(fields[1], validate=True)
    except binascii.Error:
        raise _not_a_key() from None


def _not_a_key() -> UsageError:
    return UsageError(
        "not an SSH public key line",
        code="bad-public-key",
        hint="it looks like: ssh-ed25519 AAAA...",
    )


def key_line(kind: str, raw: bytes) -> str:
    """Return ``TYPE BASE64`` of a raw key."""
    return f"{kind} {base64.b64encode(raw).decode()}"


def same_key(one: str, other: str) -> bool:
    """Say whether two lines hold the same key, whatever their comments."""
    return key_parts(one) == key_parts(other)


def fingerprint(line: str) -> str:
    """Return ``SHA256:...`` as ``ssh-keygen -l`` prints it."""
    digest = hashlib.sha256(key_parts(line)[1]).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def known_hosts_line(alias: str, line: str) -> str:
    """Return a ``known_hosts`` line that binds a ``HostKeyAlias`` to a key, without line end."""
    kind, raw = key_parts(line)
    return f"{alias} {key_line(kind, raw)}"
