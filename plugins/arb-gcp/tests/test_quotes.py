"""Live prices, right before buying."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arb.errors import CredentialsError, ProviderUnavailable, RateLimited
from arb_gcp import plugin

SKUS = "cloudbilling.services.skus.list"


def ask(account, offers):
    frame = plugin.arb_query_prices(account.context(), offers)
    assert frame["available"].isna().all()  # only an order tells
    return {(row.offer_id, row.spot): row.price_usd_hour for row in frame.itertuples()}


def test_every_offer_has_the_price_of_the_catalog_when_nothing_changed(account):
    offers = account.offers()
    answers = ask(account, offers)
    assert answers.keys() == {(o.offer_id, o.spot) for o in offers}
    for offer in offers:
        assert answers[offer.offer_id, offer.spot] == pytest.approx(offer.price_usd_hour, abs=2e-6)


def test_a_price_that_changed_after_the_catalog_was_read_is_told(account):
    offer = account.offer("a3-highgpu-8g")
    account.cloud.change_price("Nvidia H100 80GB GPU", 10.7966)
    (price,) = ask(account, [offer]).values()
    assert price == pytest.approx(offer.price_usd_hour + 8, abs=1e-5)


def test_the_two_kinds_of_h100_are_told_apart(account):
    mega, high = account.offer("a3-megagpu-8g"), account.offer("a3-highgpu-8g")
    account.cloud.change_price("Nvidia H100 80GB Plus GPU", 20.0)
    answers = ask(account, [mega, high])
    assert answers[high.offer_id, False] == pytest.approx(high.price_usd_hour, abs=1e-5)
    assert answers[mega.offer_id, False] > mega.price_usd_hour + 8 * 9


def test_shipped_offers_are_priced_like_live_ones(account, anybody):
    live = {(o.offer_id, o.spot): o.price_usd_hour for o in account.offers()}
    answers = ask(account, anybody.offers()[:50])
    common = answers.keys() & live.keys()
    assert len(common) > 10
    for key in common:
        assert answers[key] == pytest.approx(live[key], abs=2e-6)


def test_what_is_sold_no_more_is_left_out(account):
    offer = account.offer("e2-standard-4")
    gone = replace(offer, instance_type="z9-standard-4", offer_id="us-central1-a/z9-standard-4")
    spot_only = account.offer("a3-highgpu-1g", spot=True)
    answers = ask(account, [offer, gone, replace(spot_only, spot=False)])
    assert answers.keys() == {(offer.offer_id, False)}


def test_without_the_billing_api_the_account_is_not_to_blame(account):
    offer = account.offer()
    account.cloud.switch_api("cloudbilling.googleapis.com", on=False)
    with pytest.raises(ProviderUnavailable, match="is off") as raised:
        ask(account, [offer])
    assert "gcloud services enable" in raised.value.hint


def test_what_keeps_prices_from_being_told_is_told_instead(account, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    offer = account.offer()
    account.cloud.fault("status", match=SKUS, status=503, count=9)
    with pytest.raises(ProviderUnavailable):
        ask(account, [offer])
    account.cloud.clear_faults()
    account.cloud.fault("status", match=SKUS, status=429, headers={"Retry-After": "99"}, count=9)
    with pytest.raises(RateLimited):
        ask(account, [offer])
    account.cloud.clear_faults()
    account.cloud.fault("status", match=SKUS, status=200, body={"skus": []})
    with pytest.raises(ProviderUnavailable, match="names no price"):
        ask(account, [offer])
    account.cloud.revoke()
    account.cloud.advance(4000)
    with pytest.raises(CredentialsError):
        ask(account, [offer])
