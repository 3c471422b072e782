"""What a launch looks at before it buys: whose prices, how fresh, and what the task adds to each."""

from __future__ import annotations

import gc
import sqlite3
import sys
import types
from dataclasses import replace

import pytest
from support.fakecloud import FakeCloud, offer

from arb.clusters.catalog import Wanted, alternatives_of, look, placed, ranked_offers
from arb.clusters.launch import Wish, plan_launch
from arb.config import write_value
from arb.errors import ArbError, NoOfferError, UsageError
from arb.plugins import PluginTable
from arb.plugins.table import PluginEntry
from arb.tasks import Task
from arb.types import Capability, PeerNetwork

POLICY = """
from arb.errors import ArbError
from arb.hookspecs import hookimpl

ARB_API = 1

@hookimpl
def arb_adjust_offers(offers):
    if (offers["region"] == "forbidden").any():
        raise ArbError("that region is forbidden", code="policy")
    dear = offers["instance_type"] == "b"
    return offers.assign(price_usd_hour=offers["price_usd_hour"].where(~dear, 0.5))
"""


def task(**values):
    return Task.model_validate(values)


def ids(ranking):
    return [each.offer_id for each in ranking.offers]


def reads(cloud):
    return len(cloud.called("catalog"))


@pytest.fixture
def counting(site):
    """Note every reading of a price list."""

    def watch(cloud):
        entry = cloud.entry

        def counted():
            made = entry()
            module = sys.modules[made.value]
            read = module.arb_catalog

            def arb_catalog(context):
                cloud.calls.append(("arb_catalog", None))
                return read(context)

            from arb.hookspecs import hookimpl

            arb_catalog.__module__ = module.__name__
            module.arb_catalog = hookimpl(arb_catalog)
            return made

        cloud.entry = counted
        return cloud

    return watch


# -- whose prices are read ------------------------------------------------------------------------


def test_prices_are_read_again_before_buying_once_they_are_too_old(site, counting):
    counting(site.cloud)
    site.cloud.info = replace(site.cloud.info, catalog_ttl_s=600)
    ranked_offers(site.session, task())
    ranked_offers(site.session, task())
    assert reads(site.cloud) == 1
    site.clock.advance(601)
    look(site.session, task(), Wanted())
    assert reads(site.cloud) == 1
    ranked_offers(site.session, task())
    assert reads(site.cloud) == 2


def test_nobody_is_asked_who_is_not_named(site, counting):
    other = FakeCloud(site.clock, name="other", shop=[offer("o", provider="other")])
    counting(site.cloud)
    counting(other)
    site.clouds.append(other)
    ranked_offers(site.session, task(resources={"cloud": "other"}))
    assert (reads(site.cloud), reads(other)) == (0, 1)


def test_own_machines_are_not_asked_again_by_those_who_do_not_name_them(site, counting):
    mine = FakeCloud(site.clock, name="mine", shop=[offer("m", 0, provider="mine")])
    mine.info = replace(mine.info, capabilities=mine.info.capabilities | {Capability.OWNED})
    counting(mine)
    site.clouds.append(mine)
    ranked_offers(site.session, task())
    site.clock.advance(1e6)
    ranked_offers(site.session, task())
    assert reads(mine) == 1
    assert ids(ranked_offers(site.session, task(resources={"cloud": "mine"}))) == ["m"]
    assert reads(mine) == 2


def test_a_provider_that_fails_keeps_its_last_prices_and_their_age_is_told(site):
    ranked_offers(site.session, task())
    site.clock.advance(7200)
    site.cloud.catalog_error = ArbError("503", code="http")
    assert ids(ranked_offers(site.session, task())) == ["a", "b"]
    days = f"{site.clock.now() // 86400:.0f}d"  # the fake's prices are of 1970
    (told,) = site.told.warnings
    assert told.startswith(f"fake: 503; prices of {days} ")


def test_catalogs_are_closed_with_the_session_or_when_nobody_holds_them(site):
    first = look(site.session, task(), Wanted()).prices.catalog
    for _ in range(50):
        look(site.session, task(), Wanted())
    gc.collect()
    assert len(site.session._closables) == 1
    site.session.close()
    with pytest.raises(sqlite3.ProgrammingError):
        first._database.execute("SELECT 1")


# -- places ---------------------------------------------------------------------------------------


def test_the_configured_place_is_that_of_every_alternative_without_one(site):
    write_value(site.session.home.config_file, "default_infra", "fake/r2")
    wanted = task(resources={"any_of": [{"cloud": "other"}, {"cpus": 8}]})
    places = [each.place for each in alternatives_of(site.session, wanted)]
    assert places == ["other", "fake/r2"]
    nowhere = task(resources={"any_of": [{"cpus": 4}, {"cpus": 8}]})
    made = placed(site.session, nowhere).resources.alternatives()
    assert [each.place for each in made] == ["fake/r2", "fake/r2"]


def test_a_configured_place_that_is_none_is_told(site):
    write_value(site.session.home.config_file, "default_infra", "a/b/c/d/e")
    for ask in (alternatives_of, placed):
        with pytest.raises(UsageError, match="the setting default_infra: 'a/b/c/d/e' is not a"):
            ask(site.session, task())


