"""After a lost state: look for its machines at every provider, and end them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.errors import ProviderUnavailable, RateLimited
from arb.provision.reaper import end_orphans, survey
from arb.provision.shop import explained
from arb.provision.unused_keys import forget_unused_keys
from arb.provision.verdicts import Kind
from arb.state.marks import BORN, STATE_LOST, get_mark, set_mark
from arb.text import counted

if TYPE_CHECKING:
    from arb.provision.orphans import Orphan
    from arb.provision.reaper import Survey
    from arb.provision.shop import Shop

__all__ = ["recover"]


def recover(shop: Shop) -> None:
    """List every provider, end what the lost state had bought, and say so.

    A provider that does not answer is asked again by the next command, and so is one whose listing may
    not show yet what was bought right before; one that cannot be asked, for want of credentials or of a
    plugin that works, is not: ``arb reap`` does that later.
    """
    shop.progress.step("The state of this ARB_HOME was lost: looking for its machines")
    surveys = survey(shop, shop.plugins.provider_names(), beside=True)
    orphans = [o for each in surveys for o in each.orphans if o.kind is Kind.STRAY]
    for orphan in orphans:
        shop.progress.warn(f"{_name(orphan)} is ended: nothing is known of it any more")
    left = end_orphans(shop, orphans, [o for each in surveys for o in each.leftovers])
    if left:
        shop.progress.warn(f"{counted(len(left), 'machine')} will end later; see: arb status")
    for each in surveys:
        if each.error is not None:
            shop.progress.warn(f"{each.provider} could not be listed: {explained(each.error)}")
        if each.beside and each.beside.error:
            why = explained(each.beside.error)
            shop.progress.warn(f"{each.provider}: rules, groups and disks were not listed: {why}")
    forget_unused_keys(shop, state_was_lost=True)
    if not any(_answers_later(shop, each) for each in surveys):
        with shop.journal.write() as tx:
            set_mark(tx, STATE_LOST, 0)


def _answers_later(shop: Shop, found: Survey) -> bool:
    """Say whether a later listing may show more."""
    errors = (found.error, found.beside.error if found.beside else None)
    if any(isinstance(error, ProviderUnavailable | RateLimited) for error in errors):
        return True
    if found.error is not None:
        return False
    lag_s = shop.provider(found.provider).info.listing_lag_s
    is_early = lag_s > 0 and found.listed_at <= get_mark(shop.journal.store, BORN) + lag_s
    return is_early or bool(found.unlisted)


def _name(orphan: Orphan) -> str:
    return f"{orphan.instance.provider}/{orphan.instance.id}"
