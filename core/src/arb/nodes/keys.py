"""The keys that arb makes for itself: one client key an owner, one host key a node, one gang key.

All are ed25519 and live in the vault as OpenSSH PEM. The user's own ``~/.ssh`` keys are never read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

__all__ = [
    "KeyPair",
    "KeyVault",
    "client_key",
    "forget_gang_key",
    "gang_key",
    "generate_key",
]

CLIENT_KEY = "client/id_ed25519"


class KeyVault(Protocol):
    """The part of the vault that keys need."""

    def put_new(self, name: str, content: bytes, /) -> bytes:
        """Store a secret unless there is one; return the one that is kept."""

    def get(self, name: str, /) -> bytes | None:
        """Return a secret, or None."""

    def delete(self, name: str, /) -> None:
        """Forget a secret; unknown names are fine."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """One ed25519 key.

    Attributes:
        public: One line, ``ssh-ed25519 AAAA... COMMENT``.
        private: OpenSSH PEM text, not encrypted.
    """

    public: str
    private: str = field(repr=False)


def generate_key(comment: str = "") -> KeyPair:
    """Make a new key.

    Args:
        comment: Ends the public line; no line ends.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    private = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
    )
    return _pair(private, comment)


def _pair(private: bytes, comment: str) -> KeyPair:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_ssh_private_key,
    )

    public = load_ssh_private_key(private, password=None).public_key()
    line = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return KeyPair(public=f"{line} {comment}".rstrip(), private=private.decode())


def client_key(vault: KeyVault, owner: str) -> KeyPair:
    """Return the key that opens every node of this owner; make it the first time.

    Args:
        vault: Where it is kept.
        owner: 8 characters, shown in the comment of the public line.
    """
    return _kept(vault, CLIENT_KEY, f"arb-{owner}")


def gang_key(vault: KeyVault, cluster_id: str) -> KeyPair:
    """Return the key with which a cluster's head reaches its peers; make it the first time."""
    return _kept(vault, f"gang/{cluster_id}", f"arb-gang-{cluster_id}")


def forget_gang_key(vault: KeyVault, cluster_id: str) -> None:
    """Delete the gang key of a cluster that is gone."""
    vault.delete(f"gang/{cluster_id}")


def _kept(vault: KeyVault, name: str, comment: str) -> KeyPair:
    stored = vault.get(name)
    if stored is not None:
        return _pair(stored, comment)
    # Another process may have made one meanwhile: the first one kept is everybody's.
    return _pair(vault.put_new(name, generate_key().private.encode()), comment)
