"""The first step: whole groups of offers are taken or left, in plain Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from arb.catalog.listing import has_memory
from arb.catalog.names import facts, read_spelling
from arb.optimizer import nearest
from arb.optimizer.rejections import Removed
from arb.tasks.alternatives import SpotUse
from arb.tasks.amounts import Amount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from arb.catalog.market import Group
    from arb.optimizer.options import RankOptions
    from arb.tasks.alternatives import Alternative

    Steps = tuple[tuple[str, Any], ...]
    """The filters that were passed, in order."""

__all__ = ["Chosen", "GroupChooser"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The groups that will do for one alternative.

    Attributes:
        groups: In the order of the market.
        removed: What each filter took away.
        hint: What to do, when no group is left.
        on_demand_instead: The named provider has no spot market, so this is on demand.
        nearby: In which other counts the same is sold, when some of the count asked for is left.
    """

    groups: tuple[Group, ...]
    removed: tuple[Removed, ...]
    hint: str = ""
    on_demand_instead: bool = False
    nearby: str = ""


@dataclass(frozen=True, slots=True)
class _Filter:
    """One filter.

    Attributes:
        reason: Its name.
        of: What it looks at.
        admits: What passes: a value, or a test of values.
        hint: What to say when nothing passes.
        exactly: What tells it from another one of that name and place.
        nearby: Whether what it takes away would do as well, if it were asked for.
    """

    reason: str
    of: Callable[[Group], Any]
    admits: Any
    hint: Callable[[list[Group]], str]
    exactly: Any = None
    nearby: bool = False


class _Left(NamedTuple):
    """Groups that passed some filters, and how many offers they are."""

    groups: tuple[Group, ...]
    rows: int

    @classmethod
    def of(cls, groups: Iterable[Group]) -> Self:
        """Count the offers."""
        kept = tuple(groups)
        return cls(kept, sum(group.rows for group in kept))


class GroupChooser:
    """Applies the filters that whole groups pass or fail to the alternatives of a task.

    Alternatives are mostly alike: what several begin with is done once, and where a filter takes one
    value all values are looked up at once.

    Args:
        groups: Of the market.
        options: As for the ranking.
    """

    def __init__(self, groups: Sequence[Group], options: RankOptions) -> None:
        self._options = options
        self._all = _Left.of(groups)
        self._left: dict[Steps, _Left] = {}
        self._by_value: dict[tuple[Steps, str], dict[Any, _Left]] = {}
        self._classes: dict[str, set[bool]] = {}
        for group in groups:
            self._classes.setdefault(group.provider, set()).add(group.spot)

    def choose(self, alternative: Alternative) -> Chosen:
        """Return the groups that will do for an alternative."""
        instead = self._has_no_spot_market(alternative)
        left = self._all
        steps: Steps = ()
        removed: list[Removed] = []
        hint = nearby = ""
        for each in _filters(alternative, self._options, on_demand_instead=instead):
            kept, steps = self._kept(left, steps, each)
            if count := left.rows - kept.rows:
                removed.append(Removed(each.reason, count))
            if count and not kept.groups:
                hint = each.hint(list(left.groups))
            elif count and each.nearby:
                nearby = _told(each, left, kept, alternative, on_demand_instead=instead)
            left = kept
        return Chosen(left.groups, tuple(removed), hint, instead, nearby if left.groups else "")

    def _kept(self, left: _Left, steps: Steps, each: _Filter) -> tuple[_Left, Steps]:
        """Return what passes a filter, and the steps to there."""
        after = (*steps, (each.reason, each.exactly))
        if after not in self._left:
            self._left[after] = self._passing(left, steps, each)
        return self._left[after], after

    def _passing(self, left: _Left, steps: Steps, each: _Filter) -> _Left:
        if callable(each.admits):
            return _Left.of(group for group in left.groups if each.admits(each.of(group)))
        name = (steps, each.of.__name__)
        if name not in self._by_value:
            found: dict[Any, list[Group]] = {}
            for group in left.groups:
                found.setdefault(each.of(group), []).append(group)
            self._by_value[name] = {value: _Left.of(some) for value, some in found.items()}
        return self._by_value[name].get(each.admits, _NOTHING)

    def _has_no_spot_market(self, alternative: Alternative) -> bool:
        """Say whether spot is asked of a named provider that sells, but nothing as spot at all."""
        if alternative.spot is not SpotUse.ALWAYS or not alternative.provider:
            return False
        return self._classes.get(alternative.provider) == {False}


def _told(
    each: _Filter, left: _Left, kept: _Left, alternative: Alternative, *, on_demand_instead: bool
) -> str:
    """Say what a filter took away that would do otherwise; nothing when there is none."""
    wanted = _classes(alternative, on_demand_instead=on_demand_instead)
    stayed = set(kept.groups)
    others = [g for g in left.groups if g not in stayed and g.spot in wanted and g.accelerator]
    return each.hint(others) if others else ""


def _classes(alternative: Alternative, *, on_demand_instead: bool) -> frozenset[bool]:
    """Return the capacity classes that will do."""
    if alternative.spot is SpotUse.PREFER:
        return frozenset({False, True})
    return frozenset({alternative.spot is SpotUse.ALWAYS and not on_demand_instead})


_NOTHING: Final = _Left((), 0)


def _provider(group: Group) -> str:
    return group.provider


def _accelerator(group: Group) -> str:
    return group.accelerator.casefold()


def _maker(group: Group) -> str:
    known = facts(group.accelerator)
    return known.maker.casefold() if known else ""


def _spot(group: Group) -> bool:
    return group.spot


def _whole(group: Group) -> Group:
    return group


def _filters(
    alternative: Alternative, options: RankOptions, *, on_demand_instead: bool
) -> Iterator[_Filter]:
    yield from _provider_filters(alternative, options)
    yield from _accelerator_filters(alternative)
    classes = _classes(alternative, on_demand_instead=on_demand_instead)
    if len(classes) == 1:
        (wanted,) = classes
        yield _Filter(
            f"use_spot: {alternative.spot}", _spot, wanted, nearest.capacity_class, wanted
        )


def _provider_filters(alternative: Alternative, options: RankOptions) -> Iterator[_Filter]:
    provider = alternative.provider
    if provider:
        yield _Filter(
            f"provider {provider}",
            _provider,
            provider,
            lambda _: f"nothing is known of what {provider} sells: arb refresh {provider}",
        )
    else:
        named = options.named
        yield _Filter(
            "own machines that nobody named",
            _whole,
            lambda g: not g.owned or g.provider in named,
            nearest.owned,
        )
    for why in sorted(set(options.excluded.values())):
        yield _Filter(
            why,
            _provider,
            lambda name, why=why: options.excluded.get(name) != why,
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
            _accelerator,
            folded,
            lambda left: nearest.accelerator(left, name),
        )
    if gib is not None:
        shown = f"{gib.value:g}GB{'+' if gib.at_least else ''}"
        title = title or shown
        yield _Filter(
            f"accelerators {shown}",
            _whole,
            lambda g: has_memory(g, gib),
            nearest.accelerator_memory,
            gib,
        )
    if maker:
        yield _Filter(
            f"accelerators {alternative.accelerator_maker}",
            _maker,
            maker,
            nearest.maker,
            "maker",
        )
    if count is not None:
        yield _Filter(
            f"accelerators {title}:{count}",
            _whole,
            lambda g: g.accelerator_count > 0 and count.admits(g.accelerator_count),
            lambda left: nearest.count(left, title, count),
            count,
            nearby=not count.at_least,
        )
