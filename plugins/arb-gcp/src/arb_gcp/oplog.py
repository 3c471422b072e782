"""The operation log: why a machine that is off or no longer there ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from arb.types import GoneReason
from arb_gcp.machines import last_part, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from arb_gcp.client import Client

__all__ = ["End", "ends_of_page", "read_ends"]

_REASONS: Final = {
    "compute.instances.preempted": GoneReason.PREEMPTED,
    "compute.instances.hostError": GoneReason.HARDWARE,
    "compute.instances.guestTerminate": GoneReason.USER,
    "delete": GoneReason.USER,
    "stop": GoneReason.USER,
}
_WEIGHT: Final = {kind: number for number, kind in enumerate(_REASONS)}
"""The first of these tells more: a machine that was preempted is deleted after."""
_FILTER: Final = " OR ".join(f'(operationType = "{kind}")' for kind in _REASONS)
_MOST_PAGES: Final = 10


@dataclass(frozen=True, slots=True)
class End:
    """The last word of the log about one machine.

    Attributes:
        name: Of the machine.
        zone: Where it was.
        kind: Type of the operation, for people.
        at: Seconds since the epoch.
        reason: What that means.
    """

    name: str
    zone: str
    kind: str
    at: float
    reason: GoneReason


def read_ends(client: Client, project: str) -> dict[str, End]:
    """Return how machines of a project ended, newest pages first, by name.

    Args:
        client: The way to the API.
        project: Whose log.
    """
    path = f"projects/{project}/aggregated/operations"
    params = {
        "filter": _FILTER,
        "orderBy": "creationTimestamp desc",
        "fields": "items/*/operations(operationType,targetLink,insertTime,endTime,status,error),"
        "nextPageToken",
    }
    ends: dict[str, End] = {}
    for number, page in enumerate(client.aggregated(path, params), start=1):
        for end in ends_of_page(page):
            known = ends.get(end.name)
            if known is None or _WEIGHT[end.kind] < _WEIGHT[known.kind]:
                ends[end.name] = end
        if number == _MOST_PAGES:
            break
    return ends


def ends_of_page(page: Mapping[str, Any]) -> Iterable[End]:
    """Yield what one page of the log says of machines."""
    for scope in (page.get("items") or {}).values():
        for operation in scope.get("operations") or ():
            yield from _end(operation)


def _end(operation: Mapping[str, Any]) -> Iterable[End]:
    kind, target = str(operation.get("operationType")), str(operation.get("targetLink") or "")
    is_over = operation.get("status") == "DONE" and operation.get("error") is None
    if kind not in _REASONS or "/instances/" not in target or not is_over:
        return
    zone = last_part(target.rpartition("/instances/")[0])
    at = seconds(operation.get("endTime") or operation.get("insertTime"))
    yield End(last_part(target), zone, kind, at, _REASONS[kind])
