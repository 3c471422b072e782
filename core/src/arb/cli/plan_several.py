"""How much of a plan ``arb plan`` shows, of one task or of a file that holds several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arb.cli import render
from arb.errors import ArbError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from arb.cli.plan_view import PlanView
    from arb.optimizer.totals import Totals
    from arb.tasks import Task

__all__ = ["Extent", "show_each", "shown"]


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of a plan is shown.

    Attributes:
        limit: At most so many offers; 0 is all.
        hours: For the totals; None leaves them out.
        spot_share: Of the blend's hours.
        why: Whether to tell what each filter removed.
    """

    limit: int
    hours: float | None
    spot_share: float
    why: bool

    def totals(self, view: PlanView) -> Totals | None:
        """Return the totals that are wanted.

        Raises:
            UsageError: The hours or the share are none.
        """
        return None if self.hours is None else view.totals(self.hours, self.spot_share)


def show_each(
    tasks: Sequence[Task], planned: Callable[[Task], PlanView], extent: Extent, *, as_json: bool
) -> int:
    """Print the plans; one that is empty says why, and the others follow. Return the exit code.

    Args:
        tasks: In the order of the file.
        planned: Finds what one of them would be bought for.
        extent: How much of each is shown.
        as_json: Print one document of all.
    """
    code, documents = 0, []
    for number, task in enumerate(tasks, start=1):
        name = task.name or f"task {number}"
        if not as_json:
            render.line(f"{name}:" if number == 1 else f"\n{name}:")
        try:
            documents.append(shown(planned(task), extent, as_json=as_json))
        except ArbError as error:
            code = max(code, error.exit_code)
            documents.append({"task": name, "error": error.to_dict()})
            if not as_json:
                render.error(error, as_json=False)
    if as_json:
        render.json_document({"plans": documents})
    return code


def shown(view: PlanView, extent: Extent, *, as_json: bool) -> dict[str, Any]:
    """Show one plan, and how it came to be empty; or return it as a document.

    Raises:
        ArbError: Nothing is left of it.
    """
    totals = extent.totals(view)
    if not as_json:
        view.show(extent.limit, totals, why=extent.why)
    view.check()
    return view.document(extent.limit, totals) if as_json else {}
