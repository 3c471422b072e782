"""All rows, in the order of the design's table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import agent, commands, fanout, imports, later, market, plan, realsize, refresh, remote, walk

if TYPE_CHECKING:
    from .harness import Row

__all__ = ["ROWS"]

ROWS: Final[tuple[Row, ...]] = (
    *commands.ROWS,
    *market.ROWS,
    *plan.ROWS,
    *refresh.ROWS,
    *realsize.ROWS,
    *walk.ROWS,
    *remote.ROWS,
    *fanout.ROWS,
    *imports.ROWS,
    *agent.ROWS,
    *later.ROWS,
)
