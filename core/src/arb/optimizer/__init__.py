"""Which offers a task can run on, best first, and why the others cannot."""

from __future__ import annotations

from arb.optimizer.rank import Ranking, rank_offers

__all__ = ["Ranking", "rank_offers"]
