"""Giving hosts back: key and claim go, the host lives on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.errors import ProviderUnavailable
from arb.types import Termination
from arb_ssh.access import Access
from arb_ssh.client import NoAnswer
from arb_ssh.limits import Limit
from arb_ssh.listing import current
from arb_ssh.looks import ask, look_at
from arb_ssh.memory import Records, host_of
from arb_ssh.remote import release_script
from arb_ssh.settings import need_fleet, read_fleet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.types import InstanceRef, ProviderContext
    from arb_ssh.hosts import Host

__all__ = ["terminate"]

_CALL_S: Final = 20.0
_RETRY_S: Final = 35.0
"""A host that is silent may be down for days: it is tried now and then, by whoever comes along."""


def terminate(context: ProviderContext, instance: InstanceRef) -> Termination:
    """Take our key and our claim off the host; confirmed by the host itself.

    Raises:
        CredentialsError: The host refused the key, or no host is configured.
        ProviderUnavailable: It shows another host key, does not do as it is told, or does not answer.
    """
    host, fleet = host_of(instance.handle), read_fleet(context)
    if host is None:
        host = next((r.host for r in Records(context).read() if r.token == instance.token), None)
    if host is None:
        return _search(context, instance)
    access = Access(context, fleet.known_hosts)
    return _release(context, access, current(fleet, host), instance.token)


def _release(
    context: ProviderContext, access: Access, hosts: Sequence[Host], token: str
) -> Termination:
    """Release a claim that is on one of some hosts, or no more."""
    limit, silent = Limit.of(context, _CALL_S), ""
    for host in hosts:
        try:
            answer = ask(host, access, release_script(token), limit)
        except NoAnswer as error:
            if error.sent:
                raise
            silent = error.summary
            continue
        if answer.problem or (answer.claim and answer.claim.token == token):
            summary = f"{host.name} is not given back: {answer.problem or 'its claim stays'}"
            raise ProviderUnavailable(summary, code="ssh-problem")
        if answer.released:
            silent = ""
            break
    if silent:
        return Termination(gone=False, retry_after_s=_RETRY_S, detail=silent)
    for host in hosts:
        Records(context).forget(token, host)
    return Termination.GONE


def _search(context: ProviderContext, instance: InstanceRef) -> Termination:
    """Give back a machine of which nobody says where it is: its claim is looked for everywhere.

    Raises:
        CredentialsError: No host is configured.
    """
    fleet = need_fleet(context)
    access = Access(context, fleet.known_hosts)
    looks = look_at(context, access, fleet.hosts, Limit.of(context, _CALL_S / 2))
    for look in looks:
        claim = look.answer.claim if look.answer else None
        if claim is not None and claim.token == instance.token:
            return _release(context, access, (look.host,), instance.token)
    silent = next((look for look in looks if look.error is not None), None)
    if silent is not None:
        return Termination(gone=False, retry_after_s=_RETRY_S, detail=silent.why_not)
    return Termination.GONE
