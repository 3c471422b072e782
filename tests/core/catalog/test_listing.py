"""Listings in SQL equal what a walk over all offers finds."""

from __future__ import annotations

import fnmatch
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from tests.support.catalogs import NOW, make_frames, provider_names
from tests.support.sellers import ROW

from arb.catalog.listing import OfferQuery, Sort, Spread
from arb.catalog.names import facts
from arb.catalog.schema import ProviderRow
from arb.catalog.store import open_catalog
from arb.catalog.validate import validate
from arb.catalog.write import write_catalog
from arb.tasks.amounts import Amount

pd = pytest.importorskip("pandas")
NAMES = provider_names(4)
OWNED = "cloud03"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("listing") / "catalog.db"
    frames = make_frames(3000, providers=4)
    known = [ProviderRow(name, "d", "1", "live", NOW, NOW, owned=name == OWNED) for name in NAMES]
    write_catalog(path, known, frames)
    with open_catalog(path, NAMES[1:]) as made:
        yield made


@pytest.fixture(scope="module")
def offers(store):
    """Every offer that is shown, in the order of the rows."""
    return store.offers(store.candidates(store.groups())["row"].tolist())


queries = st.builds(
    OfferQuery,
    accelerator=st.sampled_from(["", "", "H100", "L4", "K80"]),
    accelerator_gib=st.none() | st.builds(Amount, st.sampled_from([24, 80]), st.booleans()),
    maker=st.sampled_from(["", "", "", "nvidia", "AMD"]),
    count=st.none() | st.builds(Amount, st.sampled_from([1, 2, 3, 8]), st.booleans()),
    provider=st.sampled_from(["", "", "", *NAMES]),
    region=st.sampled_from(["", "", "Region-2", "region-*", "*2*", "region-?", "nowhere"]),
    zone=st.sampled_from(["", "", "", "*B"]),
    spot=st.none() | st.booleans(),
    max_price_usd_hour=st.none() | st.floats(0.1, 60),
    owned=st.booleans(),
    spread=st.sampled_from(Spread),
    sort=st.sampled_from(Sort),
    limit=st.sampled_from([0, 0, 1, 7]),
)


def passes(offer, query):
    def like(pattern, text):
        pattern = pattern.lower().replace("[", "[[]").replace("?", "[?]")
        return not pattern or fnmatch.fnmatchcase(text.lower(), pattern)

    known = facts(offer.accelerator)
    return (
        query.provider in {"", offer.provider}
        and (query.owned or query.provider or offer.provider != OWNED)
        and offer.accelerator
        and query.accelerator in {"", offer.accelerator}
        and (
            not query.accelerator_gib
            or (offer.accelerator and query.accelerator_gib.admits(offer.accelerator_gib))
        )
        and (not query.maker or (known and known.maker.lower() == query.maker.lower()))
        and (not query.count or query.count.admits(offer.accelerator_count))
        and query.spot in {None, offer.spot}
        and like(query.region, offer.region)
        and like(query.zone, offer.zone)
        and not (query.max_price_usd_hour or 1e9) < offer.price_usd_hour
    )


def sort_key(offer, query):
    count = max(offer.accelerator_count, 1e-9)
    known = facts(offer.accelerator)
    tflops = known.bf16_tflops if known else 0
    by = {
        Sort.PRICE: (),
        Sort.ACCELERATOR_PRICE: (offer.price_usd_hour / count,),
        Sort.VALUE: (not tflops, offer.price_usd_hour / (tflops * count) if tflops else 0),
        Sort.MEMORY: (-offer.accelerator_gib * offer.accelerator_count,),
        Sort.NAME: (offer.accelerator, offer.accelerator_count, offer.accelerator_gib),
        Sort.PROVIDER: (offer.provider, offer.accelerator, offer.accelerator_count),
    }[query.sort]
    ties = (offer.price_usd_hour, offer.spot, offer.provider, offer.accelerator)
    place = (offer.region, offer.zone, offer.instance_type, offer.offer_id)
    return (*by, *ties, offer.accelerator_count, *place)


def brute_force(offers, query):
    best = {}
    for offer in filter(lambda offer: passes(offer, query), offers):
        kind = (offer.accelerator, offer.accelerator_count, offer.accelerator_gib, offer.spot)
        key = {
            Spread.GROUP: (offer.provider, *kind),
            Spread.REGION: (offer.provider, *kind, offer.region),
            Spread.OFFER: offer.key,
        }[query.spread]
        best.setdefault(key, offer)  # rows of a group are in order: available and cheap first
    found = sorted(best.values(), key=lambda offer: sort_key(offer, query))
    return found[: query.limit] if query.limit else found


@examples(250)
@given(query=queries)
def test_a_listing_is_what_brute_force_finds(store, offers, query):
    assert store.listing(query) == brute_force(offers, query)
    assert bool(store.last_filter(query)) != any(passes(offer, query) for offer in offers)


def test_by_default_the_cheapest_of_each_provider_accelerator_count_and_class_is_shown(store):
    found = store.listing(OfferQuery("H100", count=Amount(8)))
    kinds = [(offer.provider, offer.spot) for offer in found]
    assert len(set(kinds)) == len(kinds)
    assert {provider for provider, _ in kinds} == {"cloud01", "cloud02"}
    prices = [offer.price_usd_hour for offer in found]
    assert prices == sorted(prices)


def test_own_machines_are_shown_when_their_provider_is_named(store):
    assert {o.provider for o in store.listing(OfferQuery("H100", provider=OWNED))} == {OWNED}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"provider": "cloud00"}, "provider cloud00"),
        ({"accelerator": "K80"}, "accelerator K80"),
        ({"count": Amount(3)}, "count 3"),
        ({"count": Amount(64, at_least=True)}, "count 64+"),
        ({"maker": "AMD"}, "maker AMD"),
        ({"region": "nowhere"}, "region nowhere"),
        ({"zone": "x*"}, "zone x*"),
        ({"max_price_usd_hour": 0.01}, "price up to 0.01 $/h"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_filter_that_removed_the_last_offer_is_named(store, changes, told):
    query = replace(OfferQuery("H100"), **changes)
    assert store.listing(query) == []
    assert store.last_filter(query) == told


def test_a_listing_imports_no_pandas(store, tmp_path):
    import subprocess
    import sys

    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from arb.catalog.store import open_catalog\n"
        "from arb.catalog.listing import OfferQuery\n"
        "store = open_catalog(Path(sys.argv[1]))\n"
        "assert store.listing(OfferQuery('H100'))\n"
        "print(*sorted({'pandas', 'numpy', 'pydantic', 'yaml'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, store._path], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("ÉU", 1), ("éu", 1), ("é*", 1), ("a[b]", 1), ("A[B]", 1), ("a?b", 1), ("a*", 3), ("*", 4)],
)
def test_places_are_compared_as_a_plan_does_whatever_their_names_hold(tmp_path, pattern, found):
    regions = ["Éu", "a[b]", "a?b", "ab"]
    rows = [{**ROW, "offer_id": region, "region": region} for region in regions]
    path = tmp_path / "catalog.db"
    frame = validate(pd.DataFrame(rows)).frame
    write_catalog(path, [ProviderRow("east", "d", "1", "live", NOW, NOW)], {"east": frame})
    with open_catalog(path) as store:
        assert len(store.listing(OfferQuery(region=pattern, spread=Spread.OFFER))) == found
