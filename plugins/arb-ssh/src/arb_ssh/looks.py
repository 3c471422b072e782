"""Looking at hosts: who is free, who has what, who does not answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from arb.errors import ArbError, CredentialsError, ProviderUnavailable
from arb_ssh.client import Connection, NoAnswer
from arb_ssh.each import each
from arb_ssh.memory import Seen, SeenHosts
from arb_ssh.remote import look_script, measure_script, read_answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.types import ProviderContext
    from arb_ssh.access import Access
    from arb_ssh.hosts import Host
    from arb_ssh.limits import Limit
    from arb_ssh.remote import Answer

__all__ = ["Look", "ask", "look_at", "nobody", "state_of"]

_SILENT_S: Final = 1.5
"""For so long a host is tried that was silent the last time: it need not hold up the others."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of one host: ``answer``, or ``error`` when that is None."""

    host: Host
    answer: Answer | None = None
    error: ArbError | None = None

    @property
    def is_free(self) -> bool:
        """Whether it can be claimed."""
        return self.answer is not None and self.answer.claim is None

    @property
    def why_not(self) -> str:
        """Return why it cannot be claimed, for people; empty when it can."""
        if self.answer is None:
            return self.error.summary if self.error else f"{self.host.name} was not asked"
        claim = self.answer.claim
        if claim is None:
            return ""
        if claim.node and claim.node != self.answer.node:
            return f"{self.host.name} shares its home folder with {claim.node}, which is taken"
        return f"{self.host.name} is taken by {claim.holder}"


def ask(host: Host, access: Access, script: str, limit: Limit) -> Answer:
    """Run a script on a host and return its answer.

    Raises:
        NoAnswer, WrongHostKey, CredentialsError: As ``Connection``.
        ProviderUnavailable: The answer cannot be read.
    """
    with Connection.open(host, access, limit) as connection:
        return read_answer(host.name, connection.run(script, limit))


def look_at(
    context: ProviderContext,
    access: Access,
    hosts: Sequence[Host],
    limit: Limit,
    *,
    measure: Sequence[Host] = (),
) -> list[Look]:
    """Look at hosts, all at once, and remember what was seen.

    Args:
        context: Of the call.
        access: How they are entered.
        hosts: Which.
        limit: For all.
        measure: Those whose hardware is found out as well.

    Returns:
        One a host, in their order.
    """
    seen = SeenHosts(context)
    wanted = {host.key for host in measure}

    def look(host: Host) -> Answer | ArbError:
        was_silent = seen.of(host).state == "silent" and host.key not in wanted
        script = measure_script() if host.key in wanted else look_script()
        try:
            return ask(host, access, script, limit.within(_SILENT_S) if was_silent else limit)
        except ArbError as error:
            return error

    def late(host: Host) -> Answer | ArbError:
        return NoAnswer(f"{host.name} did not answer in time")

    found = each(look, hosts, limit, late)
    looks = [
        Look(host, error=result) if isinstance(result, ArbError) else Look(host, result)
        for host, result in zip(hosts, found, strict=True)
    ]
    now = context.clock.now()
    seen.keep({look.host.key: _news(look, seen, now) for look in looks})
    return looks


def state_of(look: Look) -> str:
    """Return a host's state in one word, as it is remembered."""
    if look.is_free:
        return "free"
    return "taken" if look.answer else "silent"


def _news(look: Look, seen: SeenHosts, now: float) -> Seen:
    known = replace(seen.of(look.host), state=state_of(look))
    hardware = look.answer.hardware if look.answer else None
    return known if hardware is None else replace(known, hardware=hardware, measured_at=now)


def nobody(looks: Sequence[Look]) -> ArbError | None:
    """Return the error of a call to which no host answered; None when one did.

    It is about credentials when every host refused them.
    """
    errors = [look.error for look in looks if look.error is not None]
    if not errors or len(errors) < len(looks):
        return None
    if len(errors) == 1:
        return errors[0]
    others = [error for error in errors if not isinstance(error, CredentialsError)]
    kind = ProviderUnavailable if others else CredentialsError
    first = (others or errors)[0]
    told = f"none of {len(errors)} hosts can be asked: {first.summary}"
    return kind(told, code=first.code, hint=first.hint)
