"""Host keys as OpenSSH writes them."""

from __future__ import annotations

import base64

__all__ = ["generate", "public_line"]

_MAGIC = b"openssh-key-v1\0"


def generate() -> str:
    """Make an Ed25519 key; return the private half as OpenSSH PEM text."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def public_line(private: str) -> str:
    """Return ``ssh-ed25519 AAAA...`` for an OpenSSH private key, without any cryptography.

    Raises:
        ValueError: The text is not an OpenSSH private key.
    """
    lines = [line for line in private.split("\n") if line and not line.startswith("-----")]
    blob = base64.b64decode("".join(lines))
    if not blob.startswith(_MAGIC):
        raise ValueError("not an OpenSSH private key")
    rest = blob[len(_MAGIC) :]
    for _ in range(3):  # cipher, key derivation, its options
        _, rest = _take(rest)
    public, _ = _take(rest[4:])  # after the number of keys
    kind, _ = _take(public)
    return f"{kind.decode()} {base64.b64encode(public).decode()}"


def _take(data: bytes) -> tuple[bytes, bytes]:
    size = int.from_bytes(data[:4], "big")
    return data[4 : 4 + size], data[4 + size :]
