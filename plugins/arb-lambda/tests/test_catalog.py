"""Offers, live and shipped."""

from __future__ import annotations

import pytest
from clouds.lambda_cloud import OTHER_KEY

from arb.catalog import offers_from_catalog
from arb.catalog.validate import validate
from arb.errors import CredentialsError, ProviderUnavailable, RateLimited
from arb.types import Offer
from arb_lambda import plugin
from arb_lambda.catalog import BUNDLED_AS_OF
from arb_lambda.regions import REGIONS

TYPES = "GET /instance-types"


def reads(account, operation=TYPES):
    return account.cloud.ledger().count(operation)


def prices(account, *offers):
    frame = plugin.arb_query_prices(account.context(), offers)
    return {
        row["offer_id"]: (row["price_usd_hour"], row["available"])
        for row in frame.to_dict("records")
    }


def test_live_offers_tell_what_is_in_stock_now(account):
    catalog = plugin.arb_catalog(account.context())
    assert (catalog.source, reads(account), reads(account, "GET /regions")) == ("live", 1, 1)
    assert abs(catalog.as_of - account.cloud.clock.now()) < 5
    offers = account.offers()
    assert offers["gpu_8x_h100_sxm5", "us-east-1"].price_usd_hour == 31.92
    assert offers["gpu_8x_h100_sxm5", "us-east-1"].available is True
    assert offers["gpu_8x_h100_sxm5", "us-west-1"].available is False
    assert offers["gpu_1x_gh200", "us-east-1"].arch == "arm64"
    assert offers["cpu_4x_general", "us-east-1"].accelerator == ""
    assert validate(catalog.frame).refused == 0


def test_names_are_those_of_everybody(account):
    names = {offer.accelerator for offer in account.offers().values()}
    assert names == {"H100", "GH200", "A100", "A100-80GB", "A10", "V100", ""}


def test_processes_share_an_answer_for_a_moment_and_regions_for_a_day(account):
    account.offers()
    account.cloud.change_type("gpu_1x_a10", cents=200)
    assert account.offer().price_usd_hour == 1.29
    account.cloud.advance(11)
    assert account.offer().price_usd_hour == 2.0
    assert (reads(account), reads(account, "GET /regions")) == (2, 1)
    account.cloud.advance(86_401)
    account.offers()
    assert reads(account, "GET /regions") == 2


def test_prices_before_buying_are_read_anew_and_shared_for_a_moment(account):
    near, far = account.offer(), account.offer(region="us-west-1")
    gone = Offer("lambda", "gone@us-east-1", "us-east-1", "gone", price_usd_hour=1)
    account.cloud.change_type("gpu_1x_a10", cents=200)
    account.cloud.set_capacity("gpu_1x_a10@us-west-1", 0)
    expected = {near.offer_id: (2.0, True), far.offer_id: (2.0, False)}
    assert prices(account, near, far, gone) == expected
    account.cloud.change_type("gpu_1x_a10", cents=300)
    assert prices(account, near)[near.offer_id] == (2.0, True)
    assert reads(account) == 2
    account.cloud.advance(4)
    assert prices(account, near)[near.offer_id] == (3.0, True)


def test_a_quote_of_nothing_that_is_sold_is_an_empty_frame(account):
    gone = Offer("lambda", "gone@us-east-1", "us-east-1", "gone", price_usd_hour=1)
    assert prices(account, gone) == {}


def test_without_a_key_the_shipped_list_is_shown_in_every_region(anybody):
    catalog = plugin.arb_catalog(anybody.context())
    assert (catalog.source, catalog.as_of) == ("bundled", BUNDLED_AS_OF)
    offers, refused = offers_from_catalog("lambda", catalog, owned=False)
    assert refused == []
    assert validate(catalog.frame).refused == 0
    found = {(o.instance_type, o.region): o for o in offers}
    assert {region for _, region in found} == set(REGIONS)
    eight = found["gpu_8x_h100_sxm5", "us-south-1"]
    assert (eight.price_usd_hour, eight.accelerator, eight.accelerator_count) == (31.92, "H100", 8)
    assert (eight.available, eight.offer_id) == (None, "gpu_8x_h100_sxm5@us-south-1")
    assert found["gpu_8x_a100", "us-east-1"].note == "price not verified"
    assert found["gpu_1x_gh200", "me-west-1"].arch == "arm64"
    assert max(catalog.frame["as_of"]) == catalog.as_of
    assert anybody.cloud.ledger().calls == []


def test_shipped_offers_and_live_ones_have_the_same_names(account, anybody):
    shipped = anybody.offers()
    for key, live in account.offers().items():
        listed = shipped[key]
        facts = ("offer_id", "accelerator", "accelerator_count", "accelerator_gib", "arch")
        assert [getattr(listed, f) for f in facts] == [getattr(live, f) for f in facts]
        assert listed.price_usd_hour == live.price_usd_hour


def test_without_an_answer_rows_that_were_read_before_are_not_replaced(account):
    account.offers()
    account.cloud.advance(100_000)
    account.cloud.fault("status", count=2)
    with pytest.raises(ProviderUnavailable):
        plugin.arb_catalog(account.context())
    account.budgets.raises = RateLimited("used up", retry_after_s=9)
    with pytest.raises(RateLimited):
        plugin.arb_catalog(account.context())


def test_without_a_first_answer_the_shipped_list_is_shown_and_why(account):
    account.cloud.fault("status", match=TYPES, count=2)
    catalog = plugin.arb_catalog(account.context())
    assert (catalog.source, catalog.as_of) == ("bundled", BUNDLED_AS_OF)
    assert catalog.why == "lambda gave no good answer to /instance-types (HTTP 503)"
    live = plugin.arb_catalog(account.context())
    assert (live.source, live.why) == ("live", "")


def test_a_first_answer_of_another_key_is_none(account, tmp_path):
    account.offers()
    account.env = {"LAMBDA_API_KEY": OTHER_KEY}
    account.cloud.fault("status", match=TYPES, count=2)
    assert plugin.arb_catalog(account.context()).source == "bundled"


def test_without_regions_the_known_ones_will_do(account):
    account.cloud.fault("status", match="GET /regions", count=2)
    assert {region for _, region in account.offers()} == set(REGIONS)


def test_a_refused_key_is_no_price_list(account):
    account.env = {"LAMBDA_API_KEY": "secret_wrong"}
    with pytest.raises(CredentialsError):
        plugin.arb_catalog(account.context())


def test_another_keys_answer_is_not_shared(account):
    account.offers()
    account.env = {"LAMBDA_API_KEY": "secret_wrong"}
    with pytest.raises(CredentialsError):
        account.offers()


def test_a_damaged_cache_costs_one_read(account):
    account.offers()
    (account.folder / "cache" / "types.json").write_text('{"whose": ')
    account.offers()
    assert reads(account) == 2


@pytest.mark.parametrize("body", [[], {"data": None}, {"data": {}}, {"rows": []}, 7], ids=str)
def test_an_answer_of_another_form_is_none(account, body):
    account.offers()
    account.cloud.advance(100)
    account.cloud.fault("status", match=TYPES, status=200, body=body)
    with pytest.raises(ProviderUnavailable):
        plugin.arb_catalog(account.context())
