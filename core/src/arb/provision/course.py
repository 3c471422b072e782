"""The offers still to be tried: without the blocked ones, at their current prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from arb.errors import CredentialsError, PluginError, ProviderUnavailable, Scope
from arb.provision.lineup import Lineup
from arb.provision.quotes import ask_prices, tells_prices
from arb.provision.shop import explained
from arb.provision.telling import brief_of
from arb.state import events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arb.errors import ArbError
    from arb.optimizer.slippage import Change
    from arb.plugins.provider import Provider
    from arb.provision.order import Order
    from arb.provision.quotes import Quotes
    from arb.provision.shop import Shop
    from arb.provision.telling import Teller
    from arb.state.blocks import Block
    from arb.types import Offer

__all__ = ["Course", "Failure", "Skip"]

_REACH: Final = 40
"""So many open offers ahead are looked at for live prices."""
_PER_PROVIDER: Final = 10
_FRESH_S: Final = 60.0
"""A live price older than this is asked for again."""


class Failure(NamedTuple):
    """An offer that could not be bought, and why."""

    offer: Offer
    error: ArbError


class Skip(NamedTuple):
    """Offers of one provider that a refusal kept out.

    Attributes:
        offers: How many.
        until: When the first of them may be tried again, seconds since the epoch.
    """

    offers: int
    until: float


class Course:
    """The way through one order's offers, best first.

    Live prices are asked for when the walk comes to an offer whose price is not fresh, for some
    offers ahead at once: between them the walk costs nothing more.

    Args:
        shop: The means.
        order: Its offers.
        teller: Hears what is skipped and what changed.

    Attributes:
        failures: What could not be bought; the walk adds its own.
        skips: Offers that a refusal kept out, by provider and reason.
        dropped: How many a live answer kept out.
        drops: Why, the last reason of each provider.
    """

    def __init__(self, shop: Shop, order: Order, teller: Teller) -> None:
        self.failures: list[Failure] = []
        self.skips: dict[tuple[str, str], Skip] = {}
        self.dropped = 0
        self.drops: dict[str, str] = {}
        self._shop = shop
        self._order = order
        self._teller = teller
        self._lineup = Lineup(order.offers, order.standing)
        self._asked: dict[tuple[str, str, bool], float] = {}
        self._silent_until: dict[str, float] = {}
        self._run: dict[str, Any] = {}

    def __iter__(self) -> Iterator[Offer]:
        """Yield offers, looking anew before each; its price is agreed to, or ``Declined`` raised."""
        listed: float | None = None
        agreed = False
        while (offer := self._next_open()) is not None:
            listed = offer.price_usd_hour if listed is None else listed
            if self._is_stale(offer):
                self._ask()
                continue
            self._tell_run()
            self._agree(offer, None if agreed else listed)
            agreed = True
            if self._is_stale(offer):  # the answer took long
                continue
            self._lineup.drop_first()
            self._pass(offer)
            yield offer
        self._tell_run()

    def _agree(self, offer: Offer, listed: float | None) -> None:
        """Ask about a price that rose; ``listed`` is that of the best offer, when this is it."""
        agreement, count = self._order.agreement, self._order.count
        self._shop.progress.state("")
        if listed is None:
            agreement.check_next(offer, count, self._teller)
        else:
            agreement.check(offer, count, listed, self._teller)

    def _next_open(self) -> Offer | None:
        while (offer := self._lineup.first()) is not None:
            block = self._covering(offer) or self._unusable(offer)
            if block is None:
                return offer
            self._skip(offer, block)
            self._lineup.drop_first()
        return None

    def _unusable(self, offer: Offer) -> Block | None:
        """Block a provider that cannot be loaded, or that hung and is not entered again."""
        try:
            provider = self._shop.provider(offer.provider)
        except PluginError as error:
            self.failures.append(Failure(offer, error))
            return self._block(offer, error)
        return self._block(offer, _hung(provider)) if provider.hung_in else None

    def _block(self, offer: Offer, error: ArbError) -> Block:
        with self._shop.journal.write() as tx:
            return self._shop.blocklist.remember(
                tx, offer, error, nodes=self._order.count, cluster=self._order.cluster
            )

    def _pass(self, offer: Offer) -> None:
        self._order.agreement.passed(offer, self._order.count)

    def _skip(self, offer: Offer, block: Block) -> None:
        self._pass(offer)
        key = (offer.provider, block.reason)
        before = self.skips.get(key, Skip(0, block.until))
        self.skips[key] = Skip(before.offers + 1, min(before.until, block.until))
        if block.scope is Scope.PROVIDER and before.offers:
            return  # said of all its offers already
        run = self._run
        if (run.get("provider"), run.get("reason")) == (offer.provider, block.reason):
            run["count"] += 1
            return
        self._tell_run()
        self._run = {
            "provider": offer.provider,
            "offer": brief_of(offer),
            "reason": block.reason,
            "code": block.code,
            "scope": block.scope.value,
            "until": block.until,
            "count": 1,
        }

    def _tell_run(self) -> None:
        if self._run:
            self._teller.tell(events.OFFERS_SKIPPED, self._run)
        self._run = {}

    def _is_stale(self, offer: Offer) -> bool:
        now = self._shop.clock.monotonic()
        if now < self._silent_until.get(offer.provider, 0):
            return False
        asked_at = self._asked.get(offer.key)
        if asked_at is not None:
            return now - asked_at > _FRESH_S
        return tells_prices(self._shop, offer.provider)

    def _ask(self) -> None:
        """Ask for the prices of what comes next, and put it into its new order."""
        offers = self._ahead()
        providers = ", ".join(dict.fromkeys(offer.provider for offer in offers))
        self._shop.progress.state(f"asking {providers} for live prices")
        for offer in offers:
            self._order.agreement.listed(offer)
        quotes = ask_prices(self._shop, offers)
        self._shop.progress.state("")
        now = self._shop.clock.monotonic()
        self._asked.update((offer.key, now) for offer in offers)
        changes = self._lineup.requote(quotes.by_key, self._order.agreement.max_slippage)
        self._note(offers, quotes, changes)

    def _ahead(self) -> list[Offer]:
        """Return the next offers whose prices are not fresh, some of each provider."""
        chosen: list[Offer] = []
        counts: dict[str, int] = {}
        for offer in self._lineup.ahead(_REACH, self._is_open):
            count = counts.get(offer.provider, 0)
            if count < _PER_PROVIDER and self._is_open(offer) and self._is_stale(offer):
                counts[offer.provider] = count + 1
                chosen.append(offer)
        return chosen

    def _is_open(self, offer: Offer) -> bool:
        return self._covering(offer) is None

    def _covering(self, offer: Offer) -> Block | None:
        return self._shop.blocklist.covering(offer, self._order.count)

    def _note(self, offers: list[Offer], quotes: Quotes, changes: list[Change]) -> None:
        now = self._shop.clock.monotonic()
        for name, error in quotes.failed.items():
            self._silent_until[name] = now + max(_FRESH_S, getattr(error, "retry_after_s", 0))
            if isinstance(error, CredentialsError):
                offer = next(offer for offer in offers if offer.provider == name)
                self.failures.append(Failure(offer, error))
                self._block(offer, error)
        dropped = [change for change in changes if change.kind.dropped]
        self.dropped += len(dropped)
        for change in dropped:
            self._pass(change.offer)
            self.drops[change.offer.provider] = change.reason
        failed = [
            {"provider": name, "reason": explained(error)}
            for name, error in quotes.failed.items()
            if not isinstance(error, CredentialsError) and not self._shop.provider(name).hung_in
        ]
        data = {
            "asked": len(offers),
            "providers": sorted({offer.provider for offer in offers}),
            "failed": failed,
            "changes": [_change(change) for change in changes],
        }
        self._tell_run()
        self._teller.tell(events.PRICES_ASKED, data)


def _hung(provider: Provider) -> ProviderUnavailable:
    summary = f"{provider.name} hung in {provider.hung_in} and is not asked again by this command"
    error = ProviderUnavailable(summary, code="hung")
    error.never_sent = True
    return error


def _change(change: Change) -> dict[str, object]:
    return {
        "offer": brief_of(change.offer),
        "kind": change.kind.value,
        "dropped": change.kind.dropped,
        "price_usd_hour": change.price_usd_hour,
        "reason": change.reason,
    }
