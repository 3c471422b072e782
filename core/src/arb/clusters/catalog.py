"""Offers for a task: catalogs of the providers that may serve it, ranked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.catalog import offers_from_catalog
from arb.errors import ArbError, NoOfferError
from arb.nodes.fanout import fan_out_all
from arb.optimizer import rank_offers
from arb.types import Capability

if TYPE_CHECKING:
    from arb.clusters.session import Session
    from arb.optimizer import Ranking
    from arb.plugins.provider import Provider
    from arb.tasks import Resources, Task
    from arb.types import Offer

__all__ = ["placed", "ranked_offers"]


def placed(session: Session, task: Task) -> Task:
    """Return the task with the configured ``default_infra`` where it names no place."""
    if task.resources.place[0] or not session.config.default_infra:
        return task
    values = task.resources.model_dump(exclude={"cloud", "region", "zone"})
    resources = type(task.resources)(**{**values, "infra": session.config.default_infra})
    return task.model_copy(update={"resources": resources})


def ranked_offers(session: Session, task: Task) -> Ranking:
    """Return every offer that the task can run on, best first.

    A provider that fails is named in a warning and costs the others nothing.

    Raises:
        UsageError: The task names a provider that is not installed.
        NoOfferError: Nothing is left; the summary names the filter that removed the last offer.
    """
    task = placed(session, task)
    offers: list[Offer] = []
    providers = _providers(session, task.resources)
    for provider, outcome in zip(providers, fan_out_all(_read, providers), strict=True):
        if isinstance(outcome.error, ArbError):
            session.progress.warn(f"{provider.name}: {outcome.error.summary}")
        elif outcome.error is not None:
            raise outcome.error
        else:
            offers.extend(outcome.result or ())
    ranking = rank_offers(offers, task.resources)
    if not ranking.offers:
        raise _nothing(session, task.resources, ranking, total=len(offers))
    return ranking


def _providers(session: Session, resources: Resources) -> list[Provider]:
    """Load the named provider, or all that do not need to be asked for by name."""
    named = resources.place[0]
    if named:
        return [session.plugins.provider(named)]
    found = []
    for name in session.plugins.provider_names():
        try:
            provider = session.plugins.provider(name)
        except ArbError as error:
            session.progress.warn(error.summary)
            continue
        if Capability.OWNED not in provider.info.capabilities:
            found.append(provider)
    return found


def _read(provider: Provider) -> list[Offer]:
    owned = Capability.OWNED in provider.info.capabilities
    offers, _rejected = offers_from_catalog(provider.name, provider.catalog(), owned=owned)
    return offers


def _nothing(
    session: Session, resources: Resources, ranking: Ranking, *, total: int
) -> NoOfferError:
    if total:
        summary = f"none of {total} offers is left after the filter {ranking.last_filter()!r}"
        return NoOfferError(summary, code="no-offer", hint="loosen it, or add a provider")
    owned = [n for n in session.plugins.provider_names() if not resources.place[0]]
    hint = "providers of your own machines must be named: " if owned else "install a provider"
    hint += ", ".join(f"--infra {name}" for name in owned)
    return NoOfferError("no installed provider sells anything here", code="no-offer", hint=hint)
