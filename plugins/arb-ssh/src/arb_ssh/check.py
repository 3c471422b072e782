"""What ``arb check`` says of the hosts. Each is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.errors import CredentialsError, UsageError
from arb.types import CheckResult, CheckStatus
from arb_ssh.access import Access
from arb_ssh.hostkeys import fingerprint
from arb_ssh.keys import NO_KEY
from arb_ssh.limits import Limit
from arb_ssh.looks import look_at, nobody
from arb_ssh.settings import SET_UP, read_fleet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.errors import ArbError
    from arb.types import ProviderContext
    from arb_ssh.looks import Look
    from arb_ssh.settings import Fleet

__all__ = ["check"]

_CALL_S: Final = 17.0
_MAY: Final = ("launch", "list", "terminate")
_LATER: Final = "see that the hosts are up and that ssh reaches them from here"


def check(context: ProviderContext) -> CheckResult:
    """Say which hosts can be used, which are taken and by whom, and what is wrong with the others."""
    try:
        fleet = read_fleet(context)
    except UsageError as error:
        return CheckResult(CheckStatus.REFUSED, error.summary, hint=error.hint or SET_UP)
    if not fleet.hosts:
        return CheckResult(CheckStatus.NOT_CONFIGURED, "no hosts are configured", hint=SET_UP)
    access = Access(context, fleet.known_hosts)
    limit = Limit.of(context, _CALL_S)
    looks = look_at(context, access, fleet.hosts, limit, measure=fleet.hosts)
    silence = nobody(looks)
    if silence is not None:
        return _none(silence, fleet)
    return _some(fleet, access, looks)


def _none(error: ArbError, fleet: Fleet) -> CheckResult:
    if error.code == NO_KEY:
        status = CheckStatus.NOT_CONFIGURED
    elif isinstance(error, CredentialsError):
        status = CheckStatus.REFUSED
    else:
        status = CheckStatus.UNREACHABLE
    return CheckResult(status, error.summary, hint=error.hint or _LATER, source=fleet.source)


def _some(fleet: Fleet, access: Access, looks: Sequence[Look]) -> CheckResult:
    wrong = [text for look in looks for text in _problems(look)]
    free = sum(look.is_free for look in looks)
    pools = len(fleet.pools)
    parts = [
        f"{_counted(len(looks), 'host')} in {_counted(pools, 'pool')}",
        f"{free} free",
        *(look.why_not for look in looks if look.answer and look.answer.claim),
    ]
    return CheckResult(
        CheckStatus.LIMITED if wrong else CheckStatus.OK,
        ", ".join(parts),
        hint=_told_pins(access, looks),
        may=_MAY,
        missing=tuple(wrong),
        source=fleet.source,
    )


def _problems(look: Look) -> list[str]:
    name = look.host.name
    if look.answer is None:
        told = f"use {name}: {look.why_not.removeprefix(name).lstrip(': ')}"
        return [f"{told}; {look.error.hint}" if look.error and look.error.hint else told]
    found = [] if look.answer.has_python else [f"use {name}: it has no Python 3.8 or newer"]
    if look.answer.no_room:
        found.append(f"use {name}: {look.answer.no_room}")
    if look.host.hardware(look.answer.hardware) is None:
        found.append(f"use {name}: it does not tell its CPUs and memory, put them into the list")
    return found


def _told_pins(access: Access, looks: Sequence[Look]) -> str:
    """Return which hosts are trusted because of their first connection alone."""
    pinned = [look.host for look in looks if look.answer and access.is_pinned(look.host)]
    if not pinned:
        return ""
    for host in pinned:
        access.pins.tell(host)
    told = ", ".join(f"{h.name} {fingerprint(access.pins.get(h))}" for h in pinned)
    return f"trusted since the first connection, compare: {told}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
