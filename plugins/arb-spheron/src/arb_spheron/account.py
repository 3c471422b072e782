"""Which team pays: the account, in the words of the contract.

Finding it out costs a read, so it is remembered by the key's hash. A user who changes the current
team in the dashboard keeps the old one here: machines that it pays for must stay visible.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from arb.errors import CredentialsError, ProviderUnavailable
from arb_spheron.memory import asker, forget, recall, remember
from arb_spheron.values import number

if TYPE_CHECKING:
    from arb_spheron.client import SpheronClient

__all__ = ["Team", "check_account", "forget_team", "read_teams", "team_id"]

NOT_UNDERSTOOD: Final = "spheron-balance"
"""Code of the error for an answer of another form than is known."""
_FILE: Final = "teams"


@dataclass(frozen=True, slots=True)
class Team:
    """One of the user's teams. ``balance_usd`` is None when it is not told."""

    id: str
    name: str
    is_current: bool
    balance_usd: float | None
    role: str


def team_id(client: SpheronClient) -> str:
    """Return the id of the team that pays.

    Raises:
        CredentialsError: The key was refused, or there is no such team.
        RateLimited, ProviderUnavailable: It could not be found out.
    """
    who = asker(client, client.settings.team)
    if known := recall(client, _FILE).get(who):
        return str(known)
    team = chosen(read_teams(client), client.settings.team)
    remember(client, _FILE, {who: team.id})  # one account: a command needs no more
    return team.id


def check_account(client: SpheronClient, account: str) -> None:
    """Refuse to act on a machine that this key cannot see.

    Raises:
        CredentialsError: It belongs to a team that the user is not in.
    """
    if account in {"", team_id(client)} or account in {team.id for team in read_teams(client)}:
        return
    summary = f"spheron: the machine belongs to team {account}, which this API key is not in"
    hint = "use the key that bought it"
    raise CredentialsError(summary, code="spheron-other-account", hint=hint)


def read_teams(client: SpheronClient) -> tuple[Team, ...]:
    """Return the user's teams.

    Raises:
        CredentialsError: The key was refused, or is in no team.
        RateLimited, ProviderUnavailable: No good answer.
    """
    reply = client.read("/api/balance")
    teams: tuple[Team, ...] = ()
    if reply.status != 404:  # noqa: PLR2004 - HTTP; then the teams alone are told
        teams = _teams(client.good(reply, "/api/balance"))
    teams = teams or _teams(client.get("/api/teams"))
    if not teams:
        raise CredentialsError("spheron: this API key is in no team", code="spheron-no-team")
    return teams


def chosen(teams: tuple[Team, ...], wanted: str) -> Team:
    """Return the team with an id or a name, or without one the current team.

    Raises:
        CredentialsError: There is no such team, or several of that name.
    """
    if not wanted:
        return next((team for team in teams if team.is_current), teams[0])
    found = [team for team in teams if team.id == wanted] or [
        team for team in teams if team.name == wanted
    ]
    if len(found) == 1:
        return found[0]
    summary = f"spheron: there is no team {wanted!r}"
    if found:
        summary = f"spheron: {len(found)} teams are named {wanted!r}"
    known = ", ".join(f"{team.id} ({team.name})" for team in teams)
    raise CredentialsError(summary, code="spheron-no-team", hint=f"teams are: {known}")


def forget_team(client: SpheronClient) -> None:
    """Ask again next time: the team is gone."""
    forget(client, _FILE)


def _teams(answer: Any) -> tuple[Team, ...]:
    """Return the teams that an answer tells, in any of the forms that clients know.

    Raises:
        ProviderUnavailable: It is of another form.
    """
    if isinstance(answer, dict):
        answer = answer.get("teams", answer.get("data"))
    if not isinstance(answer, list):
        raise ProviderUnavailable("spheron tells no teams", code=NOT_UNDERSTOOD)
    teams = (_team(row) for row in answer if isinstance(row, dict))
    return tuple(team for team in teams if team.id)


def _team(row: dict[str, Any]) -> Team:
    return Team(
        id=str(row.get("teamId") or row.get("id") or ""),
        name=str(row.get("teamName") or row.get("name") or ""),
        is_current=row.get("isCurrentTeam") is True,
        balance_usd=number(row.get("balance")),
        role=str(row.get("role") or ""),
    )
