"""Which offers a task can run on, best first, and why the others cannot.

* ``rank``: alternatives and ``options`` in, a ``ranking`` out. ``groups`` takes or leaves whole groups of offers
  (``nearest``: what would have been near), ``filters`` looks at rows (``columns``), ``adjust`` lets plugins
  change prices, ``objective`` scores, ``order`` sorts, ``rejections`` counts what fell out.
* After it: ``standing`` is an offer's place apart from its price, ``slippage`` what live prices change.
* Comparing: ``totals`` over many hours; ``plot`` and ``picture`` draw.
"""

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
