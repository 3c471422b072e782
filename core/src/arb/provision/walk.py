"""The walk: offer after offer until one has capacity. Every step is on disk before it is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from arb.errors import ArbError, CredentialsError, NoOfferError, PluginError
from arb.provision.order import Node, Purchase, build_request, setup_tokens
from arb.provision.placing import Found, InterruptedPurchase, LostAnswer, find_made, place
from arb.provision.ready import wait_running
from arb.provision.undo import goes_on, undo, undo_interrupted, undo_placed
from arb.types import Capability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from arb.plugins.provider import Provider
    from arb.provision.order import Order
    from arb.provision.shop import Shop
    from arb.types import HostKey, Instance, Offer, ProvisionRequest, ProvisionResult

__all__ = ["buy"]


@dataclass(frozen=True, slots=True)
class _Failure:
    offer: Offer
    error: ArbError


def buy(shop: Shop, order: Order, bring_up: Callable[[Purchase], None]) -> Purchase:
    """Buy ``order.count`` machines of the first offer that has them and brings them up.

    On any exception, Ctrl-C included, everything that was made is being given back: what is not
    gone yet is on disk as such, and the next command carries on.

    Args:
        shop: The means.
        order: What to buy.
        bring_up: Makes nodes out of running machines; its ``NodeError`` gives them back, and the
            walk goes on.

    Raises:
        NoOfferError: Every offer was refused; the summary counts the reasons.
        CredentialsError: The same, and nothing but credentials was the reason.
        ArbError: A policy refused the purchase.
    """
    failures: list[_Failure] = []
    skipped: list[str] = []
    for number, offer in enumerate(_open_offers(shop, order, skipped), start=1):
        shop.progress.step(_told(number, offer, order.count))
        try:
            return _attempt(shop, order, offer, bring_up)
        except ArbError as error:
            if not goes_on(error):
                raise
            shop.progress.step(f"   {error.summary}")
            failures.append(_Failure(offer, error))
    raise _exhausted(failures, skipped)


def _open_offers(shop: Shop, order: Order, skipped: list[str]) -> Iterator[Offer]:
    """Yield the offers that no refusal covers, looking again before each."""
    for offer in order.offers:
        refusal = shop.blocklist.covering(offer)
        if refusal is None:
            yield offer
        else:
            if not any(line.endswith(f": {refusal}") for line in skipped[-1:]):
                shop.progress.step(f"   {_place(offer)} skipped: {refusal}")
            skipped.append(f"{_place(offer)}: {refusal}")


def _attempt(
    shop: Shop, order: Order, offer: Offer, bring_up: Callable[[Purchase], None]
) -> Purchase:
    provider = _provider(shop, offer)
    request = shop.journal.open(
        order.cluster_id, offer, lambda token: _request(provider, order, offer, token)
    )
    result = _ordered(shop, provider, request, order.cluster_id)
    try:
        shop.journal.placed(request, result.instances, result.handle, result.account)
        shop.keep_host_keys(request)
        instances = wait_running(shop, provider, order.cluster_id, request, result)
        nodes = tuple(
            _node(provider, request, rank, instance) for rank, instance in enumerate(instances)
        )
        shop.journal.ready(request, nodes)
        purchase = Purchase(request.token, offer, nodes)
        bring_up(purchase)
    except BaseException as error:
        undo_placed(shop, provider, request, result, error)
        raise
    return purchase


def _provider(shop: Shop, offer: Offer) -> Provider:
    try:
        return shop.provider(offer.provider)
    except PluginError as error:
        with shop.journal.store.write(exclusive=False) as tx:
            shop.blocklist.remember(tx, offer, error)
        raise


def _ordered(
    shop: Shop, provider: Provider, request: ProvisionRequest, cluster_id: str
) -> ProvisionResult:
    """Place the order; a lost answer is looked for, and taken when it is complete."""
    try:
        return place(
            provider,
            request,
            clock=shop.clock,
            progress=shop.progress,
            check=lambda: shop.journal.check_open(cluster_id, request.token),
        )
    except LostAnswer as error:
        return _found_again(shop, provider, request, error)
    except ArbError as error:
        undo(shop, request, Found(getattr(error, "made", ())), error)
        raise
    except InterruptedPurchase as interrupted:
        undo_interrupted(shop, provider, request, interrupted)
        raise


def _found_again(
    shop: Shop, provider: Provider, request: ProvisionRequest, error: LostAnswer
) -> ProvisionResult:
    from arb.types import ProvisionResult

    shop.journal.unknown(request, error)
    shop.progress.step(f"   no answer ({error.summary}); looking for what it may have made")
    found = find_made(provider, request, clock=shop.clock)
    if len(found.instances) == request.count:
        return ProvisionResult(found.instances, found.instances[0].payload, found.account)
    certain = found.trusted and not provider.info.listing_lag_s
    undo(shop, request, found, error, certain=certain)
    raise error


def _request(provider: Provider, order: Order, offer: Offer, token: str) -> ProvisionRequest:
    """Make the keys and the request of one attempt."""
    from arb.nodes.user_data import node_setup

    user_data = offer.user_data
    if user_data is None:
        user_data = Capability.USER_DATA in provider.info.capabilities
    setups = tuple(
        node_setup(
            name,
            rank,
            order.authorized_key,
            _new_host_key() if user_data else None,
            order.bringup_timeout_s,
        )
        for name, rank in setup_tokens(provider.info, token, order.count)
    )
    return build_request(order, offer, token, setups)


def _new_host_key() -> HostKey:
    from arb.nodes.keys import generate_key
    from arb.types import HostKey

    pair = generate_key()
    return HostKey(pair.public, pair.private)


def _node(provider: Provider, request: ProvisionRequest, rank: int, instance: Instance) -> Node:
    setup = request.setups[rank if len(request.setups) > 1 else 0]
    host_key = setup.host_key.public if setup.host_key else ""
    return Node(rank, instance, provider.ssh_ports(instance), host_key)


def _place(offer: Offer) -> str:
    note = f" ({offer.note})" if offer.note else ""
    spot = " spot" if offer.spot else ""
    return f"{offer.provider} {offer.instance_type}{note} in {offer.place}{spot}"


def _told(number: int, offer: Offer, count: int) -> str:
    times = f" x {count}" if count > 1 else ""
    return f"{number}. {_place(offer)} at ${offer.price_usd_hour:.2f}/h{times}"


def _exhausted(failures: list[_Failure], skipped: list[str]) -> ArbError:
    if not failures:
        count = "the only offer" if len(skipped) == 1 else f"each of {len(skipped)} offers"
        summary = f"{count} is blocked by an earlier refusal; last: {skipped[-1]}"
        return NoOfferError(summary, code="all-blocked", hint="try again in some minutes")
    reasons = [f"{_place(f.offer)}: {f.error.summary}" for f in failures]
    kind = CredentialsError if all(_is_credentials(f) for f in failures) else NoOfferError
    summary = f"no offer could be bought, {len(failures)} tried; last: {reasons[-1]}"
    return kind(summary, code="no-offer", hint=failures[-1].error.hint)


def _is_credentials(failure: _Failure) -> bool:
    return isinstance(failure.error, CredentialsError)
