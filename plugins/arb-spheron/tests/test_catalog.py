"""Offers, live and shipped."""

from __future__ import annotations

import pytest
from clouds.spheron.customer import recorded

from arb.catalog import offers_from_catalog
from arb.catalog.validate import validate
from arb.errors import CredentialsError, ProviderUnavailable, RateLimited, RequestError, Scope
from arb.types import Offer
from arb_spheron import plugin
from arb_spheron.catalog import BUNDLED_AS_OF


def reads(account):
    return account.cloud.ledger().count("GET /api/gpu-offers")


def test_everybody_sees_the_live_offers_with_their_date(anybody):
    catalog = plugin.arb_catalog(anybody.context())
    assert (catalog.source, reads(anybody)) == ("live", 1)
    assert abs(catalog.as_of - anybody.cloud.clock.now()) < 5
    offers = anybody.offers()
    assert offers["n3-H100x8__CANADA-1", False].price_usd_hour == 16.06
    assert offers["1H100.80S.32V_FIN-03_500", True].price_usd_hour == 0.8
    assert offers["gpu_1x_a100_SXM4_us-central-3", False].available is False
    assert validate(catalog.frame).refused == 0


def test_every_page_is_read(anybody):
    whole = set(anybody.offers())
    anybody.cloud.advance(60)
    anybody.cloud.configure(page_size=2)
    assert set(anybody.offers()) == whole
    assert reads(anybody) == 1 + 4


@pytest.mark.parametrize("told", ["3", None, "?"])
def test_pages_are_read_to_the_end_however_their_number_is_told(anybody, told):
    pages = [recorded("gpu-offers-page1"), recorded("gpu-offers-page2")]
    for page in (*pages, {"data": []}):
        body = page | {"totalPages": told}
        anybody.cloud.fault("status", status=200, body=body)
    assert len(anybody.offers()) == 5
    assert reads(anybody) == 3


def test_a_server_that_knows_no_pages_is_read_twice(anybody):
    body = recorded("gpu-offers-page1") | {"totalPages": None}
    anybody.cloud.fault("status", status=200, body=body, count=9)
    assert len(anybody.offers()) == 3
    assert reads(anybody) == 2


def test_a_server_that_wants_smaller_pages_gets_them(anybody):
    body = {"error": "Input payload validation failed", "details": [{"message": "limit"}]}
    anybody.cloud.fault("status", status=400, body=body)
    assert plugin.arb_catalog(anybody.context()).source == "live"
    assert reads(anybody) == 2


def test_a_team_with_a_discount_sees_its_prices(account, anybody):
    account.cloud.configure(discount=0.1)
    assert account.offer("n3-H100x1__CANADA-1").price_usd_hour == pytest.approx(1.809)
    assert anybody.offer("n3-H100x1__CANADA-1").price_usd_hour == 2.01


def test_processes_share_an_answer_for_a_short_while(anybody):
    anybody.offers()
    anybody.cloud.change_offer("n3-H100x1__CANADA-1", price=9)
    anybody.offers()
    assert reads(anybody) == 1
    anybody.cloud.advance(31)
    assert anybody.offer("n3-H100x1__CANADA-1").price_usd_hour == 9


def test_prices_before_buying_are_never_out_of_a_cache(anybody):
    offer = anybody.offer("n3-H100x1__CANADA-1")
    spot = anybody.offer("1H100.80S.32V_FIN-03_500", spot=True)
    gone = anybody.offer("n3-H100x8__CANADA-1")
    anybody.cloud.change_offer("n3-H100x1__CANADA-1", price=9, available=False)
    anybody.cloud.change_offer("n3-H100x8__CANADA-1", clusters=("elsewhere",))
    frame = plugin.arb_query_prices(anybody.context(), (offer, spot, gone))
    rows = {row["offer_id"]: row for row in frame.to_dict("records")}
    assert rows[offer.offer_id]["price_usd_hour"] == 9
    assert not rows[offer.offer_id]["available"]
    assert rows[spot.offer_id]["price_usd_hour"] == 0.8
    assert len(frame) == 2


def test_without_an_answer_the_last_one_is_told_with_its_date(anybody):
    before = plugin.arb_catalog(anybody.context())
    anybody.cloud.advance(3600)
    for fault in ("status", "garbage"):
        anybody.cloud.fault(fault, count=2)
        kept = plugin.arb_catalog(anybody.context())
        assert (kept.source, kept.as_of) == ("live", before.as_of)
        assert kept.why.startswith("spheron")
    assert before.why == ""
    anybody.budgets.raises = RateLimited("used up", retry_after_s=9)
    assert plugin.arb_catalog(anybody.context()).as_of == before.as_of


def test_without_any_answer_the_shipped_list_is_shown(anybody):
    anybody.cloud.fault("status", count=2)
    catalog = plugin.arb_catalog(anybody.context())
    assert (catalog.source, catalog.as_of) == ("bundled", BUNDLED_AS_OF)
    assert "spheron" in catalog.why
    offers, refused = offers_from_catalog("spheron", catalog, owned=False)
    assert refused == []
    prices = {(o.accelerator, o.accelerator_count, o.spot): o.price_usd_hour for o in offers}
    assert prices["H100", 8, False] == 16.0583
    assert {o.minimum_s for o in offers} == {1200}
    assert max(catalog.frame["as_of"]) == catalog.as_of


def test_an_answer_that_is_older_than_a_day_is_not_told_for_live(anybody):
    anybody.offers()
    anybody.cloud.advance(2 * 86400)
    anybody.cloud.fault("status", count=2)
    assert plugin.arb_catalog(anybody.context()).source == "bundled"


def test_nothing_is_bought_from_the_shipped_list(account):
    account.cloud.fault("status", count=2)
    catalog = plugin.arb_catalog(account.context())
    offers, _ = offers_from_catalog("spheron", catalog, owned=False)
    with pytest.raises(RequestError, match="shipped price list") as caught:
        plugin.arb_provision(account.context(), account.request(offer=offers[0]))
    assert caught.value.scope is Scope.PROVIDER
    assert "arb refresh" in caught.value.hint
    assert account.cloud.ledger().entries == []


def test_a_refused_key_hides_no_behind_old_prices(account):
    account.offers()
    account.cloud.advance(60)
    account.env = {"SPHERON_API_KEY": "sai_pk_wrong"}
    with pytest.raises(CredentialsError):
        plugin.arb_catalog(account.context())


def test_a_damaged_cache_costs_one_read(anybody):
    anybody.offers()
    (anybody.folder / "cache" / "offers.json").write_text('{"whose": ')
    anybody.offers()
    assert reads(anybody) == 2


@pytest.mark.parametrize("body", [[], {"data": None}, {"groups": []}], ids=str)
def test_an_answer_of_another_form_is_none(anybody, body):
    anybody.cloud.fault("status", status=200, body=body)
    offer = Offer("spheron", "x@y", "y", "x", price_usd_hour=1)
    with pytest.raises(ProviderUnavailable, match="tells no offers"):
        plugin.arb_query_prices(anybody.context(), (offer,))
