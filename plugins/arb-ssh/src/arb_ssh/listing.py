"""Listing machines: the claims that hosts show, and how a claimed host is reached."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from arb.errors import ProviderUnavailable
from arb.types import GoneReason, Instance, InstanceState, Listing, SshEndpoint, parse_token
from arb_ssh.access import Access
from arb_ssh.claims import machine_id
from arb_ssh.limits import Limit
from arb_ssh.looks import look_at, nobody
from arb_ssh.memory import Records, host_of, payload_of
from arb_ssh.settings import need_fleet, read_fleet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from arb.types import ListQuery, ProviderContext
    from arb_ssh.hosts import Host
    from arb_ssh.looks import Look
    from arb_ssh.memory import Record
    from arb_ssh.settings import Fleet

__all__ = ["current", "instance_of", "list_instances", "ssh_endpoint"]

_LIST_S: Final = 10.0
_STALE_S: Final = 3600.0
"""A claim that was tried so long ago, and that its host does not show, was never made or is gone."""


def list_instances(context: ProviderContext, query: ListQuery) -> Listing:
    """List claimed hosts. A pool is complete when every host of it answered.

    Machines whose tokens were claimed from this computer are looked for where they were claimed,
    and nowhere else: a silent neighbour says nothing about them.

    Raises:
        CredentialsError: No host is configured, or every one refused the key.
        ProviderUnavailable: No host answered.
    """
    records = Records(context)
    known = [r for r in records.read() if query.wants(r.token, r.host.pool)]
    is_known = bool(query.tokens) and query.tokens <= {record.token for record in known}
    fleet = read_fleet(context) if known else need_fleet(context)
    hosts = _hosts(fleet, known, query, only_known=is_known)
    access = Access(context, fleet.known_hosts)
    looks = look_at(context, access, hosts, Limit.of(context, _LIST_S))
    error = nobody(looks)
    if error is not None:
        raise error
    found = {i.id: i for look in looks for i in _claimed(context, access, look, query)}
    ended = [i for i in _ended(context, records, known, looks) if i.id not in found]
    tokens = {instance.token for instance in found.values()}
    settled = {record.host.key for record in known if record.token in tokens}
    errors = _errors(look for look in looks if look.host.key not in settled)
    complete = {Listing.EVERYWHERE} if is_known and not errors else set(fleet.pools) - set(errors)
    if query.regions and not is_known:
        complete &= query.regions
    return Listing((*found.values(), *ended), frozenset(complete), errors)


def instance_of(provider: str, look: Look, host_key: str) -> Instance | None:
    """Return the machine that a host is; None when it is free, or claimed by no token of arb."""
    claim = look.answer.claim if look.answer else None
    if claim is None or not parse_token(claim.token):
        return None
    named = claim if claim.id else replace(claim, id=machine_id(look.host, claim.token))
    return named.instance(provider, look.host, payload_of(look.host, host_key))


def ssh_endpoint(context: ProviderContext, instance: Instance) -> SshEndpoint:
    """Return where a claimed host is reached now, and the host key that it must show.

    Raises:
        ProviderUnavailable: The machine's payload is not one of ours.
    """
    host = host_of(instance.payload)
    if host is None:
        summary = f"{instance.id}: how it is reached is not known"
        raise ProviderUnavailable(summary, code="ssh-payload")
    fleet = read_fleet(context)
    shown, host = host.host_key, current(fleet, host)[0]
    access = Access(context, fleet.known_hosts)
    # Of several trusted keys it shows the same one again.
    key = shown if access.trust(host).accepts(shown) else access.key_of(host)
    return SshEndpoint(host.address, host.port, host.user, key)


def current(fleet: Fleet, host: Host) -> tuple[Host, ...]:
    """Return where a host that was claimed may be now, the likeliest first.

    As the list has it now, because it may have moved; then as it was, because the name may stand
    for another machine by now. The latter alone when it is no longer in the list, or when the list
    means another user's home.
    """
    now = fleet.named(host.name)
    if now is None or now.user != host.user:
        return (host,)
    return (now,) if now.key == host.key else (now, host)


def _hosts(
    fleet: Fleet, known: Sequence[Record], query: ListQuery, *, only_known: bool
) -> list[Host]:
    chosen = {host.key: host for record in known for host in current(fleet, record.host)}
    if not only_known:
        for host in fleet.hosts:
            if not query.regions or host.pool in query.regions:
                chosen[host.key] = host
    return list(chosen.values())


def _claimed(
    context: ProviderContext, access: Access, look: Look, query: ListQuery
) -> Iterator[Instance]:
    instance = instance_of(context.provider, look, access.key_of(look.host))
    if instance is not None and query.wants(instance.token, instance.region):
        yield instance


def _ended(
    context: ProviderContext, records: Records, known: Iterable[Record], looks: Iterable[Look]
) -> Iterator[Instance]:
    """Yield machines that were claimed from here and whose host shows that they are no more.

    Of a claim whose answer was lost nobody knows that it was ever made: it costs nothing.
    """
    answers = {look.host.key: look.answer for look in looks if look.answer is not None}
    for record in known:
        answer = answers.get(record.host.key)
        if answer is None or (answer.claim and answer.claim.token == record.token):
            continue
        if records.age_s(record, context.clock.now()) > _STALE_S:
            records.forget(record.token, record.host)
        if record.was_made:
            yield Instance(
                context.provider,
                machine_id(record.host, record.token),
                record.host.pool,
                InstanceState.GONE,
                token=record.token,
                reason=GoneReason.UNKNOWN,
                detail=f"{record.host.name} is not claimed for it any more",
            )


def _errors(looks: Iterable[Look]) -> dict[str, str]:
    """Return why pools are not complete; hosts that were taken off the list count for theirs."""
    errors: dict[str, str] = {}
    for look in looks:
        if look.error is not None:
            before = errors.get(look.host.pool)
            summary = look.error.summary
            errors[look.host.pool] = f"{before}; {summary}" if before else summary
    return errors
