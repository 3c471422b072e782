"""What the credentials may do, and what is missing, with a policy to copy. Nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arb.errors import ArbError, CredentialsError, ProviderUnavailable, RateLimited
from arb.types import CheckResult, CheckStatus
from arb_aws.client import Client
from arb_aws.faults import Forbidden
from arb_aws.policy import least_policy
from arb_aws.settings import Settings
from arb_aws.threads import side_by_side
from arb_aws.trials import GIVE, UNTOLD, give, trials

if TYPE_CHECKING:
    from arb.types import ProviderContext

__all__ = ["check"]


def check(context: ProviderContext) -> CheckResult:
    """Ask who the caller is, then try each thing in one region: orders are dry runs."""
    settings = Settings.of(context.options)
    client = Client(context, settings)
    try:
        client.credentials()
    except CredentialsError as error:
        absent = error.code in {"aws-no-credentials", "aws-no-profile"}
        status = CheckStatus.NOT_CONFIGURED if absent else CheckStatus.REFUSED
        return CheckResult(status, error.summary, hint=error.hint)
    except (ProviderUnavailable, RateLimited) as error:
        return CheckResult(CheckStatus.UNREACHABLE, error.summary, hint=error.hint)
    try:
        identity = client.identity()
    except CredentialsError as error:
        return CheckResult(
            CheckStatus.REFUSED, error.summary, hint=error.hint, source=client.source()
        )
    except (ProviderUnavailable, RateLimited) as error:
        return CheckResult(
            CheckStatus.UNREACHABLE, error.summary, hint=error.hint, source=client.source()
        )
    return _of_account(client, identity)


def _of_account(client: Client, identity: Any) -> CheckResult:
    """Return the result for an account that is known."""
    region = next(iter(client.settings.regions), client.home_region())
    tried = trials(client, region)
    outcomes = side_by_side(lambda trial: trial(), list(tried.values()))
    may, missing, hints = [], [], []
    for what, outcome in zip(tried, outcomes, strict=True):
        if isinstance(outcome, ArbError):
            missing.append(f"{what}: {outcome.summary}")
            hints.append(give(outcome) if isinstance(outcome, Forbidden) else outcome.hint)
        elif isinstance(outcome, Exception):
            raise outcome
        elif outcome:
            missing.append(f"{what}: {outcome.what}")
            hints.append(outcome.hint)
        elif what not in UNTOLD:
            may.append(what)
    status = CheckStatus.LIMITED if missing else CheckStatus.OK
    if missing and all(isinstance(outcome, CredentialsError) for outcome in outcomes):
        status = CheckStatus.REFUSED
    told = "; ".join(sorted(filter(None, dict.fromkeys(hints)), key=lambda h: h != GIVE))
    return CheckResult(
        status,
        f"{identity['Arn']}, tried in {region}",
        hint=told or ("see what is missing" if missing else ""),
        may=tuple(may),
        missing=tuple(missing),
        policy=least_policy(client.settings),
        source=client.source(),
    )
