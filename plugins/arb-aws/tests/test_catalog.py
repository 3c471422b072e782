"""Offers, live and shipped, and their prices right before buying."""

from __future__ import annotations

import json

import pytest

from arb.catalog.validate import validate
from arb.errors import CredentialsError, ProviderUnavailable
from arb_aws import plugin
from arb_aws.catalog.prices import where_prices_are
from arb_aws.client import Client
from arb_aws.info import provider_info
from arb_aws.settings import Settings


def catalog(customer):
    return plugin.arb_catalog(customer.context())


def rows(frame, kind):
    return frame[frame["instance_type"] == kind]


def count(customer, *operations):
    ledger = customer.cloud.ledger()
    return [ledger.count(operation) for operation in operations]


@pytest.fixture
def small(account):
    account.cloud.configure(types=("t3.micro", "g6.xlarge", "p5.48xlarge", "p5e.48xlarge"))
    return account


def test_every_zone_has_its_own_spot_price(small):
    small.cloud.set_spot_price("g6.xlarge", "use1-az1", 0.31)
    frame = catalog(small).frame
    found = rows(frame, "g6.xlarge")
    zones = set(found["zone"])
    assert {"use1-az1", "use2-az3", "usw2-az4"} <= zones
    spot = found[found["spot"]].set_index("zone")["price_usd_hour"]
    assert spot["use1-az1"] == 0.31
    assert spot.nunique() > 3
    listed = found[~found["spot"]]
    assert set(listed["price_usd_hour"]) == {0.8048}
    assert validate(frame).refused == 0


def test_an_offer_says_what_it_is(small):
    offer = next(o for o in small.offers() if o.offer_id == "p5.48xlarge@use1-az1" and not o.spot)
    assert (offer.accelerator, offer.accelerator_count, offer.accelerator_gib) == ("H100", 8, 80)
    assert (offer.vcpus, offer.memory_gib, offer.arch) == (192, 2048, "x86_64")
    assert (offer.interconnect, offer.quota_family, offer.region) == ("SXM", "P", "us-east-1")
    assert offer.latitude == pytest.approx(38.95)
    assert offer.available is None


def test_what_is_sold_in_blocks_only_is_not_offered_on_demand(small):
    assert set(rows(catalog(small).frame, "p5e.48xlarge")["spot"]) == {True}


def test_every_page_of_every_answer_is_read(small):
    whole = len(catalog(small).frame)
    small.folder = small.folder / "another"
    small.cloud.configure(page_size=2)
    assert len(catalog(small).frame) == whole


def test_a_second_reading_asks_for_spot_prices_only(small):
    catalog(small)
    slow = ("GetProducts", "DescribeInstanceTypeOfferings", "DescribeInstanceTypes")
    before = count(small, *slow)
    small.cloud.set_spot_price("g6.xlarge", "use1-az1", 0.4)
    small.cloud.advance(3600)
    frame = rows(catalog(small).frame, "g6.xlarge").set_index(["zone", "spot"])["price_usd_hour"]
    assert frame["use1-az1", True] == 0.4
    assert count(small, *slow) == before
    small.cloud.set_price("g6.xlarge", "us-east-1", 0.9)
    small.cloud.advance(25 * 3600)
    frame = rows(catalog(small).frame, "g6.xlarge").set_index(["zone", "spot"])["price_usd_hour"]
    assert frame["use1-az1", False] == 0.9


def test_a_catalog_is_as_old_as_its_oldest_price(small):
    first = catalog(small)
    assert first.as_of == first.frame["as_of"].min()
    small.cloud.advance(7200)
    again = catalog(small)
    assert again.as_of == first.frame[~first.frame["spot"]]["as_of"].min()  # the list is kept a day
    assert again.frame[again.frame["spot"]]["as_of"].min() >= first.as_of + 7200


def test_a_region_that_fails_is_shown_as_it_was_with_its_date(small):
    begun = small.cloud.clock.now()
    catalog(small)
    small.cloud.advance(7200)
    small.cloud.configure(failing_regions=["us-west-2"])
    frame = catalog(small).frame
    there = frame[(frame["region"] == "us-west-2") & frame["spot"]]
    here = frame[(frame["region"] == "us-east-1") & frame["spot"]]
    assert there["as_of"].max() <= begun + 60
    assert here["as_of"].min() >= begun + 7200


