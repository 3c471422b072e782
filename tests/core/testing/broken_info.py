"""Providers that say something wrong of themselves, of credentials or of what they sell."""

from __future__ import annotations

import itertools
from dataclasses import replace

from tests.core.testing.broken import breaks
from tests.core.testing.reference import INFO, Reference

from arb.errors import ProviderUnavailable
from arb.hookspecs import hookimpl
from arb.types import Capability, Catalog, CheckStatus, RateBudget, SshEndpoint

_COUNT = itertools.count()


@breaks("the_hook_api_is_one_that_the_core_speaks")
class WrittenForALaterApi(Reference):
    ARB_API = 2


@breaks("every_hook_has_the_form_of_its_specification")
class GivesADefault(Reference):
    @hookimpl
    def arb_ssh_ports(self, instance, user="memo"):
        return super().arb_ssh_ports(instance)


@breaks("every_hook_has_the_form_of_its_specification")
class ForgetsAMarker(Reference):
    def arb_ssh_ports(self, instance):
        return super().arb_ssh_ports(instance)


@breaks("the_information_is_a_constant")
class ChangesItsInformation(Reference):
    @hookimpl
    def arb_provider_info(self):
        return replace(INFO, docs_url=f"https://example.com/{next(_COUNT)}")


@breaks("the_information_holds_what_the_core_can_use")
class HasABudgetThatLetsNothingThrough(Reference):
    info = replace(INFO, rate_budgets={**INFO.rate_budgets, "write": RateBudget(0, 1)})


@breaks("the_information_holds_what_the_core_can_use")
class HasAnOptionWithoutHelp(Reference):
    info = replace(INFO, options={"region": ""})


@breaks("the_information_holds_what_the_core_can_use")
class GivesNoTimeToBeReady(Reference):
    info = replace(INFO, readiness_timeout_s=0)


@breaks("capabilities_have_their_hooks_and_hooks_their_capability")
class HidesThatPortsCanBeOpened(Reference):
    info = replace(INFO, capabilities=INFO.capabilities - {Capability.PORTS})


@breaks("missing_credentials_are_not_configured")
class RaisesWithoutCredentials(Reference):
    @hookimpl
    def arb_check(self, context):
        self.client(context)
        return super().arb_check(context)


@breaks("missing_credentials_are_not_configured")
class LeavesTheUserAlone(Reference):
    @hookimpl
    def arb_check(self, context):
        result = super().arb_check(context)
        missing = result.status is CheckStatus.NOT_CONFIGURED
        return replace(result, hint="") if missing else result


@breaks("refused_credentials_are_refused")
class TakesARefusalForNothing(Reference):
    @hookimpl
    def arb_check(self, context):
        result = super().arb_check(context)
        refused = result.status is CheckStatus.REFUSED
        return replace(result, status=CheckStatus.NOT_CONFIGURED) if refused else result


@breaks("working_credentials_are_found_and_named")
class HidesWhereTheKeyCameFrom(Reference):
    @hookimpl
    def arb_check(self, context):
        return replace(super().arb_check(context), source="")


@breaks("working_credentials_are_found_and_named")
class IsLimitedAndDoesNotSayHow(Reference):
    @hookimpl
    def arb_check(self, context):
        result = super().arb_check(context)
        good = result.status is CheckStatus.OK
        return replace(result, status=CheckStatus.LIMITED) if good else result


@breaks("no_answer_to_a_check_is_unreachable")
class RaisesWhenNobodyAnswers(Reference):
    @hookimpl
    def arb_check(self, context):
        result = super().arb_check(context)
        if result.status is CheckStatus.UNREACHABLE:
            raise ProviderUnavailable(result.summary)
        return result


@breaks("the_catalog_has_columns_of_the_right_kinds")
class WritesPricesAsText(Reference):
    def row(self, row):
        return super().row(row) | {"price_usd_hour": str(row["price"])}


@breaks("the_catalog_has_columns_of_the_right_kinds")
class MisspellsAColumn(Reference):
    def row(self, row):
        return super().row(row) | {"intercon": "NVLink"}