def test_an_alternative_that_is_not_installed_is_skipped_with_a_notice(site):
    wanted = task(resources={"ordered": [{"cloud": "fakes"}, {"cloud": "fake"}]})
    ranking = ranked_offers(site.session, wanted)
    assert ids(ranking) == ["a", "b"]
    told = "no plugin named fakes is installed; did you mean 'fake'?: pip install arb-fakes"
    assert ranking.notices == (told,)


def test_nothing_but_what_is_not_installed_names_every_missing_plugin(site):
    wanted = task(resources={"ordered": [{"cloud": "azul"}, {"cloud": "zyx"}]})
    with pytest.raises(UsageError) as caught:
        ranked_offers(site.session, wanted)
    assert caught.value.summary == (
        "no plugin named azul is installed; no plugin named zyx is installed"
    )
    assert caught.value.hint == "pip install arb-azul; pip install arb-zyx"


def test_a_provider_that_is_switched_off_says_so(site, monkeypatch):
    site.session.plugins.settings = replace(
        site.session.plugins.settings, disabled=frozenset({"fake"})
    )
    with pytest.raises(UsageError, match="provider 'fake' is switched off"):
        ranked_offers(site.session, task(resources={"cloud": "fake"}))


# -- what providers can do ------------------------------------------------------------------------


def test_nodes_that_cannot_reach_each_other_are_no_gang(site):
    other = FakeCloud(site.clock, name="other", shop=[offer("o", 0.5, provider="other")])
    other.info = replace(other.info, peer_network=PeerNetwork.NONE)
    site.clouds.append(other)
    assert ids(ranked_offers(site.session, task())) == ["o", "a", "b"]
    assert ids(ranked_offers(site.session, task(num_nodes=2))) == ["a", "b"]
    with pytest.raises(NoOfferError) as caught:
        ranked_offers(site.session, task(num_nodes=2, resources={"cloud": "other"}))
    assert caught.value.code == "no-peer-network"
    assert caught.value.hint == "use one node, or another provider"


def test_only_nodes_that_end_themselves_are_left_alone_with_a_job(site):
    with pytest.raises(NoOfferError) as caught:
        plan_launch(site.session, Wish(task(), cluster="x", down=True, detach=True))
    assert caught.value.code == "no-self-terminate"
    assert "leave --detach out" in caught.value.hint
    plan_launch(site.session, Wish(task(), cluster="x", down=True))


# -- policies -------------------------------------------------------------------------------------


@pytest.fixture
def with_policy(site):
    module = types.ModuleType(f"arb_test_adjusting_{id(site)}")
    exec(compile(POLICY, module.__name__, "exec"), vars(module))
    sys.modules[module.__name__] = module
    entry = PluginEntry("arb.plugins", "discount", module.__name__, "arb-discount", "1.0")
    session = site.session
    session.plugins._made["table"] = PluginTable([*(c.entry() for c in site.clouds), entry])
    return site


def test_a_policy_decides_the_order_and_the_bill_says_what_is_paid(with_policy):
    ranking = ranked_offers(with_policy.session, task())
    assert ids(ranking) == ["b", "a"]
    assert [each.price_usd_hour for each in ranking.offers] == [2, 1]
    assert ranking.entry(0).ranked_usd_hour == 0.5


def test_a_policy_refuses_a_plan_with_its_own_words(with_policy):
    with_policy.cloud.shop.append(offer("x", region="forbidden"))
    with pytest.raises(ArbError, match="that region is forbidden"):
        ranked_offers(with_policy.session, task())


# -- buying ---------------------------------------------------------------------------------------


def test_the_alternative_that_is_bought_brings_its_own_labels_disk_image_and_ports(site):
    site.cloud.shop = [offer("far", 1, region="r2"), offer("near", 2)]
    site.launch(
        resources={
            "labels": {"team": "a"},
            "ordered": [
                {"region": "r3", "ports": 1000},
                {
                    "region": "r2",
                    "ports": ["8000-8010"],
                    "disk_size": 300,
                    "image_id": {"r1": "img-1", "r2": "img-2"},
                    "labels": {"stage": "test"},
                },
            ],
        }
    )
    (request,) = site.cloud.called("provision")
    assert request.offer.offer_id == "far"
    assert request.ports == ("8000-8010",)
    assert dict(request.labels) == {"team": "a", "stage": "test"}
    assert (request.disk_gib, request.image) == (300, "img-2")


def test_an_image_without_a_region_is_for_every_region(site):
    site.launch(resources={"image_id": "img-9"})
    (request,) = site.cloud.called("provision")
    assert (request.image, request.ports, dict(request.labels)) == ("img-9", (), {})


def test_sold_out_is_told_apart_from_what_waiting_does_not_help(site, monkeypatch):
    from arb.clusters import nothing
    from arb.optimizer import Ranking, Rejections, Removed
    from arb.tasks import Alternative

    outcome = Rejections(Alternative(), 3, (Removed("availability", 3),), 0, "try again")
    prices = look(site.session, task(), Wanted()).prices
    error = nothing.no_offer(prices, Ranking((), (Alternative(),), (outcome,)))
    assert error.code == "sold-out"
    with pytest.raises(NoOfferError) as caught:
        ranked_offers(site.session, task(resources={"region": "moon"}))
    assert caught.value.code == "no-offer"
    assert caught.value.rejected[0]["rejected"] == {"region moon": 2}
