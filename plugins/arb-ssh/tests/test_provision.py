"""Taking hosts: all or none, never one that somebody has, found again after every crash."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from arb.errors import (
    CapacityError,
    CredentialsError,
    ProviderUnavailable,
    RequestError,
    Scope,
    UsageError,
)
from arb.nodes.keys import generate_key
from arb.types import InstanceState, ListQuery
from arb_ssh.limits import Limit
from arb_ssh.memory import Records, claiming

FACTS = {"vcpus": 8, "memory_gib": 32, "accelerators": ""}


@pytest.fixture
def offer(client):
    (offer,) = client.offers()
    return offer


def claims(team):
    """Return which token has which host."""
    return {host.name: host.claim["token"] for host in team.hosts if host.claim}


def tokens(request):
    return [setup.token for setup in request.setups]


def test_each_setup_gets_a_host_of_its_own(client, team, offer, order):
    request = order(offer, 3)
    result = client.provision(request)
    assert [i.token for i in result.instances] == tokens(request)
    assert sorted(claims(team).values()) == tokens(request)
    for instance in result.instances:
        host = next(h for h in team.hosts if h.address == instance.address)
        assert instance.id == f"{host.name}-{instance.token[13:]}"
        assert instance.state is InstanceState.RUNNING
        assert (instance.region, instance.instance_type) == ("lab", "lab-8cpu-32gib")
        key = request.setups[0].authorized_key.split()[1]
        assert host.authorized()[1:] == [f"ssh-ed25519 {key} {instance.token}"]
        assert host.claim["by"].startswith("alice@")


def test_hosts_are_reached_by_their_private_address_where_they_have_one(client, order):
    client.options["hosts"]["lab"]["hosts"][0]["private_address"] = "192.168.0.5"
    (offer,) = client.offers()
    first = client.provision(order(offer)).instances[0]
    assert (first.address.startswith("127."), first.private_address) == (True, "192.168.0.5")


def test_a_taken_and_a_silent_host_are_passed_over(client, team, offer, order):
    team[0].take()
    team[1].let("hang")
    client.options["hosts"]["lab"]["hosts"][1]["port"] = 1
    (instance,) = client.provision(order(offer)).instances
    assert instance.address == team[2].address
    assert team[0].claim["by"] == "bob@desk"


def test_too_few_free_hosts_are_a_refusal_that_names_each(client, team, offer, order):
    team[0].take()
    client.options["hosts"]["lab"]["hosts"][1]["port"] = 1
    with pytest.raises(CapacityError) as caught:
        client.provision(order(offer, 2))
    error = caught.value
    assert "does not have 2 free hosts of lab-8cpu-32gib in lab" in error.summary
    assert "gpu01 is taken by bob@desk for theirs" in error.summary
    assert "gpu02 does not answer" in error.summary
    assert (error.scope, error.made) == (Scope.INSTANCE_TYPE, ())
    assert error.block_s < 60  # a host may be freed at any moment
    assert claims(team) == {"gpu01": "by-hand"}
    assert len(team[2].authorized()) == 1
    assert Records(client.context()).read() == []


def test_one_refused_host_among_good_ones_is_passed_over(client, team, offer, order, tmp_path):
    stranger = tmp_path / "stranger"
    stranger.write_text(generate_key().private)
    hosts = client.options["hosts"]["lab"]["hosts"]
    hosts[0]["identity_file"] = str(stranger)
    assert client.provision(order(offer)).instances[0].address == team[1].address
    for host in hosts:
        host["identity_file"] = str(stranger)
    with pytest.raises(CredentialsError, match="gpu01 refused the key"):
        client.provision(order(offer))


def test_an_offer_of_something_else_is_refused(client, offer, order):
    for wrong in (
        replace(offer, instance_type="lab-H100x8"),
        replace(offer, region="old"),
        replace(offer, payload="{}"),
        replace(offer, payload="nonsense"),
    ):
        with pytest.raises(RequestError, match="has no hosts of"):
            client.provision(order(wrong))


def test_hosts_that_left_the_list_are_not_taken(client, team, offer, order):
    del client.options["hosts"]["lab"]["hosts"][0]
    assert client.provision(order(offer)).instances[0].address == team[1].address


def test_a_host_with_another_value_of_a_label_is_not_taken(client, team, order):
    hosts = client.options["hosts"]["lab"]["hosts"]
    for host in hosts:
        host["labels"] = {"rack": "1"}
    (offer,) = client.offers()
    request = order(offer, labels={"rack": "2", "team": "bio"})
    with pytest.raises(CapacityError, match="none has the task's labels"):
        client.provision(request)
    request = order(offer, labels={"rack": "1", "team": "bio"})
    assert len(client.provision(request).instances) == 1


# -- two at once -------------------------------------------------------------------------------


def test_two_commands_of_one_computer_never_share_a_host(client, team, offer, order):
    requests = [order(offer) for _ in range(3)]
    made: list[str] = []

    def buy(request):
        made.extend(i.address for i in client.provision(request).instances)

    threads = [threading.Thread(target=buy, args=(request,)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [host.address for host in team.hosts[:3]]


def test_two_computers_never_share_a_host(client, make_client, team, offer, order):
    other = make_client("other", client.options, owner="zzzzzzzz")
    (theirs,) = other.offers()
    results: list[object] = []

    def buy(who, request):
        try:
            results.append(who.provision(request))
        except CapacityError as error:
            results.append(error)

    orders = [(client, order(offer, 2)), (other, order(theirs, 2, owner="zzzzzzzz"))]
    threads = [threading.Thread(target=buy, args=each) for each in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bought = [r for r in results if not isinstance(r, CapacityError)]
    taken = claims(team)
    assert len(taken) == 2 * len(bought)
    assert len(bought) <= 1
    assert set(taken.values()) == {i.token for r in bought for i in r.instances}


def test_a_host_that_two_entries_lead_to_is_had_once(client, make_client, team, order):
    twice = [team.entry(0, name=name, host_key=team.host_key_line, **FACTS) for name in ("a", "b")]
    twice[1]["user"] = team.user
    twice[1]["address"] = team[1].address
    (team[1].home).rename(team[1].folder / "unused")
    (team[1].home).symlink_to(team[0].home)  # as a home folder on a shared disk
    other = make_client("other", {"hosts": twice})
    (offer,) = other.offers()
    with pytest.raises(CapacityError, match="is taken by alice@"):
        other.provision(order(offer, 2))
    assert team[0].claim is None


def test_who_holds_the_lock_for_too_long_is_not_waited_for(client, offer, order):
    with claiming(client.context(), Limit(1)), pytest.raises(ProviderUnavailable) as caught:
        client.provision(order(offer), budget_s=0.3)
    assert caught.value.never_sent


def test_what_cannot_be_written_down_is_not_claimed(client, team, offer, order, monkeypatch):
    from arb_ssh import memory

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(memory, "_replace", full)
    with pytest.raises(ProviderUnavailable, match="cannot be written: No space left"):
        client.provision(order(offer))
    assert claims(team) == {}


def test_a_list_that_became_wrong_claims_nothing_for_certain(client, offer, order):
    client.options["hosts"] = [{}]
    with pytest.raises(UsageError) as caught:
        client.provision(order(offer))
    assert caught.value.never_sent


# -- answers that are lost ---------------------------------------------------------------------


def test_a_lost_answer_is_asked_for_again(client, team, offer, order):
    for host in team.hosts:
        host.let("lose")
    request = order(offer, 2)
    result = client.provision(request)
    assert sorted(claims(team).values()) == tokens(request)
    assert [i.token for i in result.instances] == tokens(request)


def test_a_second_call_finds_what_the_first_one_took(client, team, offer, order):
    request = order(offer, 2)
    first = client.provision(request)
    assert client.provision(request) == first
    assert len(claims(team)) == 2


def test_a_host_that_falls_silent_in_the_middle_leaves_the_order_unknown(
    client, team, offer, order
):
    for host in team.hosts[:3]:
        host.let("hang")
    with pytest.raises(ProviderUnavailable, match=r"whether gpu0\d was claimed is not known"):
        client.provision(order(offer), budget_s=1.5)
    (record,) = Records(client.context()).read()
    assert record.token


def test_what_cannot_be_given_back_is_named(client, team, offer, order, monkeypatch):
    """The hosts are silent by the time that the gang turns out to be too large."""
    from arb_ssh import taking

    team[2].take()
    monkeypatch.setattr(taking.Taking, "_release", lambda *_: False)
    request = order(offer, 3)
    with pytest.raises(CapacityError) as caught:
        client.provision(request)
    assert {i.token for i in caught.value.made} == set(claims(team).values()) - {"by-hand"}


def test_a_host_on_which_keys_cannot_be_written_is_given_back(
    client, team, offer, order, monkeypatch
):
    from arb_ssh import taking

    ask = taking.ask

    def ask_gpu01_in_vain(host, access, script, limit):
        answer = ask(host, access, script, limit)
        is_vain = host.name == "gpu01" and "ln " in script
        return replace(answer, problem="authorized_keys cannot be written") if is_vain else answer

    monkeypatch.setattr(taking, "ask", ask_gpu01_in_vain)
    assert client.provision(order(offer)).instances[0].address == team[1].address
    assert team[0].claim is None
    with pytest.raises(CapacityError, match="gpu01: authorized_keys cannot be written"):
        client.provision(order(offer, 2))


CRASH = """
    import os, sys
    from pathlib import Path
    sys.path[:0] = {path!r}
    from arb_ssh import taking
    from arb.types import Offer
    import conftest

    ask = taking.ask

    def dying(host, access, script, limit):
        if {when!r} == "before":
            os.kill(os.getpid(), 9)
        ask(host, access, script, limit)
        os.kill(os.getpid(), 9)

    taking.ask = dying
    client = conftest.Client(Path({folder!r}), {options!r})
    (offer,) = client.offers()
    client.provision(conftest.order(offer))
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_who_dies_while_claiming_leaves_what_the_next_one_finds(client, team, offer, order, when):
    here = str(Path(__file__).parent)
    path = [here, *sys.path]
    code = textwrap.dedent(CRASH).format(
        path=path, when=when, folder=str(client.folder), options=client.options
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (record,) = Records(client.context()).read()
    listing = client.list(ListQuery(tokens=frozenset({record.token})))
    assert listing.covers("lab")
    if when == "before":
        assert listing.instances == (), "what never was is not called gone: it costs nothing"
    else:
        (instance,) = listing.instances
        assert instance.state is InstanceState.RUNNING
        assert client.terminate(instance).gone
    assert claims(team) == {}
    assert len(client.provision(order(offer, 3)).instances) == 3  # nothing is held by the dead


# -- what is told ------------------------------------------------------------------------------


def test_a_host_key_that_was_not_known_is_told_once(client, team, order):
    for host in client.options["hosts"]["lab"]["hosts"]:
        del host["host_key"]
    (offer,) = client.offers()
    first = client.provision(order(offer))
    (note,) = first.notes
    assert "the host key of gpu01 was not known; SHA256:" in note
    client.terminate(first.instances[0])
    assert client.provision(order(offer)).notes == ()


def test_known_host_keys_are_not_told(client, offer, order):
    assert client.provision(order(offer)).notes == ()


def test_hosts_that_were_free_are_tried_before_those_that_were_not(client, team, offer, order):
    client.options["hosts"]["lab"]["hosts"][0]["port"] = 1
    client.offers()  # sees that the first one is silent
    begun = time.monotonic()
    (instance,) = client.provision(order(offer)).instances
    assert instance.address == team[1].address
    assert time.monotonic() - begun < 5
