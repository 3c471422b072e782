"""The price list of the package, and when it stands in for live prices."""

from __future__ import annotations

import pytest

from arb.errors import CredentialsError
from arb_gcp import plugin


def test_without_credentials_the_shipped_list_is_told_with_its_date(anybody):
    catalog = plugin.arb_catalog(anybody.context())
    offers = anybody.offers()
    assert (catalog.source, catalog.as_of) == ("bundled", 1767225600)  # 1 January 2026
    assert {o.note for o in offers} == {"unverified list price"}
    by_type = {(o.instance_type, o.spot): o for o in offers}
    assert by_type["a3-highgpu-8g", False].price_usd_hour == pytest.approx(88.49, abs=0.01)
    assert by_type["a2-ultragpu-1g", False].accelerator == "A100-80GB"
    assert ("a3-highgpu-2g", False) not in by_type  # sold on spot only
    assert anybody.cloud.ledger().calls == []


def test_prices_are_read_again_once_the_credentials_change_or_appear(account, anybody):
    catalog = plugin.arb_catalog(account.context())
    assert catalog.files == (account.env["GOOGLE_APPLICATION_CREDENTIALS"],)
    place = anybody.folder / "home" / ".config" / "gcloud" / "application_default_credentials.json"
    assert plugin.arb_catalog(anybody.context()).files == (str(place),)
    account.cloud.write_key(str(place))
    assert plugin.arb_catalog(anybody.context()).source == "live"


def test_shipped_offers_have_the_identity_of_live_ones(account, anybody):
    shipped = {o.offer_id: o for o in anybody.offers()}
    live = {o.offer_id: o for o in account.offers()}
    common = shipped.keys() & live.keys()
    assert len(common) > 10
    for key in common:
        pair = (shipped[key], live[key])
        facts = [
            (
                o.zone,
                o.vcpus,
                o.memory_gib,
                o.accelerator,
                o.quota_family,
                o.latitude,
                o.fabric,
                o.interconnect,
            )
            for o in pair
        ]
        assert facts[0] == facts[1]


def test_while_the_billing_api_is_off_the_shipped_list_says_why(account):
    account.cloud.switch_api("cloudbilling.googleapis.com", on=False)
    catalog = plugin.arb_catalog(account.context())
    assert catalog.source == "bundled"
    assert "cloudbilling.googleapis.com is off" in catalog.why
    assert "gcloud services enable cloudbilling.googleapis.com" in catalog.why
    assert len(catalog.frame) > 0


def test_until_the_billing_api_answered_once_the_shipped_list_says_why(account):
    account.cloud.fault("status", match="cloudbilling*", count=999, status=503)
    catalog = plugin.arb_catalog(account.context())
    assert (catalog.source, len(catalog.frame) > 0) == ("bundled", True)
    assert "HTTP 503" in catalog.why
    account.cloud.clear_faults()
    live = plugin.arb_catalog(account.context())
    assert (live.source, live.why) == ("live", "")


@pytest.mark.parametrize("what", ["api", "billing", "permission"])
def test_an_account_that_may_not_look_is_told_what_to_do(account, what):
    switch = {
        "api": lambda: account.cloud.switch_api("compute.googleapis.com", on=False),
        "billing": lambda: account.cloud.switch_billing(on=False),
        "permission": lambda: account.cloud.deny("compute.machineTypes.list"),
    }
    switch[what]()
    with pytest.raises(CredentialsError) as raised:
        plugin.arb_catalog(account.context())
    hints = {
        "api": "gcloud services enable compute.googleapis.com",
        "billing": "billing",
        "permission": "arb check gcp",
    }
    assert hints[what] in raised.value.hint
