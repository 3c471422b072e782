"""Providers that break a promise of buying."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.core.testing.broken import breaks
from tests.core.testing.reference import Client, Reference

from arb.errors import (
    CapacityError,
    ProviderUnavailable,
    QuotaError,
    RateLimited,
    RequestError,
    Scope,
)
from arb.hookspecs import hookimpl

if TYPE_CHECKING:
    from arb.types import ProvisionResult


@breaks("an_order_makes_as_many_machines_as_it_asks_for")
class OrdersTwoAtMost(Reference):
    @hookimpl
    def arb_provision(self, context, request):
        return super().arb_provision(context, replace(request, setups=request.setups[:2]))


@breaks("an_order_makes_as_many_machines_as_it_asks_for")
class ReturnsMachinesBackwards(Reference):
    @hookimpl
    def arb_provision(self, context, request):
        result = super().arb_provision(context, request)
        return replace(result, instances=result.instances[::-1])


@breaks("every_machine_carries_its_token")
class TagsTheHeadOfASpotGangOnly(Reference):
    def name(self, request, setup):
        return f"{request.cluster}-{setup.rank}" if self.is_bare(request, setup) else setup.token

    def order(self, api, request, setup):
        machine = super().order(api, request, setup)
        return replace(machine, token=setup.token)

    def is_bare(self, request, setup):
        return request.offer.spot and setup.rank


@breaks("a_second_call_makes_no_more")
class LooksOnlyAfterALostAnswer(Reference):
    def __init__(self) -> None:
        self.lost: set[str] = set()

    @hookimpl
    def arb_provision(self, context, request):
        try:
            return super().arb_provision(context, request)
        except ProviderUnavailable:
            self.lost.add(request.token)
            raise

    def already(self, api, request):
        return self.known(api, request) if request.token in self.lost else {}


@breaks("a_lost_answer_makes_no_second_machine")
class RemembersGoodAnswersOnly(Reference):
    def __init__(self) -> None:
        self.results: dict[str, ProvisionResult] = {}

    @hookimpl
    def arb_provision(self, context, request):
        result = super().arb_provision(context, request)
        self.results[f"{context.env['MEMORY_URL']} {request.token}"] = result
        return result

    def already(self, api, request):
        key = f"{api.context.env['MEMORY_URL']} {request.token}"
        return {m.token: m for m in self.results[key].instances} if key in self.results else {}


class _TimeoutIsNoStock(Client):
    def send(self, operation, arguments):
        try:
            return super().send(operation, arguments)
        except TimeoutError as error:
            if operation == "order":
                raise CapacityError("memory: no answer", scope=Scope.OFFER) from error
            raise


@breaks("a_lost_answer_is_no_refusal")
class TakesALostAnswerForNoStock(Reference):
    client = _TimeoutIsNoStock


@breaks("an_order_does_not_wait_for_the_boot")
class WaitsForTheBoot(Reference):
    def order(self, api, request, setup):
        machine, clock = super().order(api, request, setup), api.context.clock
        while machine.detail == "booting" and api.context.remaining_s() > 10:
            clock.sleep(5)
            machine = self.instance(api.send("get", {"machine": machine.id}))
        return machine


@breaks("no_stock_is_a_capacity_error")
class CallsNoStockAQuota(Reference):
    def refused(self, request, error, made):
        refusal = super().refused(request, error, made)
        sold_out = isinstance(refusal, CapacityError) and not made
        return QuotaError(refusal.summary, scope=refusal.scope) if sold_out else refusal


@breaks("no_stock_is_a_capacity_error")
class CallsNoStockAnOutage(Reference):
    def refused(self, request, error, made):
        refusal = super().refused(request, error, made)
        sold_out = isinstance(refusal, CapacityError) and not made
        return ProviderUnavailable(refusal.summary) if sold_out else refusal


@breaks("no_stock_covers_no_more_than_what_is_sold_out")
class CallsTheWholeRegionSoldOut(Reference):
    def refused(self, request, error, made):
        refusal = super().refused(request, error, made)
        if isinstance(refusal, CapacityError):
            refusal.scope = Scope.REGION
        return refusal


@breaks("a_used_up_quota_is_a_quota_error")
class CallsAUsedUpQuotaSoldOut(Reference):
    def refused(self, request, error, made):
        refusal = super().refused(request, error, made)
        used_up = isinstance(refusal, QuotaError)
        return CapacityError(refusal.summary, scope=refusal.scope) if used_up else refusal


@breaks("a_used_up_quota_is_a_quota_error")
class GivesUpAfterAUsedUpQuota(Reference):
    def refused(self, request, error, made):
        refusal = super().refused(request, error, made)
        if isinstance(refusal, QuotaError):
            refusal.scope = Scope.PROVIDER
        return refusal


@breaks("a_broken_gang_names_what_exists")
class ForgetsAPartOfAGang(Reference):
    def refused(self, request, error, made):
        return super().refused(request, error, made if isinstance(error, RateLimited) else [])


@breaks("an_unknown_instance_type_is_a_request_error")
class CallsAnUnknownTypeSoldOut(Reference):
    def refused(self, request, error, made):
        refusal = super().refused(request, error, made)
        wrong = isinstance(refusal, RequestError)
        return CapacityError(refusal.summary, scope=refusal.scope) if wrong else refusal


@breaks("ports_and_labels_of_any_form_are_accepted")
class TakesLabelsOfOneWordOnly(Reference):
    def labels(self, request, setup):
        if not all(name.isidentifier() for name in request.labels):
            raise RequestError("memory: bad label", scope=Scope.OFFER)
        return super().labels(request, setup)


@breaks("the_clients_key_is_let_in")
class LeavesTheKeyToUserData(Reference):
    def keys(self, setup):
        return () if setup.files else super().keys(setup)


@breaks("user_data_arrives_whole")
class DropsCommands(Reference):
    def user_data(self, setup):
        return super().user_data(replace(setup, commands=()))


@breaks("user_data_arrives_whole")
class KeepsTheHostKeyBack(Reference):
    def user_data(self, setup):
        return super().user_data(replace(setup, files=setup.files[1:]))


@breaks("a_limit_inside_a_gang_names_what_exists")
class IsLimitedInsideAGang(Reference):
    def refused(self, request, error, made):
        limited = isinstance(error, RateLimited) and "budget" in error.summary
        return error if limited else super().refused(request, error, made)


@breaks("too_many_orders_inside_a_gang_name_what_exists")
class TakesTooManyOrdersForNothingMade(Reference):
    def refused(self, request, error, made):
        limited = isinstance(error, RateLimited) and "429" in error.summary
        return error if limited else super().refused(request, error, made)


class _UnknownBudget(Client):
    def __call__(self, operation, budget="reads", **arguments):
        return super().__call__(operation, budget, **arguments)


class _NoBudget(Client):
    def __init__(self, context) -> None:
        super().__init__(replace(context, limiter=_Free()))


class _Patient(Client):
    def __init__(self, context) -> None:
        super().__init__(replace(context, deadline=context.deadline + 600))

    def send(self, operation, arguments):
        self.context, patient = (
            replace(self.context, deadline=self.context.deadline - 600),
            self.context,
        )
        try:
            return super().send(operation, arguments)
        finally:
            self.context = patient


class _Free:
    def acquire(self, budget, *, deadline):
        pass

    def pause(self, budget, seconds):
        pass


@breaks("rate_budgets_are_used_by_their_names")
class AsksForAnUnknownBudget(Reference):
    client = _UnknownBudget


@breaks("rate_budgets_are_used_by_their_names")
class AsksForNoBudget(Reference):
    client = _NoBudget


@breaks("rate_budgets_are_used_by_their_names")
class WaitsForABudgetPastItsDeadline(Reference):
    client = _Patient


@breaks("an_order_can_be_polled_at_any_time")
class CannotPollWhatIsGone(Reference):
    @hookimpl
    def arb_poll(self, context, request, handle):
        machines = super().arb_poll(context, request, handle)
        if not machines:
            raise ProviderUnavailable("memory: no such order")
        return machines


@breaks("an_order_can_be_polled_at_any_time")
class PollsBackwards(Reference):
    @hookimpl
    def arb_poll(self, context, request, handle):
        return super().arb_poll(context, request, handle)[::-1]


@breaks("an_order_can_be_polled_at_any_time")
class PollsWithTheSecretsOfTheOrder(Reference):
    @hookimpl
    def arb_poll(self, context, request, handle):
        if any(setup.host_key and not setup.host_key.private for setup in request.setups):
            raise RequestError("memory: another order", scope=Scope.OFFER)
        return super().arb_poll(context, request, handle)


@breaks("a_late_refusal_names_what_exists")
class PollsARefusedOrderForever(Reference):
    @hookimpl
    def arb_poll(self, context, request, handle):
        try:
            return super().arb_poll(context, request, handle)
        except CapacityError:
            return []


@breaks("a_machine_found_by_listing_can_be_given_back")
class NeedsWhatTheOrderReturned(Reference):
    def region_of(self, instance):
        if instance.handle and "attempt" not in json.loads(instance.handle):
            raise ProviderUnavailable("memory: which attempt?")
        return super().region_of(instance)


@breaks("whatever_else_is_made_carries_the_token_or_the_owner")
class NamesAGroupAfterNobody(Reference):
    def add_rule(self, api, name):
        return super().add_rule(api, "group" if name.startswith("group") else name)
