"""Names that we put on machines, so that they can be found again and told from others'.

``arb-<owner>-<cluster>-<attempt>-<rank>`` is 30 characters of ``[a-z0-9-]``: valid as an EC2
ClientToken, a GCP name, a Lambda name and tag and a Spheron name. A provider is handed tokens whole
and takes apart what it finds; whoever writes a cloud for tests makes some, too.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = [
    "MACHINE_TOKEN_PATTERN",
    "MAX_SEQ",
    "Token",
    "attempt_token",
    "is_id",
    "machine_token",
    "new_id",
    "parse_token",
]

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LENGTH: Final = 8
_SEQ_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
MAX_SEQ: Final = len(_SEQ_DIGITS) ** 3 - 1
_MAX_RANK: Final = 9999
_ID: Final = "[a-z2-7]{8}"
_ATTEMPT: Final = f"arb-({_ID})-({_ID})-([0-9a-z]{{3}})"
_TOKEN: Final = re.compile(rf"{_ATTEMPT}(?:-([0-9]{{4}}))?")
MACHINE_TOKEN_PATTERN: Final = f"arb-{_ID}-{_ID}-[0-9a-z]{{3}}-[0-9]{{4}}"
"""Matches a machine's token, without groups: for ``re`` and for ``grep -E`` on a host."""


class Token(NamedTuple):
    """A token taken apart.

    Attributes:
        owner: Whose machine it is: 8 characters, made with the user's state.
        cluster_id: One life of a cluster.
        seq: Which purchase of it, from 0.
        rank: Of the machine; None in a purchase's own token.
    """

    owner: str
    cluster_id: str
    seq: int
    rank: int | None

    @property
    def attempt(self) -> str:
        """The purchase's token: the same, without the rank."""
        return attempt_token(self.owner, self.cluster_id, self.seq)


def new_id() -> str:
    """Return 8 random base32 characters, lower case: an owner, or one life of a cluster."""
    import secrets

    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))


def is_id(text: str) -> bool:
    """Say whether a text could come from ``new_id``."""
    return re.fullmatch(_ID, text) is not None


def attempt_token(owner: str, cluster_id: str, seq: int) -> str:
    """Return the token of one purchase, 25 characters, without a rank.

    Args:
        owner: Of the store.
        cluster_id: One life of a cluster.
        seq: Which attempt of it, from 0 to 46655.

    Raises:
        ValueError: A part does not fit.
    """
    if not (is_id(owner) and is_id(cluster_id) and 0 <= seq <= MAX_SEQ):
        raise ValueError(f"no token for owner {owner!r}, cluster {cluster_id!r}, attempt {seq}")
    base = len(_SEQ_DIGITS)
    digits = (seq // base**2, seq // base % base, seq % base)
    return f"arb-{owner}-{cluster_id}-{''.join(_SEQ_DIGITS[d] for d in digits)}"


def machine_token(attempt: str, rank: int) -> str:
    """Return the token of one machine of an attempt, 30 characters.

    Raises:
        ValueError: The rank is not from 0 to 9999.
    """
    if not 0 <= rank <= _MAX_RANK:
        raise ValueError(f"no token for rank {rank}")
    return f"{attempt}-{rank:04}"


def parse_token(text: str) -> Token | None:
    """Take a token apart; None when the text is not one of ours."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        return None
    owner, cluster_id, seq, rank = match.groups()
    return Token(owner, cluster_id, int(seq, 36), None if rank is None else int(rank))
