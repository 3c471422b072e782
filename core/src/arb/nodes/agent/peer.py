"""What the head knows of one peer's rank."""

from __future__ import annotations

import time

from .jobs import FINAL, GANG_LOST, SETTING_UP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .peer_link import PeerLink


class Peer:
    """One peer's rank, as far as the head knows.

    Attributes:
        rank: Its number.
        link: The session to its node.
        state: As it was last heard; empty before.
        reason: Likewise.
        exit_code: Likewise.
        told: Whether it may have heard of the job.
        known: Whether it answered about the job.
        away: Whether it was given up.
    """

    def __init__(self, rank: int, link: PeerLink) -> None:
        self.rank, self.link = rank, link
        self.state, self.reason = "", ""
        self.exit_code: int | None = None
        self.seen_at = time.monotonic()
        self.told = False
        self.known = False
        self.away = False

    @property
    def done(self) -> bool:
        """Return whether nothing of it runs, or nothing more can be learned."""
        return self.away or self.state in FINAL

    def learn(self, answer: dict[str, Any]) -> None:
        """Take what the peer said."""
        self.seen_at = time.monotonic()
        self.known = True
        self.state = str(answer["state"])
        self.exit_code, self.reason = answer.get("exit_code"), str(answer.get("reason") or "")

    def describe(self) -> dict[str, Any]:
        """Return what clients see of it."""
        return {
            "rank": self.rank,
            "state": GANG_LOST if self.away else self.state or SETTING_UP,
            "exit_code": self.exit_code,
            "reason": self.reason,
        }

    def silent_s(self) -> float:
        """Return for how many seconds nothing was heard."""
        return time.monotonic() - self.seen_at
