"""Providers that break a promise of listing, giving back, stopping or cleaning up."""

from __future__ import annotations

from dataclasses import replace

from tests.core.testing.broken import breaks
from tests.core.testing.memory_cloud import REGIONS, ApiError
from tests.core.testing.reference import Reference

from arb.errors import (
    ArbError,
    CredentialsError,
    ProviderUnavailable,
    QuotaError,
    RequestError,
    Scope,
)
from arb.hookspecs import hookimpl
from arb.types import GoneReason, InstanceState, Listing, Termination


@breaks("a_listing_shows_no_foreign_machine")
class TakesEveryNameThatBeginsLikeOurs(Reference):
    def is_ours(self, parts):
        return parts[0] == "arb"


@breaks("a_listing_is_restricted_as_asked")
class ListsEveryRegion(Reference):
    def matches(self, machine, query):
        return super().matches(machine, replace(query, regions=frozenset()))


@breaks("a_listing_is_restricted_as_asked")
class AsksForTokensOrOwner(Reference):
    def matches(self, machine, query):
        owner = "" if query.tokens else query.owner
        return super().matches(machine, replace(query, owner=owner))


@breaks("every_page_is_read")
class ReadsOnePage(Reference):
    def pages(self, api, region):
        return api("list", region=region, page=0)["rows"]


@breaks("a_region_that_fails_is_not_complete")
class CallsEveryRegionComplete(Reference):
    @hookimpl
    def arb_list_instances(self, context, query):
        return replace(super().arb_list_instances(context, query), complete=frozenset(REGIONS))


@breaks("a_region_that_fails_is_not_complete")
class FailsWithOneRegion(Reference):
    @hookimpl
    def arb_list_instances(self, context, query):
        listing = super().arb_list_instances(context, query)
        if listing.errors:
            raise ProviderUnavailable("memory: a region failed")
        return listing


@breaks("a_good_listing_covers_the_place_of_the_order")
class NamesNoCompleteRegion(Reference):
    @hookimpl
    def arb_list_instances(self, context, query):
        return replace(super().arb_list_instances(context, query), complete=frozenset())


@breaks("a_good_listing_covers_the_place_of_the_order")
class ListsForNoAccount(Reference):
    @hookimpl
    def arb_list_instances(self, context, query):
        return replace(super().arb_list_instances(context, query), account="")


@breaks("a_listing_needs_no_memory")
class ListsWhatItRemembers(Reference):
    def order(self, api, request, setup):
        machine = super().order(api, request, setup)
        (api.context.data_dir / machine.id).touch()
        return machine

    @hookimpl
    def arb_list_instances(self, context, query):
        listing = super().arb_list_instances(context, query)
        known = tuple(m for m in listing.instances if (context.data_dir / m.id).exists())
        return replace(listing, instances=known)


@breaks("a_listed_machine_is_described_as_it_was_ordered")
class CountsMilliseconds(Reference):
    def instance(self, row):
        return super().instance({**row, "made_at": row["made_at"] * 1000})


@breaks("a_listed_machine_is_described_as_it_was_ordered")
class ChargesInCents(Reference):
    def instance(self, row):
        return super().instance({**row, "price": row["price"] * 100})


@breaks("a_listed_machine_is_described_as_it_was_ordered")
class MergesZoneAndRegion(Reference):
    def instance(self, row):
        return super().instance({**row, "zone": row["region"]})


@breaks("a_preempted_machine_is_told_as_such")
class BlamesTheUserForAPreemption(Reference):
    def reason(self, row):
        reason = super().reason(row)
        return GoneReason.USER if reason is GoneReason.PREEMPTED else reason


@breaks("a_preempted_machine_is_told_as_such")
class StillShowsWhatWasTaken(Reference):
    def state(self, row):
        return InstanceState.RUNNING if row["reason"] == "taken" else super().state(row)


@breaks("a_failed_machine_that_is_billed_is_not_gone")
class CallsFailedMachinesGone(Reference):
    def state(self, row):
        return InstanceState.GONE if row["status"] == "failed" else super().state(row)


@breaks("an_unknown_machine_is_gone")
class WaitsForWhatNeverWas(Reference):
    def not_ended(self, context, instance, error):
        unknown = error.status == 404
        return self.ending() if unknown else super().not_ended(context, instance, error)


@breaks("an_unknown_machine_is_gone")
class RaisesForWhatNeverWas(Reference):
    def not_ended(self, context, instance, error):
        answer = super().not_ended(context, instance, error)
        if error.status == 404 and answer.gone:
            raise RequestError("memory: no such machine", scope=Scope.OFFER)
        return answer


@breaks("a_machine_that_listings_may_still_miss_is_pending")
class CallsWhatIsNotListedGone(Reference):
    def not_ended(self, context, instance, error):
        unknown = error.status == 404
        return Termination.GONE if unknown else super().not_ended(context, instance, error)


@breaks("gone_means_that_nothing_is_billed")
class TakesTheOrderToEndForTheEnd(Reference):
    @hookimpl
    def arb_terminate(self, context, instance):
        answer = super().arb_terminate(context, instance)
        return Termination.GONE if answer.detail == "ending" else answer


@breaks("a_pending_end_says_when_to_ask_again")
class AsksToAskAtOnce(Reference):
    def ending(self):
        return replace(super().ending(), retry_after_s=0)


@breaks("only_the_named_machine_ends")
class EndsTheWholeGang(Reference):
    @hookimpl
    def arb_terminate(self, context, instance):
        answer = super().arb_terminate(context, instance)
        api, attempt = self.client(context), instance.token.rpartition("-")[0]
        for row in self.pages(api, instance.region):
            if row["name"].startswith(attempt) and row["status"] == "running":
                api("end", machine=row["id"])
        return answer


