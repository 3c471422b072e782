"""Buying: firewall rules, then one insert a machine. Whether there are any is told later."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from arb.errors import (
    ArbError,
    CapacityError,
    CredentialsError,
    ProviderUnavailable,
    RateLimited,
    Refusal,
    RequestError,
    Scope,
)
from arb.types import Instance, ProvisionResult
from arb_gcp.answers import ApiError
from arb_gcp.bodies import firewall_bodies, instance_body, request_id
from arb_gcp.client import Client
from arb_gcp.firewalls import make_rules, remove_rules
from arb_gcp.handles import Handle
from arb_gcp.machines import instance_of, operation_name, ordered
from arb_gcp.refusals import refusal
from arb_gcp.threads import side_by_side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.types import NodeSetup, ProviderContext, ProvisionRequest

__all__ = ["provision"]

_RESERVE_S: Final = 10.0
"""Time that is kept for answering, when a gang waits for a rate limit."""


def provision(context: ProviderContext, request: ProvisionRequest) -> ProvisionResult:
    """Order ``request.count`` machines; returns when Google took the orders.

    A machine's name is its token and ``requestId`` a function of it, so that sending an order again
    makes nothing new. What was ordered is no machine yet, and costs nothing if there is none to be
    had: ``arb_poll`` names the machines once they exist.

    Raises:
        CapacityError, QuotaError, RequestError, CredentialsError, RateLimited, ProviderUnavailable:
            As ``arb_provision`` says.
    """
    client = Client.from_context(context)
    rules = _make_rules(client, request)
    orders = [_Order(client, request, setup) for setup in request.setups]
    outcomes = side_by_side(_Order.place, orders)
    errors = [e for e in outcomes if isinstance(e, Exception)]
    if errors:
        worst = _worst(errors, tuple(o.machine for o in orders if o.machine is not None))
        if isinstance(worst, CredentialsError):  # which says that nothing was made
            _take_rules_back(client, request)
        raise worst
    handle = Handle(
        client.project,
        request.offer.zone,
        {order.setup.token: order.operation for order in orders if order.operation},
        client.settings.firewall,
        client.settings.network_project,
        rules,
    )
    return ProvisionResult((), handle.to_json(), client.project)


def _make_rules(client: Client, request: ProvisionRequest) -> list[str]:
    """Ask for the attempt's firewall rules; they take force while the machines boot."""
    if not client.settings.firewall:
        return []
    try:
        return make_rules(client, firewall_bodies(request, client.settings))
    except ApiError as error:
        raise refusal(error.fault, request.offer) from error


def _take_rules_back(client: Client, request: ProvisionRequest) -> None:
    """Remove the rules of an order that the account may not place; ``arb_cleanup`` tries again."""
    if client.settings.firewall:
        home = (request.token, client.settings.network_project or client.project)
        with contextlib.suppress(ArbError):
            remove_rules(client, [home])


class _Order:
    """One machine's order.

    Attributes:
        machine: What was made, or is being made; None until Google took the order.
        operation: Name of the insert operation; empty when the machine was there already.
    """

    def __init__(self, client: Client, request: ProvisionRequest, setup: NodeSetup) -> None:
        self.client, self.request, self.setup = client, request, setup
        self.machine: Instance | None = None
        self.operation = ""

    def place(self) -> None:
        """Send the order; in a gang, wait out a rate limit.

        Raises:
            ArbError: As ``arb_provision`` says, without ``made``.
        """
        while True:
            try:
                self._send()
            except RateLimited as error:
                enough = self.client.context.remaining_s() - _RESERVE_S
                if self.request.count == 1 or error.retry_after_s > enough:
                    raise
                self.client.context.clock.sleep(error.retry_after_s)
            else:
                return

    def _send(self) -> None:
        client, offer, token = self.client, self.request.offer, self.setup.token
        path = f"projects/{client.project}/zones/{offer.zone}/instances"
        body = instance_body(self.request, self.setup, client.settings)
        try:
            asked = {"requestId": request_id(token)}
            secrets = _secrets(self.setup)
            operation = client.post(path, body, asked, secrets, is_known=True)
        except ApiError as error:
            if error.is_there_already:
                self._adopt(f"{path}/{token}")
                return
            raise refusal(error.fault, offer) from error
        self.operation = operation_name(operation)
        self.machine = ordered(
            client.context.provider, client.project, self.request, token, operation
        )

    def _adopt(self, path: str) -> None:
        """Take the machine that an earlier sending of this order made."""
        said: Any = self.client.get(path)
        client, zone = self.client, self.request.offer.zone
        self.machine = instance_of(client.context.provider, client.project, said, zone)


def _secrets(setup: NodeSetup) -> list[str]:
    """Return what of a setup no message may repeat."""
    private = [setup.host_key.private] if setup.host_key else []
    return [*private, *(file.content for file in setup.files)]


def _worst(errors: Sequence[Exception], made: tuple[Instance, ...]) -> Exception:
    """Return what the call raises, of all that went wrong with its machines.

    An order whose answer is missing may have made something, so it decides. A refusal carries what
    was made of the gang, whatever refused.
    """
    unknown = next((e for e in errors if isinstance(e, ProviderUnavailable)), None)
    strange = next((e for e in errors if not isinstance(e, ArbError)), None)
    if unknown or strange:
        return unknown or strange or errors[0]
    first = next((e for e in errors if isinstance(e, Refusal)), errors[0])
    if isinstance(first, Refusal):
        first.made = made
        return first
    if not made:
        return first
    summary = f"{first}; {len(made)} of the gang were taken and go back"
    if isinstance(first, RateLimited):
        block_s = first.retry_after_s
        return CapacityError(
            summary, scope=Scope.OFFER, made=made, code=first.code, block_s=block_s
        )
    code = first.code if isinstance(first, CredentialsError) else "gcp-request"
    return RequestError(summary, scope=Scope.PROVIDER, made=made, code=code)
