"""Which offers a task can run on, best first, and why the others cannot."""

from __future__ import annotations

from arb.optimizer.options import Objective, RankOptions
from arb.optimizer.rank import rank
from arb.optimizer.ranking import Entry, Ranking
from arb.optimizer.rejections import Rejections, Removed
from arb.optimizer.standing import Standing

__all__ = [
    "Entry",
    "Objective",
    "RankOptions",
    "Ranking",
    "Rejections",
    "Removed",
    "Standing",
    "rank",
]