@breaks("ending_twice_is_no_error")
class RaisesForWhatEnded(Reference):
    def __init__(self) -> None:
        self.ended: set[str] = set()

    @hookimpl
    def arb_terminate(self, context, instance):
        key = f"{context.env.get('MEMORY_URL')} {instance.id}"
        if key in self.ended:
            raise ProviderUnavailable("memory: HTTP 410")
        answer = super().arb_terminate(context, instance)
        if answer.gone:
            self.ended.add(key)
        return answer


@breaks("a_minimum_run_time_is_told_as_a_wait")
class CallsAMinimumRunTimeAnError(Reference):
    def floor(self, left_s):
        raise RequestError("memory: minimum run time", scope=Scope.OFFER)


@breaks("a_minimum_run_time_is_told_as_a_wait")
class TakesMinutesForHours(Reference):
    def floor(self, left_s):
        return replace(super().floor(left_s), retry_after_s=left_s * 60)


@breaks("another_accounts_machine_is_not_called_gone")
class TrustsAnyAccount(Reference):
    def demand_account(self, api, instance):
        pass


@breaks("cleanup_takes_what_is_the_clusters_and_nothing_else")
class CleansUpForAllClusters(Reference):
    def is_of(self, rule, cluster):
        return rule["name"].startswith("rule-arb-")


@breaks("cleanup_takes_what_is_the_clusters_and_nothing_else")
class CleansUpForTheOwner(Reference):
    def is_of(self, rule, cluster):
        return super().is_of(rule, cluster) or rule["name"] == f"group-{cluster.owner}"


@breaks("cleanup_takes_what_is_the_clusters_and_nothing_else")
class CleansUpNothing(Reference):
    def is_of(self, rule, cluster):
        return False


@breaks("cleaning_up_twice_is_no_error")
class WantsSomethingToCleanUp(Reference):
    @hookimpl
    def arb_cleanup(self, context, cluster):
        if not any(self.is_of(rule, cluster) for rule in self.client(context)("rules")):
            raise ProviderUnavailable("memory: no such rule")
        super().arb_cleanup(context, cluster)


@breaks("what_machines_left_is_told_by_owner")
class TellsNobodyWhatIsLeft(Reference):
    arb_list_leftovers = None


@breaks("what_machines_left_is_told_by_owner")
class TellsOfEverybodysRules(Reference):
    def is_of_owner(self, name, owner):
        return name.startswith("arb-")


@breaks("what_machines_left_is_told_by_owner")
class NeverForgetsWhatWasLeft(Reference):
    @hookimpl
    def arb_list_leftovers(self, context, owner):
        rules = self.client(context).server.rules.values()
        names = frozenset(rule.name.removeprefix("rule-") for rule in rules)
        found = super().arb_list_leftovers(context, owner)
        return replace(found, tokens=frozenset(n for n in names if self.is_of_owner(n, owner)))


@breaks("what_machines_left_is_told_by_owner")
class TellsOnlyWhatThisComputerMade(Reference):
    @hookimpl
    def arb_list_leftovers(self, context, owner):
        found = super().arb_list_leftovers(context, owner)
        known = {path.name for path in context.data_dir.iterdir()}
        return replace(found, tokens=found.tokens & known)

    @hookimpl
    def arb_provision(self, context, request):
        (context.data_dir / request.token).touch()
        return super().arb_provision(context, request)


@breaks("a_stopped_machine_starts_again")
class CannotStopTwice(Reference):
    def switch(self, api, operation, ref):
        stopped = {r["id"] for r in self.pages(api, ref.region) if r["status"] == "stopped"}
        if operation == "stop" and ref.id in stopped:
            raise ProviderUnavailable("memory: is stopped already")
        return super().switch(api, operation, ref)


@breaks("a_stopped_machine_starts_again")
class CallsAStoppedMachineGone(Reference):
    @hookimpl
    def arb_stop(self, context, instances):
        stopped = super().arb_stop(context, instances)
        return [replace(machine, state=InstanceState.GONE) for machine in stopped]


@breaks("a_vanished_machine_is_told_when_it_is_stopped")
class CannotStopWhatIsGone(Reference):
    def switch(self, api, operation, ref):
        machine = super().switch(api, operation, ref)
        if machine.state is InstanceState.GONE:
            raise ProviderUnavailable("memory: no such machine")
        return machine


@breaks("ports_can_be_opened_twice")
class CannotOpenPortsTwice(Reference):
    @hookimpl
    def arb_open_ports(self, context, cluster, ports):
        try:
            self.client(context)("add_rule", name=f"rule-{cluster.tokens[0]}")
        except ApiError as error:
            raise QuotaError("memory: there is one", scope=Scope.OFFER) from error


@breaks("ports_can_be_opened_twice")
class OpensPortsForNobody(Reference):
    @hookimpl
    def arb_open_ports(self, context, cluster, ports):
        self.add_rule(self.client(context), f"ports-of-{cluster.name}")


@breaks("refused_credentials_are_credentials_errors")
class SeesNothingWithARefusedKey(Reference):
    @hookimpl
    def arb_list_instances(self, context, query):
        try:
            return super().arb_list_instances(context, query)
        except CredentialsError:
            return Listing((), frozenset({Listing.EVERYWHERE}))


@breaks("server_errors_are_unavailability")
class WaitsForAServerThatFails(Reference):
    @hookimpl
    def arb_terminate(self, context, instance):
        try:
            return super().arb_terminate(context, instance)
        except ArbError as error:
            if "HTTP 503" in error.summary:
                return Termination.PENDING
            raise
