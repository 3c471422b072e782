"""What would have been near, when a filter leaves no group: one short line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.catalog.names import canonical, facts, known_names, read_spelling
from arb.errors import closest
from arb.optimizer.rejections import joined

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arb.catalog.market import Group
    from arb.tasks.amounts import Amount

__all__ = ["accelerator", "accelerator_memory", "capacity_class", "count", "excluded", "maker"]
__all__ += ["owned"]

_PROVIDERS = 4


def owned(left: list[Group]) -> str:
    """Say how own machines are named."""
    names = sorted({group.provider for group in left})
    options = joined([f"--infra {name}" for name in names], word="or")
    return f"your own machines must be named: {options}"


def excluded(left: list[Group]) -> str:
    """Say that another provider is needed."""
    names = sorted({group.provider for group in left})
    return f"that is so of {joined(names)}: name another provider"


def accelerator(left: list[Group], name: str) -> str:
    """Say what is sold instead, or which name was meant."""
    sold = sorted({group.accelerator for group in left if group.accelerator})
    if not sold:
        return f"{_sellers(left)} {_verb(left, 'sell')} no accelerators at all"
    if read_spelling(name).is_known:
        return f"{_sellers(left)} {_verb(left, 'sell')} {joined(sold)}, no {canonical(name)}"
    return closest(name, {*sold, *known_names()}, what="accelerator")


def accelerator_memory(left: list[Group]) -> str:
    """Say which sizes of memory there are."""
    sizes = sorted({group.accelerator_gib for group in left if group.accelerator})
    if not sizes:
        return f"{_sellers(left)} {_verb(left, 'sell')} no accelerators at all"
    return f"there are accelerators with {joined([f'{size:g}' for size in sizes])} GiB"


def maker(left: list[Group]) -> str:
    """Say whose accelerators are sold."""
    known = (facts(group.accelerator) for group in left if group.accelerator)
    makers = sorted({each.maker for each in known if each})
    return f"sold are accelerators of {joined(makers)}"


def count(left: list[Group], title: str, wanted: Amount) -> str:
    """Say in which counts each provider sells it, and how to ask for the nearest.

    Args:
        left: What is sold, in other counts.
        title: What stands before the count in a task.
        wanted: The count that nobody sells.
    """
    by_counts: dict[tuple[float, ...], list[str]] = {}
    for provider in sorted({group.provider for group in left}):
        if counts := _counts(left, provider):
            by_counts.setdefault(counts, []).append(provider)
    if not by_counts:
        return f"{_sellers(left)} {_verb(left, 'sell')} no accelerators at all"
    told = [
        f"{joined(providers)} {'sells' if len(providers) == 1 else 'sell'} {_shown(counts)}"
        for counts, providers in by_counts.items()
    ]
    every = sorted({number for counts in by_counts for number in counts})
    more = [f"{len(told) - _PROVIDERS} more ways"] if len(told) > _PROVIDERS else []
    return f"{'; '.join([*told[:_PROVIDERS], *more])}: {_advice(title, every, wanted)}"


def capacity_class(left: list[Group]) -> str:
    """Say that only the other class is sold, and from which price on."""
    cheapest = min(left, key=lambda group: group.cheapest_usd_hour)
    price = f"from ${cheapest.cheapest_usd_hour:,.2f} an hour at {cheapest.provider}"
    if cheapest.spot:
        return f"it is sold as spot only, {price}: use_spot: true or prefer takes it"
    return f"it is sold on demand only, {price}: use_spot: prefer takes it"


def _counts(groups: Iterable[Group], provider: str) -> tuple[float, ...]:
    own = {g.accelerator_count for g in groups if g.provider == provider and g.accelerator}
    return tuple(sorted(own))


def _shown(counts: Iterable[float]) -> str:
    return joined([f"{number:g}" for number in counts])


def _advice(title: str, sold: list[float], wanted: Amount) -> str:
    more = [number for number in sold if number > wanted.value]
    if not more:
        return f"write {title}:{sold[-1]:g}"
    return f"write {title}:{more[0]:g}, or {title}:{wanted.value:g}+ to allow more"


def _sellers(left: Iterable[Group]) -> str:
    names = sorted({group.provider for group in left})
    return joined(names) if len(names) <= _PROVIDERS else f"the {len(names)} providers"


def _verb(left: Iterable[Group], word: str) -> str:
    return f"{word}s" if len({group.provider for group in left}) == 1 else word
