"""The first step: whole groups of offers are taken or left, in plain Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from arb.catalog.listing import has_memory
from arb.catalog.names import facts, read_spelling
from arb.optimizer import nearest
from arb.optimizer.rejections import Removed
from arb.tasks.alternatives import SpotUse
from arb.tasks.amounts import Amount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from arb.catalog.market import Group
    from arb.optimizer.options import RankOptions
    from arb.tasks.alternatives import Alternative

__all__ = ["Chosen", "choose_groups"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The groups that will do for one alternative.

    Attributes:
        groups: In the order of the market.
        removed: What each filter took away.
        hint: What to do, when no group is left.
        on_demand_instead: The named provider has no spot market, so this is on demand.
    """

    groups: tuple[Group, ...]
    removed: tuple[Removed, ...]
    hint: str = ""
    on_demand_instead: bool = False


@dataclass(frozen=True, slots=True)
class _Filter:
    """One filter: its name, what passes, and what to say when nothing does."""

    reason: str
    admits: Callable[[Group], bool]
    hint: Callable[[list[Group]], str]


def choose_groups(
    groups: Sequence[Group], alternative: Alternative, options: RankOptions
) -> Chosen:
    """Apply the filters that whole groups pass or fail."""
    instead = _has_no_spot_market(groups, alternative)
    left = list(groups)
    removed: list[Removed] = []
    hint = ""
    for each in _filters(alternative, options, on_demand_instead=instead):
        kept = [group for group in left if each.admits(group)]
        count = sum(group.rows for group in left) - sum(group.rows for group in kept)
        if count:
            removed.append(Removed(each.reason, count))
        if count and not kept:
            hint = each.hint(left)
        left = kept
    return Chosen(tuple(left), tuple(removed), hint, instead)


def _has_no_spot_market(groups: Sequence[Group], alternative: Alternative) -> bool:
    """Say whether spot is asked of a named provider that sells, but nothing as spot at all."""
    if alternative.spot is not SpotUse.ALWAYS or not alternative.provider:
        return False
    own = [group.spot for group in groups if group.provider == alternative.provider]
    return bool(own) and not any(own)


def _filters(
    alternative: Alternative, options: RankOptions, *, on_demand_instead: bool
) -> Iterator[_Filter]:
    yield from _provider_filters(alternative, options)
    yield from _accelerator_filters(alternative)
    if alternative.spot is not SpotUse.PREFER:
        wanted = alternative.spot is SpotUse.ALWAYS and not on_demand_instead
        yield _Filter(
            f"use_spot: {alternative.spot}", lambda g: g.spot == wanted, nearest.capacity_class
        )


def _provider_filters(alternative: Alternative, options: RankOptions) -> Iterator[_Filter]:
    provider = alternative.provider
    if provider:
        yield _Filter(
            f"provider {provider}",
            lambda g: g.provider == provider,
            lambda _: f"nothing is known of what {provider} sells: arb refresh {provider}",
        )
    else:
        named = options.named
        yield _Filter(
            "own machines that nobody named",
            lambda g: not g.owned or g.provider in named,
            nearest.owned,
        )
    for why in sorted(set(options.excluded.values())):
        yield _Filter(
            why,
            lambda g, why=why: options.excluded.get(g.provider) != why,  # type: ignore[misc]
            nearest.excluded,
        )


def _accelerator_filters(alternative: Alternative) -> Iterator[_Filter]:
    name, count = alternative.accelerator, alternative.count
    title, gib, maker = name, alternative.accelerator_gib, alternative.accelerator_maker.casefold()
    if name:
        spelled = read_spelling(name)
        if count is not None and spelled.times != 1:  # a slice of chips, which are what is sold
            title, count = spelled.name, Amount(count.value * spelled.times, count.at_least)
        folded = spelled.name.casefold()
        yield _Filter(
            f"accelerators {name}",
            lambda g: g.accelerator.casefold() == folded,
            lambda left: nearest.accelerator(left, name),
        )
    if gib is not None:
        shown = f"{gib.value:g}GB{'+' if gib.at_least else ''}"
        title = title or shown
        yield _Filter(
            f"accelerators {shown}", lambda g: has_memory(g, gib), nearest.accelerator_memory
        )
    if maker:
        yield _Filter(
            f"accelerators {alternative.accelerator_maker}",
            lambda g: _maker(g).casefold() == maker,
            nearest.maker,
        )
    if count is not None:
        yield _Filter(
            f"accelerators {title}:{count}",
            lambda g: g.accelerator_count > 0 and count.admits(g.accelerator_count),
            lambda left: nearest.count(left, title, count),
        )


def _maker(group: Group) -> str:
    known = facts(group.accelerator)
    return known.maker if known else ""
