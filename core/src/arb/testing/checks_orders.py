"""Checks of buying: what is made, what a refusal says, and what a lost answer may cost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from arb.errors import (
    CapacityError,
    CredentialsError,
    QuotaError,
    RateLimited,
    Refusal,
    RequestError,
    Scope,
)
from arb.testing.limiter import RecordingLimiter
from arb.testing.orders import COMMAND, FILE, Bought, ContractOrders, capacity_error, told
from arb.testing.skips import DoesNotApply, NotProven
from arb.testing.verdict import ContractBroken, check, demand
from arb.types import Capability, HostKey, NodeFile

if TYPE_CHECKING:
    from arb.errors import ArbError
    from arb.types import ProvisionRequest

__all__ = ["OrderChecks"]

_WIDTHS: Final = {scope: width for width, scope in enumerate(Scope)}
_NO_BOOT_S: Final = 30
_LONG_AFTER_S: Final = 7200
_SLOW_BOOT_S: Final = 1200


class OrderChecks(ContractOrders):
    """``arb_provision`` and ``arb_poll``."""

    @check
    def test_an_order_makes_as_many_machines_as_it_asks_for(self) -> None:
        """Order three machines: three are made, and named in rank order.

        ``arb_provision``: "Buy ``request.count`` machines of one offer."
        ``arb_provision``: "machines in rank order"
        """
        before = self.billed()
        bought = self.buy(3)
        made = self.billed() - before
        demand(len(made) == 3, f"three machines were ordered, and {len(made)} made")  # noqa: PLR2004
        instances = bought.result.instances
        demand(
            not instances or {i.id for i in instances} == made,
            f"made are {sorted(made)}, returned {sorted(i.id for i in instances)}",
        )
        if instances and not self.can(Capability.BATCH):
            tokens = [i.token for i in instances]
            demand(tokens == list(bought.tokens), f"returned in the order {', '.join(tokens)}")

    @check
    def test_every_machine_carries_its_token(self) -> None:
        """Order machines of each class, and list them by their tokens.

        ``arb_provision``: "Each machine carries its setup's token where ``arb_list_instances``
        finds it"
        """
        for spot in (False, True):
            if self.can(Capability.SPOT if spot else Capability.ON_DEMAND):
                bought = self.buy(2, offer=self.offer(spot=spot, count=2))
                tokens = sorted(instance.token for instance in self.found(bought))
                wanted = sorted(bought.tokens * (2 if self.can(Capability.BATCH) else 1))
                demand(tokens == wanted, f"listed are the tokens {', '.join(tokens)}")

    @check
    def test_a_second_call_makes_no_more(self) -> None:
        """Send an equal request twice.

        ``arb_provision``: "a second call with an equal request, in the same process, returns the
        same machines and makes no more"
        """
        bought = self.buy(2)
        made = self.billed()
        self.cloud.advance(self.info.listing_lag_s)
        again = self.provision(bought.request)
        demand(self.billed() == made, "a second call made more machines")
        first, second = ([i.id for i in r.instances] for r in (bought.result, again))
        demand(first == second, f"it returned {first}, and then {second}")

    @check
    def test_a_lost_answer_makes_no_second_machine(self) -> None:
        """Lose the answer to an order and send it again.

        ``arb_provision``: "a second call with an equal request, in the same process, returns the
        same machines and makes no more"
        """
        request = self.request(2)
        self.cloud.lose_next_answer()
        self.attempt("arb_provision", request=request)
        self.cloud.advance(self.info.listing_lag_s)
        bought = Bought(request, self.provision(request))
        made = self.billed(*bought.tokens)
        demand(len(made) == 2, f"two machines were ordered, and {len(made)} made")  # noqa: PLR2004
        ids = {i.id for i in bought.result.instances} or made
        demand(ids == made, f"made are {sorted(made)}, returned {sorted(ids)}")

    @check
    def test_a_lost_answer_is_no_refusal(self) -> None:
        """Lose the answer to an order: nobody may take it for one that made nothing.

        ``arb_provision``: "Anything may have been made"
        """
        request = self.request()
        self.cloud.lose_next_answer()
        _, error = self.attempt("arb_provision", request=request)
        certain = isinstance(error, Refusal | CredentialsError | RateLimited)
        demand(not certain, f"a machine was made, and the order raised {told(error)}")

    @check
    def test_an_order_does_not_wait_for_the_boot(self) -> None:
        """Order machines that take twenty minutes to boot.

        ``arb_provision``: "returns as soon as the provider took the order"
        """
        request = self.request(2)
        self.cloud.slow_boot(_SLOW_BOOT_S)
        begun = self.cloud.clock.monotonic()
        self.provision(request)
        took_s = self.cloud.clock.monotonic() - begun
        limit_s = _NO_BOOT_S + self.info.machine_interval_s
        demand(took_s <= limit_s, f"the call took {took_s:.0f} s")

    @check
    def test_no_stock_is_a_capacity_error(self) -> None:
        """Order what is sold out.

        ``arb_provision``: "The provider said no."
        ``CapacityError``: "The provider has none of it now."
        """
        request = self.request()
        self.cloud.stock_out(request.offer)
        error = capacity_error(self.refusal(request))
        demand(not error.made, "nothing can have been made, and made is not empty")
        self._demand_nothing_made(request)

    @check
    def test_no_stock_covers_no_more_than_what_is_sold_out(self) -> None:
        """Order what is sold out, and compare the scope with the truth.

        ``Scope``: "What a refusal says about other offers: the walk skips everything that it
        covers."
        """
        request = self.request()
        widest = self.cloud.stock_out(request.offer)
        error = self.refusal(request)
        if not isinstance(error, Refusal):
            raise NotProven("no stock is no refusal at all")
        wider = _width(error.scope) > _width(widest)
        demand(not wider, f"sold out is the {widest}, and the refusal says {error.scope}")

    @check
    def test_a_used_up_quota_is_a_quota_error(self) -> None:
        """Order what the account may not have, and compare the scope with the truth.

        ``QuotaError``: "The account may not have (more of) it."
        ``Scope``: "What a refusal says about other offers: the walk skips everything that it
        covers."
        """
        request = self.request()
        widest = self.cloud.use_up_quota(request.offer)
        error = self.refusal(request)
        if not isinstance(error, QuotaError):
            raise ContractBroken(f"a used up quota is no QuotaError: {told(error)}")
        wider = _width(error.scope) > _width(widest)
        demand(not wider, f"used up is the {widest}, and the refusal says {error.scope}")
        self._demand_nothing_made(request)

    @check
    def test_a_broken_gang_names_what_exists(self) -> None:
        """Order two machines where there is one.

        ``arb_provision``: "``made`` holds the machines of this gang that exist"
        ``Capability``: "One call makes all machines of a gang or none"
        """
        request = self.request(2)
        self.cloud.stock_out(request.offer, left=1)
        error = capacity_error(self.refusal(request))
        exist = self.billed(*(setup.token for setup in request.setups))
        named = {instance.id for instance in error.made}
        demand(named == exist, f"made names {sorted(named)}, there are {sorted(exist)}")
        batch = self.can(Capability.BATCH)
        demand(not (batch and exist), "a batch call made a part of a gang")

    @check
    def test_an_unknown_instance_type_is_a_request_error(self) -> None:
        """Order an instance type that the provider does not know.

        ``RequestError``: "The provider calls the request itself wrong"
        """
        request = self.request(offer=self.cloud.unknown_offer(self.offer()))
        error = self.refusal(request)
        demand(isinstance(error, RequestError), f"it is no RequestError: {told(error)}")
        self._demand_nothing_made(request)

    @check
    def test_ports_and_labels_of_any_form_are_accepted(self) -> None:
        """Order with ports and with labels that no provider takes as they are.

        ``arb_open_ports``: "Ports known at launch are in the request instead."
        ``ProvisionRequest``: "The user's labels; the provider adds its own."
        """
        labels = {"Cost Center": "R&D / Team 12", "owner": "Ä. Müller", "empty": ""}
        bought = self.buy(ports=("8080", "8000-8010"), labels=labels)
        made = self.billed(*bought.tokens)
        demand(len(made) == 1, f"one machine was ordered, and {len(made)} made")

    @check
    def test_the_clients_key_is_let_in(self) -> None:
        """Look at what reached the machine.

        ``arb_provision``: "lets ``authorized_key`` in"
        """
        bought = self.buy()
        key = bought.request.setups[0].authorized_key.split()[1]
        demand(key in self._received(bought), "authorized_key did not reach the machine")

    @check
    def test_user_data_arrives_whole(self) -> None:
        """Look at what reached the machine, with the capability ``USER_DATA``.

        ``arb_provision``: "has the setup's files in place and its commands run at the first boot"
        """
        self.need(Capability.USER_DATA)
        bought = self.buy(offer=self.offer(where=lambda offer: offer.user_data is not False))
        received, key = self._received(bought), bought.request.setups[0].host_key
        demand(key and key.private.strip() in received, "the host key did not arrive")
        for text in (FILE.path, FILE.content.strip(), COMMAND):
            demand(text in received, f"{text!r} did not arrive")

    @check
    def test_a_limit_inside_a_gang_names_what_exists(self) -> None:
        """Use up the rate budget once the first of two machines was made.

        ``arb_provision``: "A limit met in the middle of a gang is waited for, or else a
        CapacityError with ``made``."
        """
        if not self.info.rate_budgets:
            raise DoesNotApply("the provider names no rate budget")
        request, context = self.request(2), self.context()
        tokens = [setup.token for setup in request.setups]
        limiter = RecordingLimiter(context.deadline, [], lambda: len(self.billed(*tokens)) == 1)
        _, error = self.attempt("arb_provision", replace(context, limiter=limiter), request=request)
        self._demand_made(request, error)

    @check
    def test_too_many_orders_inside_a_gang_name_what_exists(self) -> None:
        """Let the provider take one order of two, and call the other one too many requests.

        ``arb_provision``: "A limit met in the middle of a gang is waited for, or else a
        CapacityError with ``made``."
        """
        request = self.request(2)
        self.cloud.limit_orders(1)
        _, error = self.attempt("arb_provision", request=request)
        self._demand_made(request, error)

    @check
    def test_rate_budgets_are_used_by_their_names(self) -> None:
        """Buy, list and give back, and look at which budgets were asked for.

        ``ProviderInfo``: "Named token buckets for ``ProviderContext.limiter``."
        ``arb_provision``: "Use ``context.limiter`` for the provider's launch limits."
        """
        bought = self.buy()
        (instance,) = self.found(bought)
        self.terminate(bought.ref(instance))
        unknown = {budget for budget, _ in self.acquired} - set(self.info.rate_budgets)
        demand(not unknown, f"no such rate budget: {', '.join(sorted(unknown))}")
        used = self.acquired or not self.info.rate_budgets
        demand(used, "it names rate budgets, and none was asked for")
        bounded = all(in_time for _, in_time in self.acquired)
        demand(bounded, "it would wait for a rate budget past the deadline of the call")

    @check
    def test_an_order_can_be_polled_at_any_time(self) -> None:
        """Poll at once, without secrets as after a crash, and long after the machines ended.

        ``arb_poll``: "Safe to call at any time, also long after the attempt ended."
        ``arb_poll``: "After a crash its setups hold no private host keys."
        """
        self.need_hook("arb_poll")
        bought = self.buy(2)
        told_of = self._polled(bought.request, bought)
        instances = self.running(bought)
        known = [i.id for i in instances]
        demand(set(told_of) <= set(known), f"it polled {told_of}, there are {known}")
        polled = self._polled(_without_secrets(bought.request), bought)
        batch = self.can(Capability.BATCH)
        same = sorted(polled) == sorted(known) if batch else polled == known
        demand(same, f"in rank order there are {known}, and it polled {polled}")
        for instance in instances:
            self.end(bought.ref(instance))
        self.cloud.advance(_LONG_AFTER_S)
        handle = bought.result.handle
        _, error = self.attempt("arb_poll", request=bought.request, handle=handle)
        late = error is None or isinstance(error, Refusal)
        demand(late, f"long after its end it raised {told(error)}")

    @check
    def test_a_late_refusal_names_what_exists(self) -> None:
        """Let an order be refused after it was taken.

        ``arb_poll``: "The order failed after it was taken, ``made`` says what exists of it."
        """
        self.need_hook("arb_poll")
        request = self.request()
        self.cloud.refuse_late(request.offer)
        error = capacity_error(self.refusal(request))
        exist = self.billed(*(setup.token for setup in request.setups))
        named = {instance.id for instance in error.made}
        demand(named == exist, f"made names {sorted(named)}, there are {sorted(exist)}")

    def _demand_made(self, request: ProvisionRequest, error: ArbError | None) -> None:
        """Demand that an order whose gang met a limit names what exists, unless it was waited for."""
        if error is not None:
            demand(isinstance(error, CapacityError), f"it is no CapacityError: {told(error)}")
            exist = self.billed(*(setup.token for setup in request.setups))
            named = {i.id for i in capacity_error(error).made}
            demand(named == exist, f"made names {sorted(named)}, there are {sorted(exist)}")

    def _polled(self, request: ProvisionRequest, bought: Bought) -> list[str]:
        handle = bought.result.handle
        return [i.id for i in self.call("arb_poll", request=request, handle=handle)]

    def _received(self, bought: Bought) -> str:
        (machine,) = self.billed(*bought.tokens)
        return self.cloud.received(self.ledger_id(machine))

    def _demand_nothing_made(self, request: ProvisionRequest) -> None:
        made = self.billed(*(setup.token for setup in request.setups))
        demand(not made, f"the order was refused, and {sorted(made)} was made")


def _width(scope: object) -> int:
    """Return how wide a scope is."""
    if isinstance(scope, Scope):
        return _WIDTHS[scope]
    raise TypeError(f"{scope!r} is no Scope; stock_out and use_up_quota return the widest true one")


def _without_secrets(request: ProvisionRequest) -> ProvisionRequest:
    """Return a request as it is read from state after a crash."""
    setups = tuple(
        replace(
            setup,
            host_key=setup.host_key and HostKey(setup.host_key.public, ""),
            files=tuple(NodeFile(f.path, "", f.mode, f.owner) for f in setup.files),
        )
        for setup in request.setups
    )
    return replace(request, setups=setups)