def test_a_region_that_never_answered_is_left_out_and_all_of_them_are_an_error(small):
    small.cloud.configure(failing_regions=["us-west-2"])
    assert set(catalog(small).frame["region"]) == {"us-east-1", "us-east-2"}
    small.folder = small.folder / "another"
    small.cloud.fault("status", match="Describe*", count=10_000)
    with pytest.raises(ProviderUnavailable):
        catalog(small)


@pytest.mark.parametrize("why", ["may not", "no answer", "nothing in it"])
def test_without_the_price_list_the_shipped_one_stands_in_with_its_date(small, why):
    if why == "may not":
        small.cloud.deny("pricing:GetProducts")
    elif why == "nothing in it":
        nothing = {"status": 200, "body": json.dumps({"PriceList": []})}
        headers = {"x-amzn-RequestId": "1"}
        small.cloud.fault("status", match="GetProducts", count=99, headers=headers, **nothing)
    else:
        small.cloud.fault("status", match="GetProducts", count=10_000)
    shown = catalog(small)
    assert shown.why.startswith("no new on-demand prices of us-east-1 and 2 more (aws")
    frame = shown.frame
    listed = rows(frame, "p5.48xlarge")
    listed = listed[~listed["spot"]]
    assert set(listed["price_usd_hour"]) == {55.04}
    assert all(listed["note"].astype(str).str.len() > 0)
    assert listed["as_of"].max() < small.cloud.clock.now() or small.cloud.clock.now() < 1.77e9
    assert len(rows(frame, "t3.micro")) == len(
        rows(frame, "t3.micro")[rows(frame, "t3.micro")["spot"]]
    )


def test_a_price_list_that_hangs_costs_its_time_and_not_the_rest(small):
    small.cloud.fault("late", match="GetProducts", count=10_000, delay_s=1e9, hang_s=60)
    small.budget_s = 2
    frame = catalog(small).frame
    assert len(frame[frame["spot"]]) > 10
    assert set(frame[~frame["spot"]]["instance_type"]) == {"g6.xlarge", "p5.48xlarge"}  # shipped


def test_why_prices_are_not_of_now_is_told_by_region(small):
    assert catalog(small).why == ""
    small.cloud.advance(25 * 3600)
    small.cloud.configure(failing_regions=["us-west-2"])
    small.cloud.deny("pricing:GetProducts")
    told = catalog(small).why
    assert "spot prices of us-west-2 (aws DescribeSpotPriceHistory in us-west-2: HTTP 503)" in told
    assert "on-demand prices of us-east-1 and 2 more (aws: the account may not pricing:" in told
    small.folder = small.folder / "another"
    assert "offers of us-west-2 (" in catalog(small).why


def test_a_region_that_the_organization_closed_is_as_it_should_be(small):
    words = "You are not authorized with an explicit deny in a service control policy"
    small.cloud.say("DescribeInstanceTypeOfferings", "UnauthorizedOperation", words, 403)
    shown = catalog(small)
    assert shown.frame["region"].nunique() == 2
    assert shown.why == ""


def test_a_region_of_the_option_that_is_not_enabled_is_told(small):
    small.options["regions"] = ["us-east-2", "ap-south-1"]
    assert "ap-south-1 (aws: region ap-south-1 is not enabled" in catalog(small).why
    small.options["regions"] = ["ap-south-1"]
    with pytest.raises(ProviderUnavailable, match="not enabled"):
        catalog(small)


def test_what_types_are_is_had_from_another_region_when_the_first_is_down(small):
    small.cloud.configure(failing_regions=["us-east-1"])
    assert set(catalog(small).frame["region"]) == {"us-east-2", "us-west-2"}


def test_spot_prices_that_name_their_zone_alone_are_of_the_zone_with_that_name(small):
    wanted = catalog(small).frame
    small.cloud.configure(spot_ids=False)
    small.folder = small.folder / "another"
    shown = catalog(small).frame
    columns = ["offer_id", "spot", "price_usd_hour"]
    assert shown[columns].equals(wanted[columns])


def test_who_may_not_see_spot_prices_is_offered_the_rest(small):
    small.cloud.deny("ec2:DescribeSpotPriceHistory")
    assert set(catalog(small).frame["spot"]) == {False}


def test_only_the_regions_of_the_option_are_sold(small):
    small.options["regions"] = ["us-east-2"]
    assert set(catalog(small).frame["region"]) == {"us-east-2"}
    assert count(small, "DescribeRegions") == [0]


