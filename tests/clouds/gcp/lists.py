"""Lists of one scope, and those over all of them, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clouds.gcp.errors import Refused
from clouds.gcp.filters import WrongFilter, page_of, parse_filter
from clouds.gcp.shop import ZONES, region_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clouds.gcp.cloud import Call
    from clouds.gcp.state import GcpSettings

__all__ = ["aggregated", "listed"]


def listed(
    kind: str, items: Sequence[dict[str, Any]], query: Mapping[str, str], how: GcpSettings
) -> dict[str, Any]:
    """Return a page of ``kind``'s list."""
    page, token = _page(items, query, how, key=lambda item: item)
    answer: dict[str, Any] = {"kind": kind, "id": "list", "items": list(page)}
    if token:
        answer["nextPageToken"] = token
    return answer


def aggregated(
    names: tuple[str, str],
    items: Sequence[tuple[str, dict[str, Any]]],
    call: Call,
    how: GcpSettings,
) -> dict[str, Any]:
    """Return a page of an aggregated list: every scope is there, if only with a warning.

    Args:
        names: Kind of the list, and the word under which a scope's items stand.
        items: ``(scope, item)``.
        call: The request.
        how: How the cloud behaves: page size, and zones that cannot be reached.

    Raises:
        Refused: A zone cannot be reached, and the caller did not ask for parts.
    """
    kind, word = names
    down = {*how.zones_down, *how.failing_regions}
    silent = [f"zones/{z}" for z in ZONES if {z, region_of(z)} & down]
    if silent and how.lists_fail_whole and call.wants_all:
        raise Refused(503, "backendError", "Backend Error")
    reached = [(scope, item) for scope, item in items if scope not in silent]
    page, token = _page(reached, call.query, how, key=lambda pair: pair[1])
    scopes: dict[str, dict[str, Any]] = {}
    for scope, item in page:
        scopes.setdefault(scope, {}).setdefault(word, []).append(item)
    for zone in ZONES:
        scope = f"zones/{zone}"
        if scope not in scopes:
            code = "UNREACHABLE" if scope in silent else "NO_RESULTS_ON_PAGE"
            scopes[scope] = {"warning": _warning(code, scope)}
    answer: dict[str, Any] = {"kind": kind, "id": "aggregated", "items": scopes}
    if silent:
        answer["unreachables"] = silent
    if token:
        answer["nextPageToken"] = token
    return answer


def _page(items: Sequence[Any], query: Mapping[str, str], how: GcpSettings, *, key: Any) -> Any:
    text = query.get("filter", "")
    if text and how.filters == "refused":
        raise Refused(400, "invalid", f"Invalid value for field 'filter': '{text}'.")
    try:
        fits = parse_filter(text if how.filters == "understood" else "")
        found = [item for item in items if fits(key(item))]
        return page_of(_sorted(found, query.get("orderBy", "name"), key), query, how.page_size)
    except WrongFilter as error:
        raise Refused(400, "invalid", str(error)) from None


def _sorted(found: list[Any], order: str, key: Any) -> list[Any]:
    if order == "name":
        return sorted(found, key=lambda item: key(item)["name"])
    if order != "creationTimestamp desc":
        raise WrongFilter(f"Invalid value for field 'orderBy': '{order}'.")
    made = lambda item: key(item).get("insertTime") or key(item)["creationTimestamp"]  # noqa: E731
    return sorted(found, key=made, reverse=True)


def _warning(code: str, scope: str) -> dict[str, Any]:
    return {
        "code": code,
        "message": f"There are no results for scope '{scope}' on this page.",
        "data": [{"key": "scope", "value": scope}],
    }
