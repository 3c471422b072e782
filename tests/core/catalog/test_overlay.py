"""A file of prices over the catalog: whole providers are replaced, the others stay."""

from __future__ import annotations

import os
import sqlite3

import pytest
from tests.support.catalogs import NOW, make_frames

from arb.catalog.overlay import read_overlay
from arb.catalog.schema import ProviderRow
from arb.catalog.store import open_catalog
from arb.catalog.write import write_catalog
from arb.errors import UsageError

pd = pytest.importorskip("pandas")

HEADER = "provider,instance_name,vcpus,memory_gb,accelerator_name,accelerator_count,price,spot_price,region\n"
PRICES = HEADER + (
    "cloud01,big,96,480,H100,8,31.20,13.28,global\n"
    "elsewhere,p5.48xlarge,192,2048,H100,8,55.04,20.00,us-east-1\n"
    "elsewhere,small,2,4,,,0.10,,us-east-1\n"
)


@pytest.fixture
def base(tmp_path):
    path = tmp_path / "catalog.db"
    frames = make_frames(1200, providers=3)
    known = [
        ProviderRow(name, "d", "1", "live", NOW, NOW, owned=name == "cloud01") for name in frames
    ]
    write_catalog(path, known, frames)
    with open_catalog(path) as store:
        yield store


@pytest.fixture
def market(base, tmp_path):
    (tmp_path / "prices.csv").write_text(PRICES)
    return read_overlay(tmp_path / "prices.csv", base)


def test_a_named_provider_sells_what_the_file_says_and_nothing_else(base, market):
    of = {name: [] for name in ("cloud00", "cloud01", "cloud02", "elsewhere")}
    for group in market.groups():
        of[group.provider].append(group)
    assert market.replaced == ("cloud01", "elsewhere")
    assert [(g.accelerator_count, g.spot, g.cheapest_usd_hour) for g in of["cloud01"]] == [
        (8, False, 31.20),
        (8, True, 13.28),
    ]
    assert of["cloud00"] == [g for g in base.groups() if g.provider == "cloud00"]
    assert of["cloud02"] == [g for g in base.groups() if g.provider == "cloud02"]
    assert len(of["elsewhere"]) == 3


def test_nothing_that_goes_wrong_costs_the_file(market, tmp_path):
    over = market.groups()[-1]
    with pytest.raises(KeyError):
        market.offers([(1 << 40) + 10**6])
    market.close()
    with pytest.raises(sqlite3.ProgrammingError):
        market.candidates([over])
    assert (tmp_path / "prices.csv").read_text() == PRICES


def test_groups_have_ids_of_their_own(market):
    ids = [group.id for group in market.groups()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("whole", [False, True])
def test_candidates_of_both_are_one_frame(base, market, whole):
    frame = market.candidates(market.groups(), whole=whole)
    assert len(frame) == sum(group.rows for group in market.groups())
    assert frame["row"].is_unique
    expected = base.candidates(base.groups(), whole=whole)
    assert list(frame.columns) == list(expected.columns)
    same = {name: str(dtype) for name, dtype in frame.dtypes.items()}
    assert same == {name: str(dtype) for name, dtype in expected.dtypes.items()}
    for name in frame.columns[frame.dtypes == "category"]:
        categories = list(frame[name].cat.categories)
        assert categories == sorted(categories), name


def test_candidates_of_one_side_alone(market):
    for provider in ("cloud00", "elsewhere"):
        groups = [group for group in market.groups() if group.provider == provider]
        assert set(market.candidates(groups)["provider"]) == {provider}
    assert len(market.candidates([])) == 0


def test_offers_come_in_the_order_asked_for(market):
    frame = market.candidates(market.groups()).sample(frac=1, random_state=1)
    offers = market.offers(frame["row"].tolist())
    assert [o.key for o in offers] == list(
        zip(frame["provider"], frame["offer_id"], frame["spot"], strict=True)
    )
    mine = [offer for offer in offers if offer.provider == "elsewhere"]
    assert {offer.source for offer in mine} == {"prices.csv (file date)"}


def test_an_own_provider_stays_ones_own(market):
    owned = {group.provider for group in market.groups() if group.owned}
    assert owned == {"cloud01"}
    assert [row.name for row in market.providers()] == [
        "cloud00",
        "cloud01",
        "cloud02",
        "elsewhere",
    ]


def test_a_date_of_the_file_is_the_date_of_its_prices(base, tmp_path):
    text = PRICES.replace("region\n", "region,as_of\n").replace("\n", ",2026-05-16\n")
    (tmp_path / "dated.csv").write_text(text.replace("as_of,2026-05-16", "as_of"))
    market = read_overlay(tmp_path / "dated.csv", base)
    rows = market.candidates([g for g in market.groups() if g.provider == "elsewhere"])["row"]
    assert {offer.as_of for offer in market.offers(rows.tolist())} == {1778889600.0}


@pytest.mark.parametrize(
    "name", ["prices-2026-05-16.csv", "2026-05-16.csv", "p20260516_2.csv", "p_2026.05.16.csv"]
)
def test_a_date_in_the_files_name_is_the_date_of_its_prices(base, tmp_path, name):
    (tmp_path / name).write_text(PRICES)
    row = next(r for r in read_overlay(tmp_path / name, base).providers() if r.name == "elsewhere")
    assert (row.source, row.as_of) == (name, 1778889600.0)


@pytest.mark.parametrize("name", ["prices.csv", "run-20269999.csv", "id120260516.csv"])
def test_without_any_date_prices_are_as_old_as_the_file_and_that_is_said(base, tmp_path, name):
    (tmp_path / name).write_text(PRICES)
    os.utime(tmp_path / name, (NOW, NOW))
    row = next(r for r in read_overlay(tmp_path / name, base).providers() if r.name == "elsewhere")
    assert (row.source, row.as_of) == (f"{name} (file date)", NOW)


def test_a_date_in_every_row_goes_before_the_files_name(base, tmp_path):
    text = PRICES.replace("region\n", "region,as_of\n").replace("\n", ",2026-05-16\n")
    path = tmp_path / "prices-2026-01-01.csv"
    path.write_text(text.replace("as_of,2026-05-16", "as_of"))
    row = next(r for r in read_overlay(path, base).providers() if r.name == "elsewhere")
    assert (row.source, row.as_of) == (path.name, 1778889600.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEADER.partition(",")[2] + "a,1,1,,,1,,r\n", "not every row has a provider"),
        (HEADER + ",a,1,1,,,1,,r\n", "not every row has a provider"),
        (HEADER + "x,a,1,1,,,-1,,r\n", "prices of x: 1 offer: the price is negative"),
        (HEADER + "x,a,1,1,,,cheap,,r\n", "column price: 'cheap' is not a number"),
    ],
)
def test_a_wrong_file_is_refused(base, tmp_path, text, told):
    (tmp_path / "wrong.csv").write_text(text)
    with pytest.raises(UsageError, match=told) as caught:
        read_overlay(tmp_path / "wrong.csv", base)
    assert "wrong.csv" in caught.value.summary


def test_an_empty_catalog_is_enough(tmp_path):
    (tmp_path / "prices.csv").write_text(PRICES)
    with open_catalog(tmp_path / "none.db") as store:
        market = read_overlay(tmp_path / "prices.csv", store)
        assert len(market.candidates(market.groups(), whole=True)) == 5
