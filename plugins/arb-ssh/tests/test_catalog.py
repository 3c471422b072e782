"""Offers and checks over the team's machines."""

from __future__ import annotations

import json
import time

import pytest

from arb.errors import CredentialsError, ProviderUnavailable, UsageError
from arb.nodes.keys import generate_key
from arb.types import CheckStatus
from arb_ssh.catalog import read_catalog, read_prices
from arb_ssh.check import check


@pytest.fixture
def measured(client):
    """The same list of hosts, whose hardware is not told."""
    for host in client.options["hosts"]["lab"]["hosts"]:
        for name in ("vcpus", "memory_gib", "accelerators"):
            del host[name]
    return client


def hosts_of(client):
    return client.options["hosts"]["lab"]["hosts"]


def test_free_hosts_are_the_capacity(client, team):
    (offer,) = client.offers()
    assert (offer.capacity, offer.available, offer.price_usd_hour) == (3, True, 0)
    team[0].take()
    (offer,) = client.offers()
    assert (offer.capacity, offer.available) == (2, True)
    team[2].let("fail")
    (offer,) = client.offers()
    assert (offer.capacity, offer.available) == (1, True)
    assert offer.note == ""
    team[1].take()
    team[2].let("fail", happen=False)
    team[2].take(by="eve@lab")
    (offer,) = client.offers()
    assert (offer.capacity, offer.available) == (0, False)
    assert offer.note.startswith("gpu01 is taken by bob@desk for theirs, gpu02 is taken by bob")


def test_what_is_not_told_is_measured_once(measured, team):
    (offer,) = measured.offers()
    assert offer.vcpus >= 1
    assert offer.memory_gib > 0
    for host in team.hosts:
        host.let("fail")
    (again,) = measured.offers()
    assert again.instance_type == offer.instance_type
    assert (again.capacity, again.available) == (None, None)  # nobody answers: nothing is known


def test_hosts_of_which_nothing_is_known_are_left_out(measured, team):
    hosts_of(measured)[0]["port"] = 1
    (offer,) = measured.offers()
    assert offer.capacity == 2
    assert json.loads(offer.payload)["hosts"] == ["gpu02", "gpu03"]


def test_nothing_known_of_any_host_is_an_error(measured, team):
    for host in hosts_of(measured):
        host["port"] = 1
    with pytest.raises(ProviderUnavailable, match="none of 3 hosts can be asked: gpu01 does not"):
        read_catalog(measured.context())


def test_a_damaged_cache_costs_a_look(measured):
    (offer,) = measured.offers()
    for text in ("nonsense", "[]", '{"x": 1}', '{"x": {"hardware": {"vcpus": 1}}}'):
        (measured.folder / "cache" / "hosts.json").write_text(text)
        assert measured.offers()[0].offer_id == offer.offer_id


def test_prices_labels_and_pools_are_those_of_the_list(client, team):
    hosts = hosts_of(client)
    hosts[0] |= {"price_usd_hour": 2.5, "labels": {"rack": 7}, "accelerators": "H100:8"}
    client.options["hosts"]["old"] = {"hosts": [hosts.pop(1)]}
    offers = {offer.region + "/" + offer.instance_type: offer for offer in client.offers()}
    assert sorted(offers) == ["lab/lab-8cpu-32gib", "lab/lab-H100x8", "old/old-8cpu-32gib"]
    gpus = offers["lab/lab-H100x8"]
    assert (gpus.price_usd_hour, gpus.note) == (2.5, "rack=7")
    assert (gpus.accelerator, gpus.accelerator_count) == ("H100", 8)


def test_a_changed_list_and_claims_from_here_make_the_catalog_stale(client, order, tmp_path):
    import yaml

    from arb.catalog.files import have_changed, state_of

    path = tmp_path / "hosts.yaml"
    path.write_text(yaml.safe_dump(client.options["hosts"]))
    client.options["hosts"] = str(path)
    files = read_catalog(client.context()).files
    assert str(path) in files
    time.sleep(0.15)  # by the clock of the file system: younger files count as changed
    before = state_of(files, time.time())
    assert not have_changed(before)
    (offer,) = client.offers()
    (instance,) = client.provision(order(offer)).instances
    assert have_changed(before)
    time.sleep(0.15)
    before = state_of(files, time.time())
    client.terminate(instance)
    assert have_changed(before)


def test_without_hosts_there_is_nothing_and_nobody_is_asked(make_client):
    catalog = read_catalog(make_client("c", {}).context())
    assert (len(catalog.frame), catalog.files) == (0, ())


