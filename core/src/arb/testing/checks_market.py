"""Checks of catalogs and of live prices."""

from __future__ import annotations

import json
import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from arb.errors import PluginError, ProviderUnavailable
from arb.plugins.frames import CATALOG_COLUMNS, OPTIONAL_COLUMNS, PRICE_COLUMNS, check_frame
from arb.plugins.results import WrongResult
from arb.testing.cloud import Login
from arb.testing.orders import ContractOrders, told
from arb.testing.plausible import (
    faults_of_pieces,
    faults_of_units,
    few,
    implausible,
    per_accelerator_prices,
)
from arb.testing.skips import NotProven
from arb.testing.verdict import ContractBroken, check, demand
from arb.types import Capability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.catalog.validate import Fault
    from arb.types import Catalog, Offer

__all__ = ["MarketChecks"]

_DAY_S: Final = 86_400
_FIRST_DATE: Final = datetime(2020, 1, 1, tzinfo=UTC).timestamp()


class MarketChecks(ContractOrders):
    """Catalog and live prices."""

    @check
    def test_the_catalog_has_columns_of_the_right_kinds(self) -> None:
        """Read the frame's columns.

        ``arb_catalog``: "``frame`` is a pandas DataFrame of ``n >= 0`` rows."
        """
        catalog = self._catalog()
        try:
            check_frame(catalog.frame, CATALOG_COLUMNS, OPTIONAL_COLUMNS)
        except WrongResult as wrong:
            raise ContractBroken(f"arb_catalog {wrong}") from wrong
        unknown = set(catalog.frame.columns) - {*CATALOG_COLUMNS, *OPTIONAL_COLUMNS}
        demand(not unknown, f"unknown columns are dropped: {', '.join(sorted(unknown))}")

    @check
    def test_every_row_of_the_catalog_is_an_offer(self) -> None:
        """Read every row as the core does: none is refused.

        ``arb_catalog``: "the provider's own key; unique together with ``spot``"
        ``arb_catalog``: "whole instance, per hour, no taxes; 0 only if owned"
        ``arb_catalog``: "``payload`` "{}" (JSON"
        """
        contradictory = {*faults_of_units(), *faults_of_pieces()}
        faults = [str(f) for f in self._faults() if f.reason not in contradictory]
        bad = [o.offer_id for o in self.offers if not _is_json(o.payload)]
        faults += [f"{offer_id}: payload is not JSON" for offer_id in bad]
        demand(not faults, few(faults))

    @check
    def test_the_units_of_the_catalog_are_plausible(self) -> None:
        """Look for megabytes, cents and seconds in the wrong places.

        ``arb_catalog``: "memory of **one** accelerator"
        ``arb.types``: "``_gib`` GiB (2**30 bytes)"
        """
        faults = [str(f) for f in self._faults() if f.reason in faults_of_units()]
        faults += [fault for offer in self.offers if (fault := implausible(offer))]
        demand(not faults, few(faults))

    @check
    def test_prices_are_of_the_whole_instance(self) -> None:
        """Compare instances with few and many of the same accelerator in the same place.

        ``arb_catalog``: "whole instance, per hour, no taxes; 0 only if owned"
        """
        faults = [str(f) for f in self._faults() if f.reason in faults_of_pieces()]
        demand(not faults, few(faults))
        compared, suspicious = per_accelerator_prices(self.offers)
        if not compared:
            raise NotProven("no accelerator is sold in two counts in one place")
        pairs = [f"{few.offer_id} and {many.offer_id}" for few, many in suspicious]
        demand(
            2 * len(suspicious) <= compared,
            f"as if prices were for one accelerator, these cost about the same: {few(pairs)}",
        )

    @check
    def test_the_catalog_is_dated(self) -> None:
        """Read source and date now and two days later, with and without credentials.

        ``Catalog``: "``live`` or ``bundled``"
        ``Catalog``: "Date of the prices, seconds since the epoch."
        """
        for login in (self.account, Login()):
            context = self.context("arb_catalog", login=login)
            catalog, error = self.attempt("arb_catalog", context, raw=True)
            if error is None:
                self._demand_dated(catalog, login)

    @check
    def test_the_catalog_needs_no_credentials(self) -> None:
        """Read it without any.

        ``arb_catalog``: "Credentials may be missing: then return the public price list."
        """
        context = self.context("arb_catalog", login=Login())
        catalog, error = self.attempt("arb_catalog", context, raw=True)
        away = isinstance(error, ProviderUnavailable)
        hint = " (does everybody() of the suite's cloud say where it is?)" if away else ""
        demand(error is None, f"it needs credentials: {told(error)}{hint}")
        demand(
            len(catalog.frame) or not len(self._catalog().frame), "it is empty without credentials"
        )

    @check
    def test_the_catalog_names_its_offers_the_same_every_time(self) -> None:
        """Read it twice, on two computers.

        ``arb_catalog``: "the provider's own key; unique together with ``spot``"
        """
        one, another = (self._identities(self._catalog(computer=c)) for c in ("one", "another"))
        changed = sorted(f"{i} spot={spot}" for i, spot in one ^ another)
        demand(not changed, f"offers with another name the second time: {few(changed)}")

    @check
    def test_sold_classes_and_capabilities_agree(self) -> None:
        """Compare the classes in the catalog with the capabilities.

        ``arb_provider_info``: "A capability that is named must work and one that works must be
        named"
        """
        sold = set(map(bool, self._catalog().frame["spot"]))
        for spot, capability in ((True, Capability.SPOT), (False, Capability.ON_DEMAND)):
            demand(
                (spot in sold) == self.can(capability),
                f"the capability {capability} is {'' if self.can(capability) else 'not '}named, and"
                f" {'such offers are' if spot in sold else 'no such offer is'} in the catalog",
            )

    @check
    def test_live_prices_are_told_of_what_is_asked(self) -> None:
        """Ask for a few offers that are in stock, in the catalog's units.

        ``arb_query_prices``: "Return the live price and availability of just these offers."
        ``arb_query_prices``: "Offers left out are taken for not available"
        """
        asked = self._asked()
        answers = self._prices(asked)
        for offer in asked:
            price, _ = answers.get((offer.offer_id, offer.spot), (math.nan, None))
            known = not math.isnan(price)
            demand(known, f"{offer.offer_id} is in stock and left out, or has no price")
            low, high = offer.price_usd_hour / 5, offer.price_usd_hour * 5
            demand(
                low <= price <= high,
                f"{offer.offer_id} costs {price}, in the catalog {offer.price_usd_hour}",
            )

    @check
    def test_live_prices_know_what_is_out_of_stock(self) -> None:
        """Ask for an offer that is sold out.

        ``arb_query_prices``: "Offers left out are taken for not available"
        """
        self.need_hook("arb_query_prices")
        offer = self.offer()
        self.cloud.stock_out(offer)
        _, available = self._prices([offer]).get((offer.offer_id, offer.spot), (0.0, None))
        demand(available is not True, f"{offer.offer_id} is out of stock and called available")

    def _demand_dated(self, catalog: Catalog, login: Login) -> None:
        now = max(self.cloud.clock.now(), time.time())
        dated = _FIRST_DATE < catalog.as_of < now + _DAY_S
        demand(dated, f"as_of of the {catalog.source} prices is {catalog.as_of}")
        self.cloud.advance(2 * _DAY_S)
        later = self._catalog(login)
        same = {catalog.source, later.source} != {"bundled"} or catalog.as_of == later.as_of
        demand(same, "as_of of the bundled price list is not the list's own date")
        fresh = later.source != "live" or self._age_s(later) < _DAY_S
        demand(fresh, f"live prices are {self._age_s(later) / _DAY_S:.0f} days old")

    def _faults(self) -> Sequence[Fault]:
        """Return what the core refuses of the catalog."""
        from arb.catalog.validate import validate

        owned, minimum_s = self.can(Capability.OWNED), self.info.minimum_s
        try:
            return validate(self._catalog().frame, owned=owned, minimum_s=minimum_s).faults
        except PluginError as error:
            raise ContractBroken(error.summary) from error

    def _asked(self) -> Sequence[Offer]:
        """Return up to three offers in stock, of both classes where there are both."""
        self.need_hook("arb_query_prices")
        stock = [offer for offer in self.offers if self.cloud.in_stock(offer)]
        spot = [offer for offer in stock if offer.spot][:1]
        asked = [*spot, *(offer for offer in stock if not offer.spot)][:3]
        if not asked:
            raise NotProven("nothing is in stock")
        return asked

    def _prices(self, offers: Sequence[Offer]) -> dict[tuple[str, bool], tuple[float, bool | None]]:
        """Return price and availability by identity."""
        frame = self.call("arb_query_prices", raw=True, offers=tuple(offers))
        try:
            check_frame(frame, PRICE_COLUMNS)
        except WrongResult as wrong:
            raise ContractBroken(f"arb_query_prices {wrong}") from wrong
        answers: dict[tuple[str, bool], tuple[float, bool | None]] = {}
        for row in frame.to_dict("records"):
            key = (str(row["offer_id"]), bool(row["spot"]))
            demand(key not in answers, f"{key[0]} is answered twice")
            answers[key] = (float(row["price_usd_hour"]), _known(row["available"]))
        return answers

    def _catalog(self, login: Login | None = None, computer: str = "one") -> Catalog:
        context = self.context("arb_catalog", login=login, computer=computer)
        catalog: Catalog = self.call("arb_catalog", context, raw=True)
        return catalog

    def _identities(self, catalog: Catalog) -> set[tuple[str, bool]]:
        frame = catalog.frame
        return set(zip(map(str, frame["offer_id"]), map(bool, frame["spot"]), strict=True))

    def _age_s(self, catalog: Catalog) -> float:
        """Return the age by the nearer of the cloud's clock and the computer's."""
        return min(abs(now - catalog.as_of) for now in (self.cloud.clock.now(), time.time()))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _known(value: Any) -> bool | None:
    return None if repr(value) in {"<NA>", "nan", "None"} else bool(value)
