"""The operation log: why a machine that is off or no longer there ended."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from arb.types import GoneReason
from arb_gcp.answers import ApiError, ServerError
from arb_gcp.machines import last_part, seconds
from arb_gcp.threads import side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
_FIELDS: Final = "operationType,targetLink,insertTime,endTime,status,error"
_MOST_PAGES: Final = 10
_MOST_ZONES: Final = 24


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


def read_ends(client: Client, project: str, zones: Sequence[str] = ()) -> dict[str, End]:
    """Return how machines of a project ended, newest pages first, by name.

    Args:
        client: The way to the API.
        project: Whose log.
        zones: Whose logs are read one by one where the one over all zones cannot be had.

    Raises:
        ArbError: As ``Client.get``.
    """
    try:
        return _newest(ends_of_page(page) for page in _pages_of_all(client, project))
    except (ApiError, ServerError):
        if not zones:
            raise
    logs = side_by_side(partial(_ends_of_zone, client, project), zones[:_MOST_ZONES])
    told = [log for log in logs if not isinstance(log, Exception)]
    if not told:
        raise next(log for log in logs if isinstance(log, Exception))
    return _newest(told)


def _pages_of_all(client: Client, project: str) -> Iterator[Any]:
    fields = f"items/*/operations({_FIELDS}),nextPageToken"
    params = {"filter": _FILTER, "orderBy": "creationTimestamp desc", "fields": fields}
    path = f"projects/{project}/aggregated/operations"
    return islice(client.aggregated(path, params), _MOST_PAGES)


def _ends_of_zone(client: Client, project: str, zone: str) -> list[End]:
    path = f"projects/{project}/zones/{zone}/operations"
    params = {"filter": _FILTER, "orderBy": "creationTimestamp desc"}
    pages = islice(client.pages(path, params), _MOST_PAGES)
    return [end for page in pages for said in page.get("items") or () for end in _end(said)]


def _newest(logs: Iterable[Iterable[End]]) -> dict[str, End]:
    """Return one end a machine: the one that tells most, and of equal ones the first."""
    ends: dict[str, End] = {}
    for log in logs:
        for end in log:
            known = ends.get(end.name)
            if known is None or _WEIGHT[end.kind] < _WEIGHT[known.kind]:
                ends[end.name] = end
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
