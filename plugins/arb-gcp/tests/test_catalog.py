"""The catalog: unit prices and machine types make offers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from clouds.gcp import shop
from clouds.gcp.customer import Customer

from arb.errors import CredentialsError, ProviderUnavailable
from arb_gcp import plugin
from arb_gcp.catalog.compose import price_of
from arb_gcp.catalog.prices import Part, read_skus
from arb_gcp.catalog.read import frame_of
from arb_gcp.catalog.regions import PLACES
from arb_gcp.catalog.shapes import FAMILIES, Shape, guest_shapes, read_shapes

DATA = Path(__file__).parent / "data"
SKUS = "cloudbilling.services.skus.list"
TYPES = "compute.machineTypes.aggregatedList"


def recorded(name):
    return json.loads((DATA / f"{name}.json").read_text())


# -- pure functions ----------------------------------------------------------------------------


def test_unit_prices_are_read_from_skus_and_commitments_are_not():
    prices = read_skus(recorded("skus")["skus"])
    assert prices[Part("gpu", "nvidia-h100-80gb", "us-central1", False)] == 9.7966
    assert prices[Part("core", "a3", "us-central1", True)] == 0.009
    assert prices[Part("ssd", "", "us-central1", False)] == pytest.approx(0.08 / 730)
    assert len(prices) == 7


def test_a_machine_is_the_sum_of_its_parts():
    shapes = read_shapes(recorded("machine-types-aggregated"))
    frame = frame_of(shapes, read_skus(recorded("skus")["skus"])).set_index("spot")
    whole = 208 * 0.029 + 1872 * 0.00183 + 8 * 9.7966 + 6000 * 0.08 / 730
    assert frame.loc[False, "price_usd_hour"] == pytest.approx(whole)
    assert whole == pytest.approx(88.49, abs=0.01)  # what Google's own price page says
    spot = 208 * 0.009 + 1872 * 0.00054 + 8 * 2.3 + 6000 * 0.08 / 730  # SSD has no spot price here
    assert frame.loc[True, "price_usd_hour"] == pytest.approx(spot)
    assert set(frame["offer_id"]) == {"us-central1-a/a3-highgpu-8g"}
    assert set(frame["accelerator"]) == {"H100"}


def sku(text, group="CPU", *, usage="OnDemand", unit="h", currency="USD"):
    rate = {
        "startUsageAmount": 0,
        "unitPrice": {"currencyCode": currency, "units": "0", "nanos": 1_000_000},
    }
    expression = {"usageUnit": unit, "tieredRates": [rate]}
    return {
        "description": text,
        "category": {"resourceGroup": group, "usageType": usage},
        "serviceRegions": ["r"],
        "pricingInfo": [{"pricingExpression": expression}],
    }


@pytest.mark.parametrize(
    ("text", "group", "part"),
    [
        ("N1 Predefined Instance Core running in Americas", "N1Standard", ("core", "n1", False)),
        ("Spot Preemptible E2 Instance Ram running in Paris", "RAM", ("ram", "e2", True)),
        ("Compute optimized Core running in Americas", "CPU", ("core", "c2", False)),
        ("C2D AMD Instance Ram running in Americas", "RAM", ("ram", "c2d", False)),
        ("A3Plus Instance Core running in Americas", "CPU", ("core", "a3-mega", False)),
        ("Nvidia Tesla A100 GPU running in Americas", "GPU", ("gpu", "nvidia-tesla-a100", False)),
        ("Nvidia Tesla A100 80GB GPU running in Americas", "GPU", ("gpu", "nvidia-a100-80gb", False)),
        ("Nvidia H100 80GB Plus GPU running in Americas", "GPU", ("gpu", "nvidia-h100-mega-80gb", False)),
        ("Nvidia H100 80GB Mega GPU attached to Spot Preemptible VMs running in X", "GPU", ("gpu", "nvidia-h100-mega-80gb", True)),
        ("Nvidia L4 GPU running in Americas", "GPU", ("gpu", "nvidia-l4", False)),
        ("RTX 6000 96GB running in Americas", "GPU", ("gpu", "nvidia-rtx-pro-6000", False)),
        ("Spot Preemptible Nvidia B200 (1 gpu slice) running in Americas", "GPU", ("gpu", "nvidia-b200", True)),
        ("SSD backed Local Storage", "LocalSSD", ("ssd", "", False)),
    ],
)  # fmt: skip
def test_a_sku_is_known_by_its_words(text, group, part):
    kind, name, spot = part
    assert [*read_skus([sku(text, group)])] == [Part(kind, name, "r", spot)]


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("Commitment v1: A3 Instance Core running in Americas", "CPU"),
        ("A3 Instance Core running in Americas Reserved", "CPU"),
        ("Sole Tenancy Premium for N2 Instance Core running in Americas", "CPU"),
        ("N2 Custom Instance Core running in Americas", "CPU"),
        ("DWS Defined Duration A3 Instance Core running in Americas", "CPU"),
        ("Nvidia Tesla T4 GPU Virtual Workstation running in Americas", "GPU"),
        ("Nvidia Z9000 GPU running in Americas", "GPU"),
        ("Z9 Instance Core running in Americas", "CPU"),
        ("Storage PD Capacity", "PDStandard"),
    ],
)
def test_other_things_have_no_price_here(text, group):
    assert read_skus([sku(text, group)]) == {}


@pytest.mark.parametrize("changes", [{"unit": "GiBy"}, {"currency": "EUR"}, {"usage": "Commit1Yr"}])
def test_a_price_in_another_unit_or_currency_is_not_taken(changes):
    assert read_skus([sku("E2 Instance Core running in Americas", **changes)]) == {}


def test_the_last_tier_counts():
    cheap = sku("E2 Instance Core running in Americas")
    rates = cheap["pricingInfo"][0]["pricingExpression"]["tieredRates"]
    rates.insert(0, {"startUsageAmount": 100, "unitPrice": {"units": "2", "nanos": 500_000_000}})
    assert [*read_skus([cheap]).values()] == [2.5]


def test_a_machine_without_all_of_its_prices_is_not_sold():
    shape = Shape("r-a", "e2-standard-4", 4, 16)
    assert price_of(shape, {Part("core", "e2", "r", False): 1.0}, spot=False) is None


def test_a_gpu_slice_carries_the_whole_machine():
    shape = Shape("r-a", "a4-highgpu-8g", 224, 3968, "nvidia-b200", 8, 12000)
    assert price_of(shape, {Part("gpu", "nvidia-b200", "r", True): 5.0}, spot=True) == 40.0


def test_accelerators_are_added_up_to_their_ceilings():
    hosts = [
        Shape("z-a", "n1-standard-8", 8, 30),
        Shape("z-a", "n1-standard-16", 16, 60),
        Shape("z-b", "n1-standard-8", 8, 30),
        Shape("z-a", "n1-highcpu-8", 8, 7.2),
    ]
    made = [*guest_shapes(hosts, [("z-a", "nvidia-tesla-v100", 8)])]
    assert [(s.name, s.count) for s in made] == [
        ("n1-standard-8", 1),
        ("n1-standard-8", 2),
        ("n1-standard-16", 2),
        ("n1-standard-8", 4),
        ("n1-standard-16", 4),
        ("n1-standard-8", 8),
        ("n1-standard-16", 8),
    ]
    assert all(s.guest and s.zone == "z-a" for s in made)


# -- live --------------------------------------------------------------------------------------


def true_price(offer):
    """Return what the simulated Google charges, by its own arithmetic."""
    kind = shop.TYPES[offer.instance_type]
    guest = json.loads(offer.payload).get("guest")
    pair = (guest["type"], guest["count"]) if guest else None
    return shop.price_of(kind, offer.zone, pair, spot=offer.spot)


def test_every_price_is_the_one_that_is_charged(account):
    offers = account.offers()
    assert len(offers) > 300
    for offer in offers:
        assert offer.price_usd_hour == pytest.approx(true_price(offer), rel=1e-4), offer


def test_everything_that_can_be_bought_is_offered_and_nothing_else(account):
    offers = account.offers()
    sold = {(o.instance_type, o.zone, o.spot) for o in offers}
    unpriced = {"e2-micro", "t2a-standard-4", "n1-standard-1-old", "ct5lp-hightpu-1t"}
    wanted = {
        (kind.name, zone, spot)
        for kind in shop.TYPES.values()
        for zone in kind.zones
        for spot in ((True,) if kind.sold == "spot" else (False, True))
        if kind.name not in unpriced
    }
    assert sold == wanted
    guests = {(o.accelerator, o.accelerator_count) for o in offers if "guest" in o.payload}
    assert guests == {*(("T4", n) for n in (1, 2, 4)), *(("V100", n) for n in (1, 2, 4, 8))}


def test_an_offer_tells_place_quota_and_accelerator(account):
    offer = account.offer("a3-megagpu-8g")
    assert (offer.accelerator, offer.accelerator_count, offer.accelerator_gib) == ("H100", 8, 80)
    assert offer.quota_family == "NVIDIA_H100_MEGA_GPUS GPUS_ALL_REGIONS"
    assert (offer.latitude, offer.longitude) == PLACES["us-central1"]
    assert (offer.vcpus, offer.memory_gib, offer.interconnect) == (208, 1872, "NVLink")
    assert account.offer("n2-standard-4").quota_family == "N2_CPUS CPUS_ALL_REGIONS"
    assert account.offer("e2-standard-4").quota_family == "CPUS CPUS_ALL_REGIONS"


def test_small_pages_make_the_same_catalog(account, tmp_path):
    whole = {o.key for o in account.offers()}
    account.cloud.configure(page_size=7)
    again = Customer(account.cloud, tmp_path / "again")
    assert {o.key for o in again.offers()} == whole


def test_only_wanted_regions_are_offered(account):
    account.options["regions"] = ["us-east4"]
    assert {o.region for o in account.offers()} == {"us-east4"}


def test_machine_types_are_kept_for_a_day_and_prices_are_read_anew(account):
    before = {o.key: o.price_usd_hour for o in account.offers()}
    account.cloud.change_price("E2 Instance Core", 1.0)
    dearer = {o.instance_type for o in account.offers() if o.price_usd_hour > before[o.key]}
    assert dearer == {"e2-standard-2", "e2-standard-4"}
    calls = account.cloud.ledger()
    assert calls.count(SKUS) == 2
    types = calls.count(TYPES)
    account.cloud.advance(25 * 3600)
    account.offers()
    assert account.cloud.ledger().count(TYPES) == 2 * types


def test_the_date_is_that_of_the_prices(account):
    first = plugin.arb_catalog(account.context())
    account.cloud.advance(7 * 3600)
    again = plugin.arb_catalog(account.context())  # machine types are the kept ones
    assert again.as_of == first.as_of + 7 * 3600


def test_without_an_answer_the_last_good_machine_types_are_used(account):
    first = plugin.arb_catalog(account.context())
    account.cloud.advance(2 * 24 * 3600)
    account.cloud.fault("status", match="compute.*", count=999, status=503)
    again = plugin.arb_catalog(account.context())
    assert len(again.frame) == len(first.frame)
    assert again.as_of >= first.as_of + 2 * 24 * 3600


def test_without_an_answer_about_prices_it_is_said_and_the_core_keeps_its_own(account):
    plugin.arb_catalog(account.context())
    account.cloud.advance(2 * 24 * 3600)
    account.cloud.fault("status", match="cloudbilling*", count=999, status=503)
    with pytest.raises(ProviderUnavailable):
        plugin.arb_catalog(account.context())


def test_without_an_answer_and_without_kept_parts_there_is_no_catalog(account):
    account.cloud.fault("status", match="c*", count=999, status=503)
    with pytest.raises(ProviderUnavailable):
        plugin.arb_catalog(account.context())


@pytest.mark.parametrize(
    "body", [{}, {"items": ["x"]}, {"items": {"zones/x-a": {"machineTypes": [{}]}}}]
)
def test_an_answer_of_another_form_is_none_and_not_kept(account, body):
    account.cloud.fault("status", match=TYPES, status=200, body=body, count=99)
    with pytest.raises(ProviderUnavailable, match=r"cannot be read|no machine type"):
        plugin.arb_catalog(account.context())
    account.cloud.clear_faults()
    assert account.offers()


@pytest.mark.parametrize("filters", ["ignored", "refused"])
def test_a_server_that_does_not_filter_sells_the_same(account, tmp_path, filters):
    whole = {o.key for o in account.offers()}
    account.cloud.configure(filters=filters)
    assert {o.key for o in Customer(account.cloud, tmp_path / "again").offers()} == whole


def test_where_no_filter_finds_anything_all_types_are_looked_through(account, tmp_path):
    whole = {o.key for o in account.offers() if "guest" not in o.payload}
    body = {"kind": "compute#machineTypeAggregatedList", "items": {}}
    account.cloud.fault("status", match=TYPES, status=200, body=body, count=len(FAMILIES))
    again = Customer(account.cloud, tmp_path / "again").offers()
    assert {o.key for o in again if "guest" not in o.payload} == whole


@pytest.mark.parametrize("answer", [{"status": 404, "body": "<html>"}, {"status": 501}])
def test_where_accelerators_are_not_listed_none_are_added(account, answer, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    account.cloud.fault("status", match="compute.acceleratorTypes*", count=9, **answer)
    offers = account.offers()
    assert {o.instance_type for o in offers} >= {"a3-highgpu-8g", "n1-standard-8"}
    assert not [o for o in offers if "guest" in o.payload]
    account.cloud.clear_faults()
    assert [o for o in account.offers() if "guest" in o.payload]


def test_types_of_a_zone_that_is_silent_are_not_forgotten_for_a_day(account, tmp_path):
    whole = {o.key for o in account.offers()}
    account.cloud.configure(zones_down=["us-east4-b"])
    fresh = Customer(account.cloud, tmp_path / "fresh")
    assert "us-east4-b" not in {o.zone for o in fresh.offers()}
    account.cloud.advance(25 * 3600)
    assert {o.key for o in account.offers()} == whole  # the last whole answer
    account.cloud.configure(zones_down=[])
    assert {o.key for o in fresh.offers()} == whole


def test_what_is_on_its_way_out_is_not_sold():
    page = recorded("machine-types-aggregated")
    (types,) = [z["machineTypes"] for z in page["items"].values() if "machineTypes" in z]
    types[0]["deprecated"] = {"state": "ACTIVE"}
    assert [s.name for s in read_shapes(page)] == [types[0]["name"]]
    for state in ("DEPRECATED", "OBSOLETE", "DELETED"):
        types[0]["deprecated"] = {"state": state}
        assert list(read_shapes(page)) == []


def test_a_damaged_cache_is_read_anew(account):
    whole = {o.key for o in account.offers()}
    for path in (account.folder / "cache").glob("*.json.gz"):
        path.write_bytes(b"\x1f\x8bnonsense")
    assert {o.key for o in account.offers()} == whole


def test_an_account_that_is_refused_gets_no_old_prices(account):
    account.offers()
    account.cloud.revoke()
    account.cloud.advance(4000)
    with pytest.raises(CredentialsError):
        plugin.arb_catalog(account.context())