@breaks("every_row_of_the_catalog_is_an_offer")
class NamesAnOfferTwice(Reference):
    def frame(self, rows):
        return super().frame([*rows, rows[0]])


@breaks("every_row_of_the_catalog_is_an_offer")
class HasAPayloadThatIsNoJson(Reference):
    def row(self, row):
        return super().row(row) | {"payload": f"type={row['type']}"}


@breaks("the_units_of_the_catalog_are_plausible")
class CountsMegabytes(Reference):
    def row(self, row):
        return super().row(row) | {"memory_gib": row["memory"] * 1024.0}


@breaks("the_units_of_the_catalog_are_plausible")
class CountsMegabytesOfAnAccelerator(Reference):
    def row(self, row):
        wrong = {"accelerator_gib": row["gpus"] * 80.0 * 1024} if row["gpus"] == 1 else {}
        return super().row(row) | wrong


@breaks("the_units_of_the_catalog_are_plausible")
class AddsUpTheMemoryOfAllAccelerators(Reference):
    def row(self, row):
        return super().row(row) | {"accelerator_gib": row["gpus"] * 80.0}


@breaks("prices_are_of_the_whole_instance")
class PricesOneAccelerator(Reference):
    def row(self, row):
        return super().row(row) | {"price_usd_hour": row["price"] / (row["gpus"] or 1)}


@breaks("the_catalog_is_dated")
class DatesItsListToday(Reference):
    @hookimpl
    def arb_catalog(self, context):
        return replace(super().arb_catalog(context), as_of=context.clock.now())


@breaks("the_catalog_is_dated")
class CallsOldPricesLive(Reference):
    @hookimpl
    def arb_catalog(self, context):
        return replace(super().arb_catalog(context), source="live", as_of=1_600_000_000.0)


@breaks("the_catalog_needs_no_credentials")
class SellsToCustomersOnly(Reference):
    @hookimpl
    def arb_catalog(self, context):
        self.client(context)
        return super().arb_catalog(context)


@breaks("the_catalog_needs_no_credentials")
class ShowsNothingToStrangers(Reference):
    @hookimpl
    def arb_catalog(self, context):
        catalog = super().arb_catalog(context)
        known = "MEMORY_API_KEY" in context.env
        return catalog if known else Catalog(catalog.frame.head(0), "bundled", catalog.as_of)


@breaks("the_catalog_names_its_offers_the_same_every_time")
class NumbersOffersOnEachComputer(Reference):
    @hookimpl
    def arb_catalog(self, context):
        catalog = super().arb_catalog(context)
        if context.data_dir.parent.name == "another":
            catalog.frame["offer_id"] = [f"offer-{n}" for n in range(len(catalog.frame))]
        return catalog


@breaks("sold_classes_and_capabilities_agree")
class SellsSpotWithoutSayingSo(Reference):
    info = replace(INFO, capabilities=INFO.capabilities - {Capability.SPOT})


@breaks("live_prices_are_told_of_what_is_asked")
class AnswersInCents(Reference):
    def price(self, row):
        return super().price(row) | {"price_usd_hour": row["price"] * 100}


@breaks("live_prices_are_told_of_what_is_asked")
class ForgetsSpotPrices(Reference):
    @hookimpl
    def arb_query_prices(self, context, offers):
        frame = super().arb_query_prices(context, offers)
        return frame[~frame["spot"]]


@breaks("live_prices_know_what_is_out_of_stock")
class CallsEverythingAvailable(Reference):
    def price(self, row):
        return super().price(row) | {"available": True}


@breaks("a_running_machine_says_where_ssh_listens")
class IgnoresPortForwards(Reference):
    @hookimpl
    def arb_ssh_ports(self, instance):
        return replace(super().arb_ssh_ports(instance), port=22)


@breaks("a_running_machine_says_where_ssh_listens")
class LogsInAsSomebodyElse(Reference):
    @hookimpl
    def arb_ssh_ports(self, instance):
        return SshEndpoint(instance.address, super().arb_ssh_ports(instance).port, "root")
