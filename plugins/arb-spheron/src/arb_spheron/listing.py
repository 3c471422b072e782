"""Listing deployments, every page of them, in whatever form pages have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from arb.errors import CredentialsError, ProviderUnavailable
from arb.types import Listing
from arb_spheron.account import forget_team, team_id
from arb_spheron.client import SpheronClient
from arb_spheron.deployments import instance_of, token_of
from arb_spheron.memory import asker, recall, remember
from arb_spheron.values import whole

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from arb.types import Instance, ListQuery, ProviderContext

__all__ = ["list_instances", "read_deployments"]

_PATH: Final = "/api/deployments"
_ROWS: Final = 100
_MOST_PAGES: Final = 500
_NOT_ALLOWED: Final = frozenset({400, 404, 422})
"""Statuses of a page that there is not, and of a parameter that is not known."""
_ROUND: Final = 5
"""Nobody has pages of another number of rows than a multiple of this, once there are no small ones."""
_FILE: Final = "paging"


def list_instances(context: ProviderContext, query: ListQuery) -> Listing:
    """List deployments that carry an arb token."""
    with SpheronClient.open(context) as client:
        team = team_id(client)
        rows = _rows(client, team, query)
    found = (instance_of(context.provider, row) for row in rows if token_of(row))
    matching = tuple(instance for instance in found if _matches(instance, query))
    return Listing(matching, frozenset({Listing.EVERYWHERE}), account=team)


def read_deployments(
    client: SpheronClient, team: str, status: str, wanted: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Return a team's deployments, every page of them.

    Args:
        client: Of the call.
        team: Whose.
        status: ``active``, ``inactive`` or ``all``.
        wanted: Tokens; where it is not told how many pages there are, no further one is read once
            all of these were found. Empty reads every page.

    Raises:
        CredentialsError, RateLimited, ProviderUnavailable: A page is missing, so nothing is known.
    """
    pages = _Pages(client, {"status": status, "teamId": team})
    try:
        return pages.read(frozenset(wanted))
    except CredentialsError as error:
        if error.code == "spheron-no-team":
            forget_team(client)
        raise


class _Pages:
    """One listing. The end of it is told, or an empty page, or one that was shown before.

    What the server does with the parameters of pages is remembered: a page costs a read.
    """

    def __init__(self, client: SpheronClient, query: dict[str, str]) -> None:
        self._client = client
        self._query = query
        self._who = asker(client)
        self._habit = str(recall(client, _FILE).get(self._who, ""))
        self._told: int | None = None

    def read(self, wanted: frozenset[str]) -> list[dict[str, Any]]:
        """Return all rows."""
        rows: dict[str, dict[str, Any]] = {}
        for page in range(1, _MOST_PAGES + 1):
            part, pages = self._page(page)
            fresh = {str(row["id"]): row for row in part if str(row["id"]) not in rows}
            rows |= fresh
            last = self._is_last(part, fresh) if pages is None else page >= pages
            found = pages is None and wanted and wanted <= set(map(token_of, rows.values()))
            if last or found:
                return list(rows.values())
        summary = f"spheron lists more than {_MOST_PAGES} pages of deployments"
        raise ProviderUnavailable(summary, code="spheron-pages")

    def _is_last(self, part: Collection[object], fresh: Collection[object]) -> bool:
        """Say whether a page is the last where nobody tells how many there are."""
        if part and not fresh:
            self._learn("ignored")
        return not fresh or (bool(self._habit) and len(part) % _ROUND > 0)

    def _page(self, page: int) -> tuple[list[dict[str, Any]], int | None]:
        """Return a page's rows, and how many pages there are when that is told."""
        reply = self._client.read(_PATH, self._parameters(page))
        is_refused = reply.status in _NOT_ALLOWED and isinstance(reply.body, dict)
        if is_refused and page > 1 and self._told is None:
            return [], None  # there is no such page
        if is_refused and page == 1 and self._habit != "refused":
            plain = self._client.read(_PATH, self._query)
            if plain.is_ok:
                self._learn("refused")
            reply = plain
        rows, told = _read(self._client.good(reply, _PATH))
        self._told = told if told is not None else self._told
        return rows, self._told

    def _parameters(self, page: int) -> dict[str, str]:
        if self._habit == "refused" and page == 1:
            return self._query
        return {**self._query, "page": str(page), "limit": str(_ROWS)}

    def _learn(self, habit: str) -> None:
        if self._habit != habit:
            self._habit = habit
            remember(self._client, _FILE, {self._who: habit})


def _read(answer: Any) -> tuple[list[dict[str, Any]], int | None]:
    pages = None
    if isinstance(answer, dict):
        told = answer.get("pagination")
        pages = whole((told if isinstance(told, dict) else answer).get("totalPages"))
        answer = answer.get("deployments", answer.get("data"))
    if not isinstance(answer, list) or not all(isinstance(r, dict) and r.get("id") for r in answer):
        raise ProviderUnavailable("spheron lists no deployments", code="spheron-listing")
    return answer, pages


def _rows(client: SpheronClient, team: str, query: ListQuery) -> Iterable[dict[str, Any]]:
    """Read what can match. Who asks for machines by name mostly asks for such as are active.

    What is not found there is looked for among all: a status that nobody knows is neither active
    nor inactive.
    """
    if not query.tokens:
        return read_deployments(client, team, "all")
    rows = read_deployments(client, team, "active", query.tokens)
    if query.tokens <= set(map(token_of, rows)):
        return rows
    rows += read_deployments(client, team, "all", query.tokens)
    return {str(row["id"]): row for row in rows}.values()


def _matches(instance: Instance, query: ListQuery) -> bool:
    is_there = not query.regions or _is_in(instance.region, query.regions)
    return is_there and query.wants(instance.token)


def _is_in(region: str, regions: Collection[str]) -> bool:
    """Say whether a place is one of some. One that is not told may be any of them."""
    return not region or _plain(region) in set(map(_plain, regions))


def _plain(region: str) -> str:
    return re.sub(r"[^a-z0-9]", "", region.lower())