def test_a_wrong_list_is_told(make_client):
    with pytest.raises(UsageError, match=r"hosts\[0\]"):
        read_catalog(make_client("c", {"hosts": [{}]}).context())


def test_live_prices_say_who_is_free_now(client, team):
    (offer,) = client.offers()

    def live():
        return read_prices(client.context(), [offer]).to_dict("records")

    row = {"offer_id": offer.offer_id, "spot": False, "price_usd_hour": 0.0}
    assert live() == [{**row, "available": True}]
    for host in team.hosts:
        host.take()
    assert live() == [{**row, "available": False}]
    for host in hosts_of(client):
        host["port"] = 1
    with pytest.raises(ProviderUnavailable):
        live()


def test_a_silent_host_does_not_hold_up_the_next_look(client, team):
    team[0].let("hang")
    read_catalog(client.context(1))
    begun = time.monotonic()
    (offer,) = client.offers()
    assert offer.capacity == 2
    assert time.monotonic() - begun < 3


# -- arb check ---------------------------------------------------------------------------------


def test_a_check_says_who_has_which_host(client, team):
    team[1].take()
    result = check(client.context())
    assert result.status is CheckStatus.OK
    assert result.summary == "3 hosts in 1 pool, 2 free, gpu02 is taken by bob@desk for theirs"
    assert result.source == "provider_options.ssh.hosts"
    assert (result.missing, result.hint) == ((), "")


def test_a_check_names_the_hosts_that_cannot_be_used(client, team, tmp_path):
    hosts = hosts_of(client)
    hosts[0]["port"] = 1
    (tmp_path / "stranger").write_text(generate_key().private)
    hosts[1]["identity_file"] = str(tmp_path / "stranger")
    result = check(client.context())
    assert result.status is CheckStatus.LIMITED
    assert result.summary == "3 hosts in 1 pool, 1 free"
    address = team[0].address
    ssh = f"ssh -i {tmp_path}/stranger -p {team.port} {team.user}@{team[1].address}"
    assert result.missing == (
        f"use gpu01: does not answer ({address} port 1: Connection refused)",
        f"use gpu02: refused the key for user {team.user}; see that this works: {ssh}",
    )


def test_a_check_names_full_homes_and_measures_accelerators(make_client, team):
    team[0].tool("df", "Filesystem 1024-blocks Used Available Capacity Mounted on\nx 9 9 0 100% /")
    team[1].tool("nvidia-smi", "NVIDIA L40S, 46068\nNVIDIA L40S, 46068")
    hosts = [team.entry(n, host_key=team.host_key_line) for n in range(2)]
    client = make_client("client", {"hosts": hosts})
    result = check(client.context())
    assert result.status is CheckStatus.LIMITED
    assert result.missing == ("use gpu01: its home folder has only 0 MiB free",)
    offers = {o.instance_type: o for o in client.offers()}
    gpus = offers["default-L40Sx2"]
    assert (gpus.accelerator, gpus.accelerator_count, gpus.accelerator_gib) == ("L40S", 2, 48)
    assert gpus.capacity == 1


def test_a_check_tells_host_keys_that_are_trusted_for_no_other_reason(client, team):
    from arb_ssh.hostkeys import fingerprint

    del hosts_of(client)[1]["host_key"]
    told = f"gpu02 {fingerprint(team.host_key_line)}"
    assert check(client.context()).hint == f"trusted since the first connection, compare: {told}"


def test_a_check_measures_what_is_not_told(measured, team):
    check(measured.context())
    for host in team.hosts:
        host.let("fail")
    assert len(measured.offers()) == 1


def test_no_list_no_key_a_refused_key_and_no_answer_are_told_apart(make_client, client, tmp_path):
    def status():
        result = check(client.context())
        assert result.summary
        assert result.hint
        return result.status

    for host in hosts_of(client):
        host["identity_file"] = str(tmp_path / "none")
    assert status() is CheckStatus.NOT_CONFIGURED
    (tmp_path / "none").write_text(generate_key().private)
    assert status() is CheckStatus.REFUSED
    for host in hosts_of(client):
        host["port"] = 1
    assert status() is CheckStatus.UNREACHABLE
    client.options["hosts"] = [{}]
    assert status() is CheckStatus.REFUSED
    client.options.clear()
    assert status() is CheckStatus.NOT_CONFIGURED


def test_refused_by_all_is_about_credentials(client, tmp_path):
    for host in hosts_of(client):
        host["identity_file"] = str(tmp_path / "none")
        del host["vcpus"]
    with pytest.raises(CredentialsError, match="none of 3 hosts can be asked: gpu01"):
        read_catalog(client.context())
