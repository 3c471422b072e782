"""Listing deployments, every page of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from arb.errors import ProviderUnavailable
from arb.types import Listing
from arb_spheron.account import team_id
from arb_spheron.client import SpheronClient
from arb_spheron.deployments import instance_of, token_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arb.types import Instance, ListQuery, ProviderContext

__all__ = ["list_instances", "read_deployments"]

_MOST_PAGES: Final = 500
_USUAL_PAGE: Final = 10
"""A bare array with a multiple of so many rows may be the first of several pages."""


def list_instances(context: ProviderContext, query: ListQuery) -> Listing:
    """List deployments that carry an arb token."""
    with SpheronClient.open(context) as client:
        team = team_id(client)
        rows = _rows(client, team, query)
    found = (instance_of(context.provider, row) for row in rows if token_of(row))
    matching = tuple(instance for instance in found if _matches(instance, query))
    return Listing(matching, frozenset({Listing.EVERYWHERE}), account=team)


def read_deployments(client: SpheronClient, team: str, status: str) -> list[dict[str, Any]]:
    """Return a team's deployments, every page of them.

    Args:
        client: Of the call.
        team: Whose.
        status: ``active``, ``inactive`` or ``all``.

    Raises:
        CredentialsError, RateLimited, ProviderUnavailable: A page is missing, so nothing is known.
    """
    query = {"status": status, "teamId": team}
    rows: dict[str, dict[str, Any]] = {}
    for page in range(1, _MOST_PAGES + 1):
        answer = client.get("/api/deployments", query)
        part, pages = _page(answer)
        fresh = [row for row in part if str(row.get("id")) not in rows]
        rows |= {str(row.get("id")): row for row in fresh}
        if not fresh or _is_last(len(part), page, pages):
            return list(rows.values())
        query["page"] = str(page + 1)
    summary = f"spheron lists more than {_MOST_PAGES} pages of deployments"
    raise ProviderUnavailable(summary, code="spheron-pages")


def _rows(client: SpheronClient, team: str, query: ListQuery) -> Iterable[dict[str, Any]]:
    """Read what can match. Who asks for machines by name mostly asks for such as are active."""
    if not query.tokens:
        return read_deployments(client, team, "all")
    active = read_deployments(client, team, "active")
    missing = query.tokens - {token_of(row) for row in active}
    return active + (read_deployments(client, team, "inactive") if missing else [])


def _page(answer: Any) -> tuple[list[dict[str, Any]], int | None]:
    """Return a page's rows, and how many pages there are when that is told."""
    pages = None
    if isinstance(answer, dict):
        pages = answer.get("totalPages")
        answer = answer.get("deployments", answer.get("data"))
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        raise ProviderUnavailable("spheron lists no deployments", code="spheron-listing")
    return answer, pages if isinstance(pages, int) else None


def _is_last(rows: int, page: int, pages: int | None) -> bool:
    return page >= pages if pages is not None else rows % _USUAL_PAGE > 0


def _matches(instance: Instance, query: ListQuery) -> bool:
    return (
        (not query.owner or instance.token.startswith(f"arb-{query.owner}-"))
        and (not query.tokens or instance.token in query.tokens)
        and (not query.regions or instance.region in query.regions)
    )
