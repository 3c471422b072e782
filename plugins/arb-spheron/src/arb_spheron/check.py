"""What ``arb check`` says of Spheron."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.errors import CredentialsError, ProviderUnavailable, RateLimited, UsageError
from arb.types import CheckResult, CheckStatus
from arb_spheron.account import NOT_UNDERSTOOD, chosen, read_teams
from arb_spheron.client import SpheronClient
from arb_spheron.credentials import SET_UP, find_key
from arb_spheron.settings import read_settings

if TYPE_CHECKING:
    from arb.errors import ArbError
    from arb.types import ProviderContext
    from arb_spheron.account import Team

__all__ = ["check"]

_MAY: Final = ("prices", "list", "terminate")
_TOP_UP: Final = "top up at https://app.spheron.ai, or name another team in provider_options"


def check(context: ProviderContext) -> CheckResult:
    """Say whether the key works, who pays, and how much is left.

    Raises:
        ProviderUnavailable: The answer could not be understood.
    """
    try:
        key = find_key(context.env, context.home)
        read_settings(context)
    except (CredentialsError, UsageError) as error:
        return _result(CheckStatus.REFUSED, error)
    if key is None:
        return CheckResult(CheckStatus.NOT_CONFIGURED, "no API key; prices need none", hint=SET_UP)
    with SpheronClient.open(context) as client:
        try:
            teams = read_teams(client)
            team = chosen(teams, client.settings.team)
        except CredentialsError as error:
            return _result(CheckStatus.REFUSED, error, key.source)
        except (ProviderUnavailable, RateLimited) as error:
            if error.code == NOT_UNDERSTOOD:
                raise
            return _result(CheckStatus.UNREACHABLE, error, key.source)
    return _found(team, teams, key.source)


def _found(team: Team, teams: tuple[Team, ...], source: str) -> CheckResult:
    others = len(teams) - 1
    more = f", {others} other team{'s' if others > 1 else ''}" if others else ""
    left = "" if team.balance_usd is None else f", ${team.balance_usd:.2f} left"
    summary = f"team {team.name or team.id}{left}{more}"
    if team.balance_usd is not None and team.balance_usd <= 0:
        return CheckResult(
            CheckStatus.LIMITED,
            summary,
            hint=_TOP_UP,
            may=_MAY,
            missing=("launch",),
            source=source,
        )
    return CheckResult(CheckStatus.OK, summary, may=(*_MAY, "launch"), source=source)


def _result(status: CheckStatus, error: ArbError, source: str = "") -> CheckResult:
    hint = error.hint or ("try again later" if status is CheckStatus.UNREACHABLE else SET_UP)
    return CheckResult(status, error.summary, hint=hint, source=source)
