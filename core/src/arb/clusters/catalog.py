"""Rank the offers for a task, from the catalogs of the providers that it may use."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from arb.clusters.near import find_place
from arb.clusters.nothing import ALONE, UNENDING, all_missing, no_offer, not_installed
from arb.clusters.prices import open_prices
from arb.errors import ArbError, UsageError, closest
from arb.optimizer import Objective, RankOptions, rank
from arb.optimizer.groups import GroupChooser
from arb.types import Capability, PeerNetwork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import pandas as pd

    from arb.clusters.prices import Prices
    from arb.clusters.session import Session
    from arb.optimizer import Ranking
    from arb.tasks import Task
    from arb.tasks.alternatives import Alternative
    from arb.tasks.places import Place

__all__ = ["Found", "Wanted", "alternatives_of", "look", "placed", "ranked_offers"]

_ADJUST: Final = "arb_adjust_offers"


@dataclass(frozen=True, slots=True)
class Wanted:
    """How offers for a task are looked for. Empty and None take the configuration, or the default.

    Attributes:
        buying: Money is going to be spent: prices older than their TTL are read again.
        self_ending: Only nodes that can end their own billing will do.
        objective: ``cost``, ``value`` or ``latency``.
        hours: How long the machines will run; without it the task's ``estimated_duration``, or 1.
        near: Client regions: ``LATITUDE,LONGITUDE``, or a region that some provider has. Without an
            objective they mean ``latency``.
        near_weight: How much distance counts against price.
        overlay: A price list that replaces the providers that it names.
    """

    buying: bool = False
    self_ending: bool = False
    objective: str = ""
    hours: float | None = None
    near: tuple[str, ...] = ()
    near_weight: float = 1.0
    overlay: Path | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What was found.

    Attributes:
        prices: What can be bought.
        alternatives: What the task asks for, without those of providers that are not installed.
        options: How it was ranked.
        ranking: What is left, maybe nothing.
    """

    prices: Prices
    alternatives: tuple[Alternative, ...]
    options: RankOptions
    ranking: Ranking


def placed(session: Session, task: Task) -> Task:
    """Return the task with the configured ``default_infra`` where it names no place at all."""
    place = _default_place(session)
    if not any(place) or any(each.place for each in task.resources.alternatives()):
        return task
    resources = task.resources.model_copy(update={"infra": str(place)})
    return task.model_copy(update={"resources": resources})


def alternatives_of(session: Session, task: Task) -> tuple[Alternative, ...]:
    """Return what a task asks for; what names no place gets the configured one."""
    provider, region, zone = _default_place(session)
    return tuple(
        each if each.place else replace(each, provider=provider, region=region, zone=zone)
        for each in task.resources.alternatives()
    )


def _default_place(session: Session) -> Place:
    from arb.tasks.places import Place

    try:
        return Place.parse(session.config.default_infra)
    except ValueError as error:
        summary = f"the setting default_infra: {error}"
        hint = "arb config set default_infra PROVIDER"
        raise UsageError(summary, code="config-infra", hint=hint) from error


def ranked_offers(session: Session, task: Task, wanted: Wanted = Wanted(buying=True)) -> Ranking:
    """Return every offer that the task can run on, best first.

    A provider that fails is named in a warning and costs the others nothing.

    Raises:
        UsageError: The task names only providers that are not installed, or the objective is none.
        NoOfferError: Nothing is left; the summary names the filter that removed the last offer.
        CredentialsError: Nothing is left because every provider refused the account.
    """
    market = look(session, task, wanted)
    if not len(market.ranking.offers):
        raise no_offer(market.prices, market.ranking)
    return market.ranking


def look(session: Session, task: Task, wanted: Wanted) -> Found:
    """Find and rank offers for a task; none at all is no error here.

    Raises:
        UsageError: As ``ranked_offers``.
    """
    alternatives = alternatives_of(session, task)
    prices = open_prices(
        session,
        {each.provider for each in alternatives if each.provider},
        others=not all(each.provider for each in alternatives),
        buying=wanted.buying,
        overlay=wanted.overlay,
    )
    usable, notices = _installed(session, prices, alternatives)
    options = _options(session, task, wanted, prices, usable)
    ranking = rank(prices.market, usable, options)
    ranking = replace(ranking, notices=(*notices, *ranking.notices))
    return Found(prices, usable, options, ranking)


def _installed(
    session: Session, prices: Prices, alternatives: Iterable[Alternative]
) -> tuple[tuple[Alternative, ...], list[str]]:
    """Leave out what names a provider that is not there; say so, or refuse when nothing is left."""
    known = {*session.plugins.provider_names(), *prices.sellers}
    errors = {
        each.provider: not_installed(session.plugins, each.provider, known)
        for each in alternatives
        if each.provider and each.provider not in known
    }
    usable = tuple(each for each in alternatives if each.provider not in errors)
    if errors and not usable:
        raise all_missing(list(errors.values()))
    return usable, [f"{error.summary}: {error.hint}" for error in errors.values()]


def _options(
    session: Session,
    task: Task,
    wanted: Wanted,
    prices: Prices,
    alternatives: Sequence[Alternative],
) -> RankOptions:
    expected = task.estimated_duration
    hours = wanted.hours or (expected.hours if expected else 1.0)
    objective = _objective(session, wanted)
    configured = session.config.near if objective is Objective.LATENCY else ()
    options = RankOptions(
        objective=objective,
        duration_h=hours,
        num_nodes=task.num_nodes,
        near=tuple(find_place(prices, each) for each in wanted.near or configured),
        near_weight=wanted.near_weight,
        adjust=_adjust(session),
    )
    return replace(options, excluded=_excluded(session, prices, alternatives, options, wanted))


def _objective(session: Session, wanted: Wanted) -> Objective:
    """Return what is asked for; who says where clients are and nothing else means latency."""
    implied = Objective.LATENCY if wanted.near else session.config.objective or Objective.COST
    text = wanted.objective or implied
    try:
        return Objective(text)
    except ValueError:
        summary = closest(text, list(Objective), what="objective")
        raise UsageError(summary, code="unknown-objective") from None


def _adjust(session: Session) -> Callable[[pd.DataFrame], pd.DataFrame] | None:
    """Return the policies' hook when an installed one implements it; nothing is loaded for none."""
    plugins = session.plugins
    if not plugins.names("arb.plugins"):
        return None
    is_wanted = any(_ADJUST in plugin.found for plugin in plugins.always_loaded())
    return plugins.adjust_offers if is_wanted else None


def _excluded(
    session: Session,
    prices: Prices,
    alternatives: Sequence[Alternative],
    options: RankOptions,
    wanted: Wanted,
) -> dict[str, str]:
    """Return providers that cannot do what is asked, with the reason; loads those that may matter."""
    if options.num_nodes == 1 and not wanted.self_ending:
        return {}
    chooser = GroupChooser(prices.market.groups(), options)
    chosen = {chooser.choose(each).groups for each in alternatives}
    names = {group.provider for each in chosen for group in each}
    excluded = {}
    for name in sorted(names.intersection(session.plugins.provider_names())):
        try:
            provider = session.plugins.provider(name)
        except ArbError:
            continue  # the walk will say why, should it come there
        if options.num_nodes > 1 and provider.info.peer_network is PeerNetwork.NONE:
            excluded[name] = ALONE
        elif wanted.self_ending and not provider.can(Capability.SELF_TERMINATE):
            excluded[name] = UNENDING
    return excluded
