"""Decide what a machine at a provider is to us, from its listing and our state. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from arb.state.attempts import AttemptState
from arb.state.clusters import ClusterStatus, ends_itself
from arb.types import InstanceState
from arb.types.tokens import attempt_token, parse_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.state.attempts import Attempt
    from arb.state.clusters import ClusterRecord
    from arb.state.machines import Machine
    from arb.types import Instance

__all__ = ["ORPHANS", "YOUNG_S", "Kind", "Known", "attempt_of", "judge"]

YOUNG_S: Final = 600.0
"""A machine younger than this whose purchase is open belongs to a launch that is under way."""
_SETTLED_S: Final = 60.0
"""A provider that confirmed an end may go on listing the machine for so long."""


class Kind(StrEnum):
    """What a listed machine is."""

    OURS = "ours"
    """It serves a cluster, or is on its way to."""
    ENDING = "ending"
    """It is gone, or its end is wanted already and the give-back carries on with it."""
    UNDER_WAY = "under-way"
    """Its purchase is open, and whoever makes or ends it finds it by its token."""
    RETURNED = "returned"
    """It was taken for gone, is not, and its cluster is still up."""
    FOREIGN = "foreign"
    """Another owner's: never touched."""
    LATE = "late"
    """It turned up under a purchase that had ended."""
    BACK = "back"
    """It was taken for gone, is not, and nothing uses it."""
    DOUBLE = "double"
    """Made beside the machines that its purchase uses."""
    STRAY = "stray"
    """Ours by its token, and state knows nothing of its purchase: state was lost."""
    HALTED = "halted"
    """It ended itself as its cluster was told to; what is left of it may still be billed."""


ORPHANS: Final = frozenset({Kind.LATE, Kind.BACK, Kind.DOUBLE, Kind.STRAY, Kind.HALTED})
"""Nobody asked for these any more: they are ended."""


@dataclass(frozen=True, slots=True)
class Known:
    """What state knows of one provider's machines.

    Attributes:
        owner: Of the store.
        machines: By instance id, those that are gone included.
        attempts: By token, without a rank.
        clusters: By id.
    """

    owner: str
    machines: Mapping[str, Machine]
    attempts: Mapping[str, Attempt]
    clusters: Mapping[str, ClusterRecord]


def attempt_of(instance: Instance) -> str:
    """Return the token of the purchase that a machine is of; empty when it carries none of ours."""
    token = parse_token(instance.token)
    return attempt_token(token.owner, token.cluster_id, token.seq) if token else ""


def judge(instance: Instance, known: Known, *, listed_at: float, lag_s: float) -> Kind:
    """Say what a machine is.

    Args:
        instance: As it was listed.
        known: What state said after that.
        listed_at: When the listing was asked for, seconds since the epoch.
        lag_s: A listing may show what was true so long before.
    """
    token = parse_token(instance.token)
    if token is None or token.owner != known.owner:
        return Kind.FOREIGN
    if instance.state is InstanceState.GONE:
        return Kind.ENDING
    machine = known.machines.get(instance.id)
    if machine is None:
        return _of_stranger(instance, known.attempts.get(attempt_of(instance)), listed_at)
    if machine.state is InstanceState.GONE:
        return _of_ended(machine, instance, known, settled_at=listed_at - max(lag_s, _SETTLED_S))
    return _of_living(machine, instance, known)


def _of_ended(machine: Machine, instance: Instance, known: Known, *, settled_at: float) -> Kind:
    """Judge a machine that state calls gone."""
    is_old_news = (machine.gone_at or 0) > settled_at
    if is_old_news or instance.state is InstanceState.TERMINATING:
        return Kind.ENDING
    return Kind.RETURNED if _is_used(machine, known) else Kind.BACK


def _of_living(machine: Machine, instance: Instance, known: Known) -> Kind:
    if machine.terminate_after is not None:
        return Kind.ENDING
    return Kind.HALTED if _has_halted(instance, machine, known) else Kind.OURS


def _of_stranger(instance: Instance, attempt: Attempt | None, listed_at: float) -> Kind:
    """Judge a machine that is not in state; its purchase may be."""
    if attempt is None:
        return Kind.STRAY
    if not attempt.is_open:
        return Kind.LATE
    if listed_at - (instance.made_at or attempt.opened_at) < YOUNG_S:
        return Kind.UNDER_WAY
    settled = {AttemptState.READY: Kind.DOUBLE, AttemptState.GIVING_BACK: Kind.LATE}
    return settled.get(attempt.state, Kind.UNDER_WAY)


def _is_used(machine: Machine, known: Known) -> bool:
    attempt = known.attempts.get(machine.attempt_id)
    cluster = known.clusters.get(machine.cluster_id)
    is_up = cluster is not None and cluster.status is ClusterStatus.UP
    return is_up and attempt is not None and attempt.state is AttemptState.READY


def _has_halted(instance: Instance, machine: Machine, known: Known) -> bool:
    """Say whether a machine stopped because its cluster was to end by itself.

    One that merely stopped is left alone: its user may have done that at the provider's console.
    """
    cluster = known.clusters.get(machine.cluster_id)
    if instance.state is not InstanceState.STOPPED or cluster is None:
        return False
    return cluster.status is ClusterStatus.UP and ends_itself(cluster)
