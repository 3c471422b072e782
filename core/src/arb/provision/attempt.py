"""One purchase of one offer: intent, order, machines, bring-up. If a step fails, undo all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.errors import ArbError
from arb.provision.agreement import MAX_SLIPPAGE
from arb.provision.order import Purchase, build_request, one_each, setup_tokens
from arb.provision.placing import (
    AbandonedPurchase,
    Found,
    InterruptedPurchase,
    LostAnswer,
    find_made,
    place,
)
from arb.provision.ready import wait_reachable
from arb.provision.records import charged_usd_hour
from arb.provision.telling import attempt_line, brief_of
from arb.provision.undo import Undoing
from arb.types import Capability
from arb.types.tokens import parse_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from arb.plugins.provider import Provider
    from arb.provision.order import Order
    from arb.provision.shop import Shop
    from arb.provision.telling import Teller
    from arb.types import HostKey, Offer, ProvisionRequest, ProvisionResult

__all__ = ["attempt", "request_for"]


def attempt(
    shop: Shop, order: Order, offer: Offer, teller: Teller, bring_up: Callable[[Purchase], None]
) -> Purchase:
    """Buy ``order.count`` machines of one offer and bring them up, or give back what was made.

    Args:
        shop: The means.
        order: For whom, and how many.
        offer: What, at its price of now.
        teller: Its news are written with the intent.
        bring_up: Makes nodes out of running machines.

    Raises:
        ArbError: Why it did not come to that.
    """
    provider = shop.provider(offer.provider)
    request = shop.journal.open(
        order.cluster_id,
        offer,
        lambda token: request_for(provider, order, offer, token),
        sold_by=f"{provider.distribution} {provider.version}",
        along=teller.write,
    )
    shop.progress.step(
        attempt_line(_number(request), brief_of(offer), order.count, shop.clock.now())
    )
    undoing = Undoing(shop, provider, request)
    result = _ordered(shop, provider, request, order.cluster_id, undoing)
    try:
        shop.journal.placed(request, result.instances, result.handle, result.account)
        for note in result.notes:
            shop.progress.warn(f"{provider.name}: {note}")
        _tell_dearer(shop, offer, result)
        shop.keep_host_keys(request)
        nodes = wait_reachable(shop, provider, order.cluster_id, request, result)
        shop.journal.ready(request, nodes)
        purchase = Purchase(request.token, offer, nodes)
        bring_up(purchase)
    except BaseException as error:
        undoing.placed(result, error)
        raise
    return purchase


def _tell_dearer(shop: Shop, offer: Offer, result: ProvisionResult) -> None:
    """Warn of a provider that charges more than it sold for: the bill counts what it says."""
    for instance in result.instances:
        charged = charged_usd_hour(offer.price_usd_hour, instance)
        if charged > offer.price_usd_hour * (1 + MAX_SLIPPAGE):
            told = f"${charged:.2f}/h, not ${offer.price_usd_hour:.2f}/h as it was sold"
            shop.progress.warn(f"{instance.provider}/{instance.id} is charged at {told}")


def request_for(provider: Provider, order: Order, offer: Offer, token: str) -> ProvisionRequest:
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


def _ordered(
    shop: Shop, provider: Provider, request: ProvisionRequest, cluster_id: str, undoing: Undoing
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
        return _found_again(shop, provider, request, error, undoing)
    except ArbError as error:
        undoing.refused(error)
        raise
    except AbandonedPurchase as abandoned:
        shop.journal.unknown(request, abandoned.error)
        raise
    except InterruptedPurchase as interrupted:
        undoing.interrupted(interrupted)
        raise


def _found_again(
    shop: Shop,
    provider: Provider,
    request: ProvisionRequest,
    error: LostAnswer,
    undoing: Undoing,
) -> ProvisionResult:
    """Take what the order made when it is all there; of two under one token the older.

    Raises:
        LostAnswer: It is not; what is there goes back, and the intent stays open.
    """
    from arb.types import ProvisionResult

    shop.progress.step(f"   no answer ({error.summary}); looking for what it may have made")
    found = _look_again(shop, provider, request, error)
    whole, _ = one_each(request, found.instances)
    if len(whole) == request.count:
        return ProvisionResult(tuple(whole), whole[0].payload, found.account)
    error.unlisted = found.failed
    undoing.lost(found, error)
    raise error


def _look_again(
    shop: Shop, provider: Provider, request: ProvisionRequest, error: LostAnswer
) -> Found:
    shop.journal.unknown(request, error)
    return find_made(provider, request, clock=shop.clock)


def _new_host_key() -> HostKey:
    from arb.nodes.keys import generate_key
    from arb.types import HostKey

    pair = generate_key()
    return HostKey(pair.public, pair.private)


def _number(request: ProvisionRequest) -> int:
    """Return which attempt of its cluster this is, from 1."""
    parsed = parse_token(request.token)
    return parsed.seq + 1 if parsed else 0
