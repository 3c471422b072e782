"""Hooks of plugins that are always loaded, group ``arb.plugins``.

These see every provider. They may also wrap any provider or store hook
(``@hookimpl(wrapper=True)``): to audit, to refuse, to change a price. They may not answer in a
provider's stead: a plain implementation of a provider hook is refused at load.

A wrapper gets the one result from its ``yield`` and returns the result to use. An ``ArbError`` that
it raises before the ``yield`` refuses the call. A wrapper that crashes or hangs costs a warning and
is left out of that call, except before ``arb_provision`` and ``arb_start``: nothing is bought past
a policy that could not decide. What ``arb_provision`` bought and what ``arb_terminate`` answered is
kept whatever a wrapper does afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.hookspecs._markers import hookspec

if TYPE_CHECKING:
    import pandas as pd

    from arb.types import Event, TaskView

__all__ = ["arb_adjust_offers", "arb_event", "arb_validate_task"]


@hookspec
def arb_validate_task(task: TaskView) -> None:
    """Refuse a task, with a reason, before anything is bought.

    Called for every task that is about to be launched, in plugin-name order.
    Budget: 2 s. An overrun or a crash is a warning, not a refusal.

    Args:
        task: The resolved document, secrets removed.

    Raises:
        ArbError: The task is refused; the message is shown as it is.
    """


@hookspec
def arb_adjust_offers(offers: pd.DataFrame) -> pd.DataFrame:  # type: ignore[empty-body]
    """Change or remove candidate offers before they are ranked: discounts, forbidden regions.

    Called once a plan, and once more for each of its totals and its picture, in plugin-name order,
    each on the result of the one before.
    Budget: 2 s. An overrun or a wrong result is a warning, and the frame stays as it was.

    Args:
        offers: The candidates; columns of ``arb_catalog`` plus ``provider``.

    Returns:
        A frame with the same columns, a subset of the rows. Lowered prices are what the ranking
        uses; what is paid is still recorded as the provider says.

    Raises:
        ArbError: The plan is refused; the message is shown as it is.
    """


@hookspec
def arb_event(event: Event) -> None:
    """Hear of something that just happened and is committed to the event log.

    Called for every event, in order, after the commit. May come twice after a crash: ``event.id``
    tells.
    Budget: 1 s. An overrun or a crash is a warning, at most one a process.

    Args:
        event: Without secrets.

    Raises:
        Nothing: whatever is raised is shown as a warning.
    """
