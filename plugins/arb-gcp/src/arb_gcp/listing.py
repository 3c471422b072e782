"""All our machines of a project, and how those ended that are no longer there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ArbError, ProviderUnavailable
from arb.types import GoneReason, Instance, InstanceState, Listing, parse_token
from arb_gcp.bodies import OWNER_LABEL
from arb_gcp.client import Client
from arb_gcp.handles import Handle
from arb_gcp.machines import instance_of, last_part, region_of
from arb_gcp.oplog import read_ends

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from arb.types import ListQuery, ProviderContext
    from arb_gcp.oplog import End

__all__ = ["list_instances", "silent_zones"]

_KIND: Final = "compute#instanceAggregatedList"
_INCOMPLETE: Final = frozenset({"LIST_OVERHEAD_QUOTA_EXCEED", "PARTIAL_SUCCESS", "UNREACHABLE"})
_SOMEWHERE: Final = ""
"""Stands for the zone that a list does not name although it says that one is missing."""
_RECENT_S: Final = 3600.0
"""Without being asked for tokens, only machines that ended so recently are told."""
_OFF: Final = frozenset({InstanceState.STOPPING, InstanceState.STOPPED, InstanceState.TERMINATING})


def list_instances(context: ProviderContext, query: ListQuery) -> Listing:
    """List machines that carry an arb token, in all zones at once.

    Raises:
        CredentialsError, ProviderUnavailable, RateLimited: No zone answered.
    """
    client = Client.from_context(context)
    path = f"projects/{client.project}/aggregated/instances"
    found: dict[str, Instance] = {}
    zones: set[str] = set()
    errors: dict[str, str] = {}
    for page in client.aggregated(path, {"filter": _filter(query)}):
        if not isinstance(page.get("items"), dict) and page.get("kind") != _KIND:
            raise ProviderUnavailable("gcp answered with no list", code="gcp-unreadable")
        for zone, said in _machines(page):
            machine = instance_of(context.provider, client.project, said, zone)
            if query.wants(machine.token, machine.region):
                found[machine.id] = machine
        zones |= {last_part(s) for s in page.get("items") or {} if s.startswith("zones/")}
        errors |= silent_zones(page)
    ended = _ended(client, query, found, zones, errors)
    by_region = _by_region(errors)
    complete = {region_of(zone) for zone in zones if _SOMEWHERE not in errors} - set(by_region)
    if not errors:
        complete.add(Listing.EVERYWHERE)
    return Listing((*found.values(), *ended), frozenset(complete), by_region, client.project)


def _by_region(errors: Mapping[str, str]) -> dict[str, str]:
    """Return why regions are not complete, the first reason of each."""
    by_region: dict[str, str] = {}
    for zone, why in sorted(errors.items()):
        if zone:
            by_region.setdefault(region_of(zone), f"{zone}: {why}")
        else:
            by_region[Listing.EVERYWHERE] = why
    return by_region


def _filter(query: ListQuery) -> str:
    owners = {token.owner for token in map(parse_token, query.tokens) if token}
    owner = query.owner or (owners.pop() if len(owners) == 1 else "")
    return f"labels.{OWNER_LABEL}={owner}" if owner else f"labels.{OWNER_LABEL}:*"


def _machines(page: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Yield zone and resource of each machine on a page."""
    for scope, told in (page.get("items") or {}).items():
        for said in told.get("instances") or ():
            if said.get("name"):
                yield last_part(scope), said


def silent_zones(page: Mapping[str, Any]) -> dict[str, str]:
    """Return the zones of a page that could not be asked, with the reason.

    A page may also say that something is missing without saying where: that is the empty zone.
    """
    silent = {_zone_of(scope): "unreachable" for scope in page.get("unreachables") or ()}
    of_page = page.get("warning") or {}
    if of_page.get("code") in _INCOMPLETE and not silent:
        silent[_SOMEWHERE] = str(of_page.get("message") or of_page["code"])
    for scope, said in (page.get("items") or {}).items():
        warning = said.get("warning") or {}
        if warning.get("code") not in {None, "NO_RESULTS_ON_PAGE"}:
            silent[_zone_of(scope)] = str(warning.get("message") or warning["code"])
    return silent


def _zone_of(scope: str) -> str:
    """Return the zone of a scope; a whole region is as its zone ``*``."""
    name = last_part(scope)
    return f"{name}-*" if "regions/" in scope else name


def _ended(
    client: Client,
    query: ListQuery,
    found: dict[str, Instance],
    zones: Collection[str],
    silent: Collection[str],
) -> list[Instance]:
    """Return the machines that the log alone still knows; those that are off get their reason.

    The log is read when it can tell something. Without its answer the reasons stay unknown: where a
    machine is, and whether, does not depend on it. Of a silent zone nothing is known to be gone.
    """
    off = {name for name, machine in found.items() if machine.state in _OFF}
    missing = query.tokens - found.keys()
    if query.tokens and not (off or missing):
        return []
    context = client.context
    try:
        ends = read_ends(client, client.project, _likely(found, zones, query))
    except ArbError:
        return []
    for name in off & ends.keys():
        found[name] = _with_reason(found[name], ends[name])
    gone = (_gone(context.provider, client.project, end) for end in ends.values())
    since = 0.0 if query.tokens else context.clock.now() - _RECENT_S
    return [
        machine
        for machine in gone
        if machine.id not in found
        and not {machine.zone, f"{machine.region}-*", _SOMEWHERE}.intersection(silent)
        and ends[machine.id].at >= since
        and query.wants(machine.token, machine.region)
    ]


def _likely(found: Mapping[str, Instance], zones: Collection[str], query: ListQuery) -> list[str]:
    """Return the zones where the ends that are asked for are most likely told, first."""
    near = {machine.zone for machine in found.values()}
    asked = {zone for zone in zones if region_of(zone) in query.regions}
    return sorted(near | set(zones), key=lambda zone: (zone not in near, zone not in asked, zone))


def _with_reason(machine: Instance, end: End) -> Instance:
    taken = end.reason is GoneReason.PREEMPTED
    state = InstanceState.TERMINATING if taken else machine.state
    return replace(machine, reason=end.reason, state=state, detail=f"{machine.detail} ({end.kind})")


def _gone(provider: str, project: str, end: End) -> Instance:
    return Instance(
        provider=provider,
        id=end.name,
        region=region_of(end.zone),
        zone=end.zone,
        state=InstanceState.GONE,
        reason=end.reason,
        token=end.name,
        detail=end.kind,
        payload=Handle(project, end.zone).to_json(),
    )