@pytest.mark.parametrize(
    ("region", "asked"),
    [
        ("eu-west-1", "eu-central-1"),
        ("ap-northeast-1", "ap-south-1"),
        ("us-west-2", "us-east-1"),
        ("ca-central-1", "us-east-1"),
    ],
)
def test_prices_are_asked_for_near_the_regions_that_are_allowed(anybody, region, asked):
    """The others may be closed by the organization."""
    client = Client(anybody.context(), Settings(regions=(region,)))
    assert where_prices_are(client) == asked


def test_prices_of_europe_come_from_there(small):
    small.cloud.configure(regions=("eu-west-1",))
    small.options["regions"] = ["eu-west-1"]
    shown = catalog(small)
    assert set(shown.frame["spot"]) == {False, True}
    assert shown.why == ""


def test_zones_without_a_configured_subnet_are_not_sold(small):
    small.cloud.configure(regions=("us-east-1",))
    small.provision(small.request(small.offer()))
    subnets = small.cloud._insides[small.cloud.accounts.own].ec2("us-east-1").subnets
    small.options["subnets"] = {"us-east-1": [next(iter(subnets["us-east-1b"]))]}
    assert set(catalog(small).frame["zone"]) == {"use1-az1"}


def test_refused_credentials_are_no_reason_to_show_old_prices(small):
    catalog(small)
    small.env["AWS_ACCESS_KEY_ID"] = "AKIANOBODYSKEYTEST03"
    with pytest.raises(CredentialsError):
        catalog(small)


def test_without_credentials_the_shipped_list_is_shown(anybody):
    shown = catalog(anybody)
    assert shown.source == "bundled"
    assert count(anybody, "GetCallerIdentity") == [0]
    prices = rows(shown.frame, "p5.48xlarge").set_index(["region", "zone", "spot"])[
        "price_usd_hour"
    ]
    assert prices["us-east-1", "", False] == 55.04
    assert prices["us-east-1", "use1-az6", True] == 17.63
    unverified = shown.frame["note"].astype(str) == "unverified list price"
    assert set(shown.frame[unverified]["instance_type"]) >= {"g6e.xlarge", "c7i.large"}
    anybody.options["regions"] = ["us-west-2"]
    assert set(catalog(anybody).frame["region"]) == {"us-west-2"}


def test_shipped_and_live_offers_have_the_same_names(small, anybody):
    anybody.cloud.configure(types=("p5.48xlarge",))
    live = {(o.offer_id, o.spot) for o in small.offers()}
    shipped = catalog(anybody).frame
    zoned = shipped[(shipped["zone"] != "") & (shipped["instance_type"] == "p5.48xlarge")]
    assert {(i, bool(s)) for i, s in zip(zoned["offer_id"], zoned["spot"], strict=True)} <= live


# -- right before buying -------------------------------------------------------------------


def prices(customer, *offers):
    frame = plugin.arb_query_prices(customer.context(), offers)
    assert frame["available"].isna().all()
    return {(r.offer_id, r.spot): r.price_usd_hour for r in frame.itertuples()}


def test_live_prices_are_of_the_offers_own_zone_and_type(small):
    offers = [small.offer(spot=True), small.offer(zone="use1-az2", spot=True), small.offer()]
    small.cloud.set_spot_price("g6.xlarge", "use1-az1", 0.5)
    small.cloud.set_spot_price("g6.xlarge", "use1-az2", 0.6)
    small.cloud.set_price("g6.xlarge", "us-east-1", 0.99)
    assert prices(small, *offers) == {
        ("g6.xlarge@use1-az1", True): 0.5,
        ("g6.xlarge@use1-az2", True): 0.6,
        ("g6.xlarge@use1-az1", False): 0.99,
    }


def test_a_spot_offer_that_is_gone_is_left_out(small):
    offer = small.offer(spot=True)
    small.cloud.configure(types=("t3.micro",))
    assert prices(small, offer) == {}


def test_on_demand_the_catalogs_price_stands_where_the_price_list_is_silent(small):
    small.cloud.fault("status", match="GetProducts", count=10_000)
    assert prices(small, small.offer()) == {("g6.xlarge@use1-az1", False): 0.8048}
    small.cloud.fault("status", match="DescribeSpotPriceHistory", count=10_000)
    with pytest.raises(ProviderUnavailable):
        prices(small, small.offer(spot=True))


def test_the_information_is_as_the_contract_says():
    info = provider_info()
    assert (info.minimum_s, info.notice_s, info.listing_lag_s) == (60, 120, 60)
