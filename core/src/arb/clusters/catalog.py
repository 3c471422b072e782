"""Offers for a task: catalogs of the providers that may serve it, ranked."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from arb.catalog import offers_from_catalog
from arb.errors import CredentialsError, NoOfferError, PluginError
from arb.optimizer import rank_offers
from arb.types import Capability, PeerNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.clusters.session import Session
    from arb.errors import ArbError
    from arb.optimizer import Ranking
    from arb.plugins.manager import Reply
    from arb.plugins.provider import Provider
    from arb.tasks import Task
    from arb.types import Offer

__all__ = ["placed", "ranked_offers"]

_OWNED: Final = Capability.OWNED


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
        CredentialsError: Nothing is left because every provider refused the account.
    """
    task = placed(session, task)
    named = task.resources.place[0]
    replies = session.plugins.ask_all(partial(_read, session), [named] if named else None)
    offers: list[Offer] = []
    for reply in replies:
        if reply.error is not None and not reply.warned:
            session.progress.warn(f"{reply.provider}: {reply.error.summary}")
        offers.extend(reply.value or ())
    if not named:
        owned = {r.provider for r in replies if session.plugins.provider(r.provider).can(_OWNED)}
        offers = [offer for offer in offers if offer.provider not in owned]
    ranking = rank_offers(offers, task.resources)
    if not ranking.offers:
        raise _nothing(session, replies, ranking, total=len(offers))
    return ranking if task.num_nodes == 1 else _with_network(session, ranking)


def _with_network(session: Session, ranking: Ranking) -> Ranking:
    """Return the offers whose nodes can reach each other."""
    names = {offer.provider for offer in ranking.offers}
    alone = {n for n in names if session.plugins.provider(n).info.peer_network is PeerNetwork.NONE}
    offers = tuple(offer for offer in ranking.offers if offer.provider not in alone)
    if not offers:
        summary = f"nodes of {', '.join(sorted(alone))} cannot reach each other"
        hint = "use one node, or another provider"
        raise NoOfferError(summary, code="no-peer-network", hint=hint)
    return replace(ranking, offers=offers)


def _read(session: Session, provider: Provider) -> list[Offer]:
    """Return a provider's good offers; bad ones cost one warning line."""
    offers, rejected = offers_from_catalog(
        provider.name, provider.catalog(), owned=provider.can(_OWNED)
    )
    if rejected:
        of = f"{len(rejected)} of {len(rejected) + len(offers)} offers" if offers else "every offer"
        first = f"{rejected[0].offer_id or 'without an id'}: {rejected[0].reason}"
        summary = f"{provider.distribution} {provider.version}: {of} refused; first {first}"
        if not offers:
            raise PluginError(summary, code="catalog-rows")
        session.progress.warn(summary)
    return offers


def _nothing(
    session: Session, replies: Sequence[Reply[list[Offer]]], ranking: Ranking, *, total: int
) -> ArbError:
    if total:
        summary = f"none of {total} offers is left after the filter {ranking.last_filter()!r}"
        return NoOfferError(summary, code="no-offer", hint="loosen it, or add a provider")
    errors = [reply.error for reply in replies if reply.error is not None]
    if errors and len(errors) == len(replies):
        refused = all(isinstance(error, CredentialsError) for error in errors)
        kind = CredentialsError if refused else NoOfferError
        summary = f"no provider told its offers; {replies[-1].provider}: {errors[-1].summary}"
        return kind(summary, code="no-catalog", hint=errors[-1].hint)
    owned = [r.provider for r in replies if session.plugins.provider(r.provider).can(_OWNED)]
    hint = "providers of your own machines must be named: " if owned else "install a provider"
    hint += ", ".join(f"--infra {name}" for name in owned)
    return NoOfferError("no installed provider sells anything here", code="no-offer", hint=hint)
