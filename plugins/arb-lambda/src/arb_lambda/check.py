"""What ``arb check`` says of Lambda."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from arb.errors import CredentialsError, ProviderUnavailable, RateLimited, UsageError
from arb.types import CheckResult, CheckStatus
from arb_lambda.client import LambdaClient
from arb_lambda.credentials import SET_UP, find_key
from arb_lambda.errors import FORBIDDEN
from arb_lambda.instances import token_of
from arb_lambda.settings import read_settings

if TYPE_CHECKING:
    from arb.errors import ArbError
    from arb.types import ProviderContext

__all__ = ["check"]

_CORRECT: Final = "correct it with: arb config set provider_options.lambda.OPTION VALUE"
_READS: Final = {
    "/instance-types": "prices",
    "/ssh-keys": "SSH keys",
    "/firewall-rulesets": "firewall rule sets",
}
"""What a purchase needs besides machines, and what it is for people."""


def check(context: ProviderContext) -> CheckResult:
    """Say whether the key works, what it may do, and what runs in its account.

    Raises:
        ProviderUnavailable: The answer could not be understood.
    """
    try:
        settings = read_settings(context)
        key = find_key(context.env, context.home)
    except UsageError as error:
        return CheckResult(CheckStatus.REFUSED, error.summary, hint=error.hint or _CORRECT)
    except CredentialsError as error:
        return _result(CheckStatus.REFUSED, error)
    if key is None:
        summary = "no API key; the shipped price list works"
        return CheckResult(CheckStatus.NOT_CONFIGURED, summary, hint=SET_UP)
    with LambdaClient(context, settings, key) as client:
        try:
            machines = client.rows("/instances", "id", "status")
            missing = tuple(what for path, what in _READS.items() if not _may_read(client, path))
        except CredentialsError as error:
            return _result(CheckStatus.REFUSED, error, key.source)
        except (ProviderUnavailable, RateLimited) as error:
            return _result(CheckStatus.UNREACHABLE, error, key.source)
    return _found(machines, missing, key.source)


def _may_read(client: LambdaClient, path: str) -> bool:
    reply = client.read(path)
    if reply.code == FORBIDDEN:
        return False
    client.data(reply, path)
    return True


def _found(machines: list[dict[str, Any]], missing: tuple[str, ...], source: str) -> CheckResult:
    ours = sum(bool(token_of(row)) for row in machines)
    count = f"{len(machines)} machine{'' if len(machines) == 1 else 's'}"
    summary = f"the API key works; {count} in the account, {ours} of arb"
    may = ("list machines", *(what for what in _READS.values() if what not in missing))
    if missing:
        hint = (
            "use a key of somebody who may; without rule sets set provider_options.lambda.firewall"
        )
        return CheckResult(
            CheckStatus.LIMITED, summary, hint=hint, may=may, missing=missing, source=source
        )
    return CheckResult(CheckStatus.OK, summary, may=may, source=source)


def _result(status: CheckStatus, error: ArbError, source: str = "") -> CheckResult:
    hint = error.hint or ("try again later" if status is CheckStatus.UNREACHABLE else SET_UP)
    return CheckResult(status, error.summary, hint=hint, source=source)
