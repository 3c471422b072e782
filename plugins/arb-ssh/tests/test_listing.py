"""Listing claimed hosts and giving them back."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from arb.errors import CredentialsError, ProviderUnavailable
from arb.testing import FakeClock
from arb.types import (
    GoneReason,
    Instance,
    InstanceRef,
    InstanceState,
    Listing,
    ListQuery,
    SshEndpoint,
)
from arb_ssh.listing import list_instances, ssh_endpoint
from arb_ssh.memory import Records
from arb_ssh.terminate import terminate

STRANGER = "arb-zzzzzzzz-abcdefgh-000-0000"


@pytest.fixture
def buy(client, order):
    """Claim hosts of the first offer."""

    def claim(count=1, **more):
        offer = client.offers()[0]
        return client.provision(order(offer, count, **more)).instances

    return claim


def of(*instances):
    return ListQuery(tokens=frozenset(i.token for i in instances))


def ids(listing):
    return sorted(i.id for i in listing.instances)


def close(client, index):
    """Let a host be silent, as one that is switched off: nobody listens where it is looked for."""
    host = client.options["hosts"]["lab"]["hosts"][index]
    for path in (client.data / "claims").glob("*.json"):
        facts = json.loads(path.read_text())
        payload = json.loads(facts["payload"])
        if payload["address"] == host["address"]:
            facts["payload"] = json.dumps({**payload, "port": 1})
            path.write_text(json.dumps(facts))
    host["port"] = 1


def test_claimed_hosts_are_listed_as_they_were_bought(client, buy):
    bought = buy(2)
    listing = client.list(ListQuery())
    assert sorted(listing.instances, key=lambda i: i.token) == list(bought)
    assert listing.complete == {"lab"}
    assert listing.account == ""


def test_whoever_asks_sees_the_same(client, make_client, buy):
    bought = buy()
    other = make_client("other", client.options, owner="zzzzzzzz")
    assert other.list(ListQuery()).instances == bought
    assert other.list(ListQuery(owner="zzzzzzzz")).instances == ()


def test_a_silent_host_leaves_its_pool_incomplete(client, team, buy):
    pools = client.options["hosts"]
    pools["old"] = {"hosts": [pools["lab"]["hosts"].pop(2)]}
    bought = buy(2)
    close(client, 1)
    listing = client.list(ListQuery(owner="abcdefgh"))
    assert listing.complete == {"old"}
    assert "gpu02 does not answer" in listing.errors["lab"]
    assert ids(listing) == [bought[0].id]
    assert client.list(ListQuery(regions=frozenset({"old"}))).complete == {"old"}


def test_a_silent_neighbour_says_nothing_about_machines_claimed_from_here(client, team, buy):
    (bought,) = buy()
    close(client, 2)
    listing = client.list(of(bought))
    assert (listing.instances, listing.errors) == ((bought,), {})
    assert listing.complete == {Listing.EVERYWHERE}


def test_a_claim_that_was_removed_by_hand_is_a_machine_that_is_gone(client, team, buy):
    (bought,) = buy()
    close(client, 2)
    team[0].free()
    (gone,) = client.list(of(bought)).instances
    assert (gone.id, gone.token, gone.state) == (bought.id, bought.token, InstanceState.GONE)
    assert gone.reason is GoneReason.UNKNOWN


@pytest.mark.parametrize("text", [None, "", "\0\0\0", '{"token":"arb-'], ids=repr)
def test_whose_claim_is_damaged_has_its_machine_until_it_is_given_back(
    client, make_client, team, order, text
):
    (bought,) = client.provision(order(client.offers()[0])).instances
    claim = team[0].home / ".arb-claim"
    claim.unlink() if text is None else claim.write_text(text)
    (found,) = client.list(of(bought)).instances
    assert (found.id, found.region, found.state) == (bought.id, "lab", InstanceState.RUNNING)
    other = make_client("other", client.options, owner="zzzzzzzz")
    (offer,) = other.offers()
    assert offer.capacity == 2
    taken = other.provision(order(offer, 2, owner="zzzzzzzz")).instances
    assert team[0].address not in {i.address for i in taken}
    assert client.terminate(bought).gone
    assert not claim.exists()
    assert len(team[0].authorized()) == 1


def test_a_claim_that_another_one_has_now_is_gone_too(client, team, buy):
    (bought,) = buy()
    team[0].take(token=STRANGER)
    states = {i.token: i.state for i in client.list(ListQuery()).instances}
    assert states == {bought.token: InstanceState.GONE, STRANGER: InstanceState.RUNNING}


def test_a_host_that_left_the_list_is_looked_at_as_long_as_it_is_claimed(client, team, buy):
    (bought,) = buy()
    del client.options["hosts"]["lab"]["hosts"][0]
    assert client.list(of(bought)).instances == (bought,)
    assert ids(client.list(ListQuery(owner="abcdefgh"))) == [bought.id]
    client.options.clear()
    assert client.list(of(bought)).instances == (bought,)
    assert client.terminate(bought).gone
    assert team[0].claim is None
    with pytest.raises(CredentialsError, match="no hosts are configured"):
        client.list(ListQuery(owner="abcdefgh"))


def test_a_record_of_a_claim_that_never_was_is_dropped_in_time(client, team, buy):
    buy()
    team[0].free()
    client.list(ListQuery())
    assert len(Records(client.context()).read()) == 1
    later = FakeClock(time.time() + 4000)
    list_instances(client.context(clock=later, deadline=later.monotonic() + 30), ListQuery())
    assert Records(client.context()).read() == []
    assert client.list(ListQuery()).instances == ()


def test_no_answer_at_all_is_no_listing(client, team, buy):
    buy()
    for host in team.hosts:
        host.let("garble")
    with pytest.raises(ProviderUnavailable, match="none of 3 hosts can be asked"):
        client.list(ListQuery())


def test_names_that_are_no_tokens_are_nobody_s_machines(client, team):
    team[0].take(token="web-1")
    team[1].take(token="arb-training")
    (team[2].home / ".arb-claim").write_text("nonsense")
    assert client.list(ListQuery()).instances == ()


# -- giving back -------------------------------------------------------------------------------


def test_a_host_is_given_back_clean(client, team, buy):
    one, other = buy(2)
    before = team[1].authorized()
    assert client.terminate(one).gone
    assert team[0].claim is None
    assert [line.split()[-1] for line in team[0].authorized()] == ["the-team"]
    assert [p.name for p in team[0].home.iterdir()] == [".ssh"]
    assert team[1].claim["token"] == other.token
    assert team[1].authorized() == before
    assert [r.token for r in Records(client.context()).read()] == [other.token]
    assert client.terminate(one).gone


def test_another_computer_gives_back_what_it_sees_in_a_listing(client, make_client, team, buy):
    buy()
    other = make_client("other", client.options)
    (seen,) = other.list(ListQuery()).instances
    assert other.terminate(seen).gone
    assert team[0].claim is None


def test_without_a_handle_the_claim_is_looked_for(client, make_client, team, buy):
    (bought,) = buy()
    other = make_client("other", client.options)
    close(other, 2)
    assert other.terminate(bought, handle="").gone
    assert team[0].claim is None
    pending = other.terminate(bought, handle="")
    assert not pending.gone
    assert "gpu03 does not answer" in pending.detail


def test_a_host_that_another_one_has_now_is_not_touched(client, team, buy):
    (bought,) = buy()
    team[0].take(token=STRANGER)
    assert client.terminate(bought).gone
    assert team[0].claim["token"] == STRANGER
    assert len(team[0].authorized()) == 1


def test_a_silent_host_is_pending_and_tried_again_soon(client, team, buy):
    (bought,) = buy()
    close(client, 0)
    payload = json.dumps({**json.loads(bought.payload), "port": 1})
    answer = client.terminate(bought, handle=payload)
    assert (answer.gone, answer.retry_after_s) == (False, 35)
    assert "gpu01 does not answer" in answer.detail
    client.options["hosts"]["lab"]["hosts"][0]["port"] = team.port
    assert client.terminate(bought).gone


def test_a_host_that_moved_is_given_back_where_it_is(client, team, buy):
    (bought,) = buy()
    payload = json.loads(bought.payload)
    moved = json.dumps({**payload, "address": "127.9.9.9"})
    assert client.terminate(bought, handle=moved).gone
    assert team[0].claim is None


def test_a_name_that_stands_for_another_machine_now_does_not_lose_the_first(client, team, buy):
    (bought,) = buy()
    client.options["hosts"]["lab"]["hosts"][0]["address"] = team[4].address
    listing = client.list(of(bought))
    assert [(i.id, i.state) for i in listing.instances] == [(bought.id, InstanceState.RUNNING)]
    assert client.terminate(bought).gone
    assert team[0].claim is None
    assert Records(client.context()).read() == []


def test_a_machine_that_may_be_at_a_silent_address_is_not_gone(client, team, buy):
    (bought,) = buy()
    client.options["hosts"]["lab"]["hosts"][0]["address"] = team[4].address
    payload = json.loads(bought.payload)
    silent = json.dumps({**payload, "port": 1})
    answer = client.terminate(bought, handle=silent)
    assert not answer.gone
    assert "gpu01 does not answer" in answer.detail


def test_the_same_name_in_another_home_is_another_host(client, team, buy):
    (bought,) = buy()
    client.options["hosts"]["lab"]["hosts"][0]["user"] = "somebody-else"
    assert client.list(of(bought)).instances == (bought,)
    assert client.terminate(bought).gone
    assert team[0].claim is None


def test_what_cannot_be_removed_is_told(client, team, buy, monkeypatch):
    from arb_ssh import terminate as module

    ask = module.ask
    problem = "the claim cannot be removed"
    monkeypatch.setattr(module, "ask", lambda *a: replace(ask(*a), problem=problem))
    (bought,) = buy()
    with pytest.raises(ProviderUnavailable, match="gpu01 is not given back: the claim cannot be"):
        client.terminate(bought)


def test_a_machine_that_never_was_is_gone(client):
    ref = InstanceRef("ssh", "gpu01-x", "lab", "arb-abcdefgh-abcdefgh-zzz-0000")
    assert terminate(client.context(), ref).gone


# -- how a claimed host is reached -------------------------------------------------------------


def test_the_endpoint_names_the_host_key(client, team, buy):
    (bought,) = buy()
    endpoint = SshEndpoint(team[0].address, team.port, team.user, team.host_key_line)
    assert ssh_endpoint(client.context(), bought) == endpoint


def test_a_fingerprint_in_the_list_leads_to_the_key_that_was_shown(client, team, buy):
    from arb_ssh.hostkeys import fingerprint

    for host in client.options["hosts"]["lab"]["hosts"]:
        host["host_key"] = fingerprint(team.host_key_line)
    (bought,) = buy()
    assert ssh_endpoint(client.context(), bought).host_key == team.host_key_line


def test_a_host_that_was_set_up_anew_has_the_key_that_the_list_says_now(client, team, buy):
    (bought,) = buy()
    new = team.host_key_line[:-8] + "AAAAAAAA"
    client.options["hosts"]["lab"]["hosts"][0]["host_key"] = new
    assert ssh_endpoint(client.context(), bought).host_key == new


def test_a_payload_of_somebody_else_is_told(client):
    instance = Instance("ssh", "x", "lab", InstanceState.RUNNING, payload="{}")
    with pytest.raises(ProviderUnavailable, match="how it is reached is not known"):
        ssh_endpoint(client.context(), instance)
