"""The error when nothing can be bought: why, and what the user can do."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from arb.errors import ArbError, CredentialsError, NoOfferError, UsageError
from arb.text import install_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from arb.clusters.prices import Prices
    from arb.optimizer import Ranking
    from arb.plugins import Plugins

__all__ = ["ALONE", "UNENDING", "all_missing", "no_offer", "not_installed"]

ALONE: Final = "nodes cannot reach each other"
UNENDING: Final = "nodes cannot end by themselves"
SOLD_OUT: Final = "availability"
_CODES: Final = {ALONE: "no-peer-network", UNENDING: "no-self-terminate"}
_HINTS: Final = {
    ALONE: "use one node, or another provider",
    UNENDING: "leave --detach out: then this command ends the cluster",
}


def not_installed(plugins: Plugins, name: str, known: Iterable[str]) -> ArbError:
    """Return the error of a provider that cannot be used; its hint is how to get it."""
    if name in plugins.table.names("arb.providers"):
        try:
            plugins.provider(name)
        except ArbError as error:
            return error
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    summary = f"no plugin named {name} is installed{meant}"
    hint = install_command(name) or "arb plugins lists what is installed"
    return UsageError(summary, code="unknown-provider", hint=hint)


def all_missing(errors: Sequence[ArbError]) -> ArbError:
    """Return one error for a task that names only providers that cannot be used."""
    first, *others = errors
    if not others:
        return first
    summary = "; ".join(error.summary for error in errors)
    hint = "; ".join(dict.fromkeys(error.hint for error in errors if error.hint))
    return type(first)(summary, code=first.code, hint=hint)


def no_offer(prices: Prices, ranking: Ranking) -> ArbError:
    """Return the error that nothing is left, with the filter that removed the last offers."""
    counts = [each.to_dict() for each in ranking.rejections]
    if prices.failed and not _some_known(prices, ranking):
        return _nobody_answered(prices)
    if not prices.sellers:
        return _nothing_sold({each.provider for each in ranking.alternatives})
    every = ranking.rejections
    code = _code({each.last_filter for each in every})
    if len(every) == 1:
        only = every[0]
        summary = f"none of {only.total:,} offers is left after the filter {only.last_filter!r}"
        hint = _HINTS.get(only.last_filter, "") or only.hint or "loosen it, or add a provider"
        hint += _who_has_it(prices, ranking) if code == "sold-out" else ""
        return NoOfferError(summary, code=code, hint=hint, rejected=counts)
    summary = f"none of {every[0].total:,} offers is left for any of {len(every)} alternatives"
    hint = "\n  ".join(f"{each.where}: {each.explained()}" for each in every)
    return NoOfferError(summary, code=code, hint=hint, rejected=counts)


def _who_has_it(prices: Prices, ranking: Ranking) -> str:
    """Return how to learn who has the user's own machines, where a task names them."""
    own = {group.provider for group in prices.market.groups() if group.owned}
    names = sorted(own & {each.provider for each in ranking.alternatives})
    return f"; more is told by: arb check {' '.join(names)}" if names else ""


def _code(last: set[str]) -> str:
    """Return a code that scripts can tell waiting from changing the task by."""
    if SOLD_OUT in last:
        return "sold-out"
    return _CODES.get(next(iter(last)), "no-offer") if len(last) == 1 else "no-offer"


def _some_known(prices: Prices, ranking: Ranking) -> bool:
    """Say whether anybody who may be bought from has told offers."""
    named = {each.provider for each in ranking.alternatives}
    groups = prices.market.groups()
    return any(g.provider in named or ("" in named and not g.owned) for g in groups)


def _nothing_sold(named: set[str]) -> ArbError:
    if "" in named:
        hint = "install a provider, for instance: pip install arb-<provider>"
        return NoOfferError("no installed provider sells anything", code="no-offer", hint=hint)
    names = sorted(named)
    hint = f"what is missing is told by: arb check {' '.join(names)}"
    return NoOfferError(
        f"{' and '.join(names)} sell{'' if names[1:] else 's'} nothing now",
        code="no-offer",
        hint=hint,
    )


def _nobody_answered(prices: Prices) -> ArbError:
    *_, (name, error) = prices.failed.items()
    refused = all(isinstance(each, CredentialsError) for each in prices.failed.values())
    told = error.summary if name in error.summary else f"{name}: {error.summary}"
    kind = CredentialsError if refused else NoOfferError
    return kind(f"no provider told its offers; {told}", code="no-catalog", hint=error.hint)
