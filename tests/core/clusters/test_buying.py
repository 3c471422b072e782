"""How a launch buys: prices that moved, patience, and what earlier refusals keep out."""

from __future__ import annotations

from functools import partial

import pytest
from support.fakecloud import FakeCloud, offer

from arb.clusters import bringup
from arb.clusters.check import check_providers
from arb.clusters.launch import Terms, Wish, plan_launch, run_launch
from arb.clusters.status import views
from arb.config import write_value
from arb.errors import ArbError, CapacityError, CredentialsError, NoOfferError, Scope
from arb.nodes.keys import gang_key
from arb.provision.agreement import Declined
from arb.provision.giveback import finish
from arb.state.clusters import list_clusters
from arb.state.leases import Leases
from arb.tasks import Task
from arb.types import CheckResult, CheckStatus


def refuse(request):
    raise CapacityError("none", scope=Scope.OFFER)


def refuse_with(error, request):
    raise error


def launch(site, agree=lambda _: True, task=None, **terms):
    wish = Wish(Task.model_validate(task or {}), cluster="train", terms=Terms(**terms))
    return run_launch(site.session, plan_launch(site.session, wish), agree)


def rising(site, **prices):
    site.cloud.on_prices = [partial(FakeCloud.listed_prices, **prices)]
    site.new_process()


def bought(site):
    (view,) = views(site.session.store)
    return view.offer["offer_id"], view.usd_hour


def test_a_price_that_rose_is_put_to_the_user_for_all_nodes(site):
    rising(site, a=1.5)
    rises = []

    launch(site, lambda rise: rises.append(rise) or True, {"num_nodes": 2})

    assert [(rise.agreed_usd_hour, rise.usd_hour) for rise in rises] == [(2, 3)]
    assert bought(site) == ("a", 3)


def test_a_no_leaves_nothing_and_the_name_is_free(site):
    rising(site, a=1.5)

    with pytest.raises(Declined):
        launch(site, lambda _: False)

    assert list_clusters(site.session.store) == []
    assert site.cloud.called("provision") == []


def test_the_slippage_is_taken_from_the_configuration_and_the_command(site):
    write_value(site.session.home.config_file, "max_slippage", "60")
    rising(site, a=1.5)
    launch(site, lambda _: False)
    assert bought(site) == ("a", 1.5)

    wish = Wish(Task.model_validate({}), cluster="x", terms=Terms(max_slippage=0.1))
    plan = plan_launch(site.session, wish)
    with pytest.raises(Declined):
        run_launch(site.session, plan, lambda _: False)


def test_the_tasks_limit_holds_at_the_live_price(site):
    rising(site, a=2.4, b=2.2)

    with pytest.raises(NoOfferError, match="2 not available"):
        launch(site, task={"resources": {"max_hourly_cost": 2}})

    assert site.cloud.called("provision") == []


def test_offers_go_round_until_somebody_has_capacity(site):
    site.cloud.on_provision = [*[refuse] * 4, site.cloud.sell]

    launch(site, retry_until_up=True)

    assert bought(site) == ("a", 1)
    assert site.clock.monotonic() >= 90


def test_each_round_looks_at_prices_anew(site):
    def dearer(request):
        site.cloud.shop = [offer("c", 1.01), offer("a", 1.02)]
        refuse(request)

    site.cloud.on_provision = [dearer, *[refuse] * 3, site.cloud.sell]

    launch(site, retry_until_up=True)

    assert bought(site) == ("c", 1.01)
    assert site.clock.monotonic() == pytest.approx(90, abs=5), "the third round"


def test_what_is_sold_out_is_waited_for_from_the_start(site):
    """The catalog itself says that nothing is there: nothing can even be planned."""
    site.cloud.shop = [offer("a", available=False)]
    with pytest.raises(NoOfferError, match="availability"):
        launch(site)

    sleep = site.clock.sleep

    def restock(seconds):
        sleep(seconds)
        if site.clock.monotonic() > 100:
            site.cloud.shop = [offer("a", available=True)]

    site.clock.sleep = restock
    launch(site, retry_until_up=True)

    assert bought(site) == ("a", 1)
    assert site.clock.monotonic() == pytest.approx(210, abs=5)


def test_what_no_wait_can_help_is_told_at_once(site):
    with pytest.raises(NoOfferError):
        launch(site, task={"resources": {"accelerators": "H100:8"}}, retry_until_up=True)
    assert site.clock.monotonic() == 0


def test_refusals_can_be_ignored(site):
    site.cloud.on_provision = [refuse, refuse, site.cloud.sell]
    with pytest.raises(NoOfferError):
        launch(site)
    with pytest.raises(NoOfferError, match="kept out by earlier refusals") as caught:
        launch(site)
    assert caught.value.code == "all-blocked"
    assert "--try-blocked" in caught.value.hint

    launch(site, try_blocked=True)

    assert bought(site) == ("a", 1)


def test_a_launch_that_was_taken_over_keeps_no_key_of_what_is_gone(site, monkeypatch):
    session = site.session

    def stand_still(opened, cluster, purchase):
        site.clock.advance(61)
        with Leases(session.store).held("cluster/train") as lease:
            finish(session.shop.under(lease), cluster.id)
        gang_key(opened.vault, cluster.id)

    monkeypatch.setattr(bringup, "bring_up", stand_still)

    with pytest.raises(ArbError):
        launch(site, task={"num_nodes": 2})

    assert site.cloud.alive() == []
    assert session.vault.names("gang/") == []


@pytest.mark.parametrize(("status", "asks"), [("ok", True), ("refused", False)])
def test_a_check_that_succeeds_forgets_what_waited_for_it(site, status, asks):
    """A launch that goes round waits for a refused account; another shell mends and checks it."""
    site.cloud.on_provision = [
        partial(refuse_with, CredentialsError("no balance")),
        site.cloud.sell,
    ]
    with pytest.raises(CredentialsError):
        launch(site)
    site.cloud.checked = CheckResult(CheckStatus(status), "as said")

    check_providers(site.session, ["fake"])

    site.clock.advance(1)
    wanted = offer("a")
    assert (site.session.shop.blocklist.covering(wanted, 1) is None) is asks


def test_a_check_does_not_forget_what_a_provider_said_of_its_stock(site):
    site.cloud.on_provision = [refuse]
    with pytest.raises(NoOfferError):
        launch(site)
    check_providers(site.session, ["fake"])
    with pytest.raises(NoOfferError, match="kept out by earlier refusals"):
        launch(site)
