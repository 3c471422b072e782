"""Providers whose listings show too much, too little, or somebody else's."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from tests.core.testing.broken import breaks
from tests.core.testing.reference import Client, Reference

from arb.errors import ProviderUnavailable
from arb.hookspecs import hookimpl
from arb.types import InstanceState, ListQuery

_STATES: dict[str, InstanceState] = {}


@breaks("a_listing_is_restricted_as_asked")
class FindsWholeGangs(Reference):
    def matches(self, machine, query):
        attempts = {token[:25] for token in query.tokens}
        own = not attempts or machine.token[:25] in attempts
        return own and super().matches(machine, replace(query, tokens=frozenset()))


@breaks("a_listing_is_restricted_as_asked")
class FindsOwnersAnywhereInAToken(Reference):
    def matches(self, machine, query):
        return query.owner in machine.token and super().matches(machine, replace(query, owner=""))


@breaks("every_page_is_read")
class ReadsTheLastRowOfAPageAgain(Reference):
    def pages(self, api, region):
        rows = super().pages(api, region)
        return rows if len(rows) < 5 else [*rows, rows[1]]


@breaks("a_page_that_fails_is_not_the_end")
class TakesAPageThatFailsForTheEnd(Reference):
    def pages(self, api, region):
        rows, page, more = [], 0, True
        while more:
            try:
                answer = api("list", region=region, page=page)
            except ProviderUnavailable:
                if not rows:
                    raise
                return rows
            rows += answer["rows"]
            page, more = page + 1, answer["more"]
        return rows


class _OneConnection(Client):
    """Lists over the first connection that there was to a server."""

    opened: ClassVar[dict[str, str]] = {}

    def send(self, operation, arguments):
        own = self.key
        if operation == "list":
            self.key = self.opened.setdefault(self.context.env["MEMORY_URL"], self.key)
        try:
            return super().send(operation, arguments)
        finally:
            self.key = own


@breaks("a_listing_is_of_one_account")
class KeepsTheFirstConnection(Reference):
    client = _OneConnection


@breaks("a_machine_that_is_ending_is_not_gone_while_it_is_billed")
class CallsAnEndingMachineGone(Reference):
    def state(self, row):
        return InstanceState.GONE if row["status"] == "ending" else super().state(row)


@breaks("a_machine_that_is_ending_is_not_gone_while_it_is_billed")
class ListsNoEndingMachine(Reference):
    def pages(self, api, region):
        return [row for row in super().pages(api, region) if row["status"] != "ending"]


@breaks("a_state_that_is_new_is_not_the_end")
class CallsANewStateTheEnd(Reference):
    def state(self, row):
        return InstanceState.GONE if row["status"] == "hibernating" else super().state(row)


@breaks("a_state_that_is_new_is_not_the_end")
class FailsOnANewState(Reference):
    def state(self, row):
        return super().state(row) if row["status"] != "hibernating" else _STATES[row["status"]]


@breaks("of_two_machines_under_one_token_the_named_one_ends")
class EndsWhatCarriesTheToken(Reference):
    @hookimpl
    def arb_terminate(self, context, instance):
        query = ListQuery(tokens=frozenset({instance.token}))
        named = self.arb_list_instances(context, query).instances
        alive = [m.id for m in named if m.state is not InstanceState.GONE]
        first = min(alive, default=instance.id)
        return super().arb_terminate(context, replace(instance, id=first))


@breaks("a_listed_machine_is_described_as_it_was_ordered")
class OrdersSpotOnDemand(Reference):
    def facts(self, request, setup):
        return {**super().facts(request, setup), "spot": False}
