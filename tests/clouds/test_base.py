"""What every simulated cloud can do, tried on the smallest one."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from support.command import eventually

from arb.errors import NodeUnreachable
from arb.nodes.keys import generate_key
from arb.nodes.ssh import SshNode
from arb.nodes.user_data import node_setup
from arb.types import HostKey, SshEndpoint
from clouds.clock import SharedClock
from clouds.http import CloudServer
from clouds.ledger import claims
from clouds.model import NoRoom, Order
from clouds.nodes import Nodes, PaperNodes, has_sshd
from clouds.remote import CloudProcess, RemoteCloud
from clouds.toy import Toy
from clouds.userdata import UserData, WrongUserData

CLIENT = generate_key()
TESTS = str(Path(__file__).parents[1])
LOST = (ConnectionError, TimeoutError, http.client.HTTPException, urllib.error.URLError)


@pytest.fixture
def server(tmp_path):
    server = CloudServer(Toy(tmp_path / "toy", nodes=PaperNodes()))
    yield server
    server.close()


@pytest.fixture
def toy(server):
    """A cloud whose machines are on paper."""
    return server.cloud


@pytest.fixture
def real(tmp_path):
    """A cloud of real nodes."""
    server = CloudServer(Toy(tmp_path / "toy"))
    yield server.cloud
    server.close()


def call(toy, method, path="/things", body=None, timeout=5):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(toy.url + path, data=data, method=method)
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def make(toy, name="one", timeout=5, **more):
    body = {"name": name, "key": CLIENT.public, **more}
    return call(toy, "POST", body=body, timeout=timeout)["id"]


def connect(node, host_key=None):
    ssh = SshNode(SshEndpoint(node["address"], node["port"], node["user"]), CLIENT, host_key)

    def connected():
        try:
            ssh.connect()
        except NodeUnreachable:
            return False
        return True

    eventually(connected, what="the node")
    return ssh


# -- machines ------------------------------------------------------------------------------


@pytest.mark.parametrize("sshd", ["none", "all"])
def test_a_machine_shows_the_host_key_of_its_user_data_and_has_its_files(real, sshd):
    if sshd == "all" and not has_sshd():
        pytest.skip("no OpenSSH server here")
    real.nodes.sshd = sshd
    key = generate_key()
    setup = node_setup("t", 0, CLIENT.public, HostKey(key.public, key.private), 1800)
    make(real, user_data=setup.user_data())
    (view,) = real.machines()
    with connect(view, key.public) as ssh:
        assert ssh.exec("pwd").stdout.decode().strip() == str(real.nodes.home(view["node"]))
        assert b"arb" in ssh.exec("cat ../root/etc/systemd/system/arb-bringup.timer").stdout


@pytest.mark.parametrize("sshd", ["none", "all"])
def test_a_stopped_machine_has_a_dead_ssh_server_and_costs_nothing(real, sshd):
    if sshd == "all" and not has_sshd():
        pytest.skip("no OpenSSH server here")
    real.nodes.sshd = sshd
    vm = real.find(make(real))
    (view,) = real.machines()
    with connect(view):
        real.stop_vm(vm)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((view["address"], view["port"]), timeout=1)
        real.advance(3600)
        assert real.ledger().usd() < 0.01
        real.start_vm(vm)
    with connect(view) as ssh:
        assert ssh.exec("echo again").stdout == b"again\n"
    real.advance(3600)
    assert real.ledger().usd() == pytest.approx(3.6, abs=0.02)


def test_a_preempted_machine_is_dead_at_once_and_billed_until_then(real):
    id_ = make(real)
    real.advance(1800)
    real.preempt("one")
    (entry,) = real.ledger().of("machine")
    assert (entry.id, entry.reason) == (id_, "preempted")
    assert real.nodes.room.list() == ()
    real.advance(1800)
    assert real.ledger().usd() == pytest.approx(1.8, abs=0.01)


def test_a_preemption_with_notice_comes_after_it(toy):
    make(toy)
    toy.preempt("one", notice_s=30)
    assert [m["state"] for m in toy.machines()] == ["running"]
    toy.advance(31)
    assert [m["state"] for m in toy.machines()] == ["gone"]


def test_a_machine_that_switches_itself_off_ends_where_the_cloud_does_so(real):
    real.configure(power_off="gone")
    make(real)
    (view,) = real.machines()
    with connect(view) as ssh:
        ssh.open_channel("poweroff").close()
        eventually(lambda: real.machines()[0]["state"] == "gone")


@pytest.mark.parametrize(
    ("boots", "state"),
    [("stuck", "booting"), ("fail", "gone"), ("taken", "gone"), ("mute", "running")],
)
def test_machines_that_do_not_come_up(toy, boots, state):
    toy.configure(boots=boots, boot_delay_s=60)
    make(toy)
    assert [m["state"] for m in toy.machines()] == ["booting"]
    toy.advance(61)
    assert [m["state"] for m in toy.machines()] == [state]


# -- capacity ------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["small", "small@north", "small#on-demand", "*@north"])
def test_capacity_is_counted_where_it_was_limited(toy, place):
    toy.set_capacity(place, 1)
    id_ = make(toy, "one")
    with pytest.raises(urllib.error.HTTPError, match="409"):
        make(toy, "two")
    call(toy, "DELETE", f"/things/{id_}")
    make(toy, "three")


def test_capacity_of_another_place_limits_nothing(toy):
    toy.set_capacity("small@south", 0)
    toy.set_capacity("small#spot", 0)
    make(toy)


def test_a_quota_counts_what_orders_name(toy):
    order = Order("x", "big", "north", 1, UserData(), quotas={"gpus": 8})
    toy.set_quota("gpus", 15)
    toy.check_room(order)
    toy.make_vm(order, "t-x")
    with pytest.raises(NoRoom, match="gpus"):
        toy.check_room(order)


# -- faults --------------------------------------------------------------------------------


def test_a_status_fault_has_no_effect_and_ends_after_its_calls(toy):
    toy.fault("status", match="POST *", count=2, status=429, headers={"Retry-After": "7"})
    for _ in range(2):
        with pytest.raises(urllib.error.HTTPError) as caught:
            make(toy)
        assert (caught.value.code, caught.value.headers["Retry-After"]) == (429, "7")
        caught.value.close()
    assert toy.ledger().of("machine") == []
    make(toy)


def test_a_dropped_answer_has_its_effect(toy):
    toy.fault("drop", match="POST *")
    with pytest.raises(LOST):
        make(toy)
    assert len(toy.ledger().alive("machine")) == 1


def test_a_reset_call_has_none(toy):
    toy.fault("reset", skip=1)
    make(toy)
    with pytest.raises(LOST):
        make(toy, "two")
    assert len(toy.ledger().alive("machine")) == 1


def test_a_late_effect_comes_by_the_clouds_clock(toy):
    toy.fault("late", match="POST *", delay_s=90)
    with pytest.raises(LOST):
        make(toy)
    toy.advance(89)
    assert toy.ledger().entries == []
    toy.advance(2)
    assert len(toy.ledger().alive("machine")) == 1


def test_a_hanging_call_costs_the_client_its_patience(toy):
    toy.fault("late", match="POST *", hang_s=30, delay_s=1)
    begun = time.monotonic()
    with pytest.raises(LOST):
        make(toy, timeout=0.2)
    assert time.monotonic() - begun < 5


def test_garbage_is_sent_after_the_effect(toy):
    toy.fault("garbage", match="POST *")
    with pytest.raises(json.JSONDecodeError):
        make(toy)
    assert len(toy.ledger().alive("machine")) == 1


def test_a_closed_door_refuses_and_opens_again(toy, server):
    server.close_door()
    with pytest.raises(urllib.error.URLError, match="refused"):
        make(toy)
    server.open_door()
    make(toy)


def test_listings_lag_for_new_machines_and_for_ended_ones(toy):
    toy.configure(listing_lag_s=30)
    id_ = make(toy)
    assert call(toy, "GET") == {}
    toy.advance(31)
    call(toy, "DELETE", f"/things/{id_}")
    assert call(toy, "GET") == {id_: "running"}
    toy.advance(31)
    assert call(toy, "GET") == {id_: "gone"}


# -- the ledger ----------------------------------------------------------------------------


def test_what_nobody_claims_is_told_and_what_is_foreign_is_left_out(toy):
    other = toy.add_foreign("theirs")
    toy.add_foreign("their key", kind="key")
    first, second = make(toy, "arb-x-1-0000"), make(toy, "arb-x-2-0000")
    ledger = toy.ledger()
    assert [e.id for e in ledger.unclaimed()] == [first, second]
    assert [e.id for e in ledger.unclaimed({first})] == [second]
    assert [e.id for e in ledger.unclaimed({"arb-x-2"})] == [first]
    call(toy, "DELETE", f"/things/{other}")
    assert [e.id for e in toy.ledger().harmed()] == [other]


def test_claims_are_open_intents_and_machines_of_the_state(tmp_path):
    from arb.state.store import open_store

    store = open_store(f"sqlite:///{tmp_path / 'state.db'}")
    assert claims(store, "arb-owner") == {"arb-owner"}
    store.close()


def test_every_call_is_logged_with_what_came_of_it(toy):
    make(toy)
    toy.fault("drop")
    with pytest.raises(LOST):
        call(toy, "GET")
    calls = [(c.operation, c.status, c.fault) for c in toy.ledger().calls]
    assert calls == [("POST /things", 201, ""), ("GET /things", 0, "drop")]


# -- over HTTP and in other processes ------------------------------------------------------


def test_the_control_interface_works_over_http(toy):
    remote = RemoteCloud(toy.url)
    remote.set_capacity(place="small", limit=1)
    id_ = make(remote)
    remote.advance(seconds=3600)
    assert remote.ledger().usd() == pytest.approx(3.6, abs=0.01)
    remote.preempt(name=id_)
    assert [m["state"] for m in remote.machines()] == ["gone"]
    with pytest.raises(ValueError, match="no machine nothing"):
        remote.preempt(name="nothing")
    with pytest.raises(ValueError, match="no control shout"):
        remote.shout()


def test_a_cloud_in_another_process_ends_its_machines_with_it(tmp_path):
    remote = CloudProcess("clouds.toy", tmp_path / "toy")
    make(remote)
    (view,) = remote.machines()
    connect(view).close()
    remote.close()
    assert Nodes(tmp_path / "toy" / "room").room.list() == ()


def test_processes_share_a_clock(tmp_path):
    clock = SharedClock(tmp_path / "clock")
    code = "import sys; from pathlib import Path; from clouds.clock import SharedClock\n"
    code += "SharedClock(Path(sys.argv[1])).advance(1234.5)"
    command = [sys.executable, "-c", code, str(clock.path)]
    subprocess.run(command, check=True, env={"PYTHONPATH": TESTS})
    assert clock.offset_s() == 1234.5


def test_an_elastic_sleep_passes_at_once_for_everybody(tmp_path):
    mine = SharedClock(tmp_path / "clock", sleep_s=0.01)
    before = SharedClock(tmp_path / "clock").now()
    begun = time.monotonic()
    mine.sleep(600)
    assert time.monotonic() - begun < 60
    assert SharedClock(tmp_path / "clock").now() - before == pytest.approx(600, abs=1)


# -- user data -----------------------------------------------------------------------------


def test_a_host_key_that_sshd_is_not_told_of_is_not_shown():
    key = generate_key()
    setup = node_setup("t", 0, CLIENT.public, HostKey(key.public, key.private), 60)
    document = json.loads(setup.user_data().partition("\n")[2])
    whole = UserData.of_cloud_config(setup.user_data())
    assert whole.host_key() == key.private
    assert whole.bringup_timeout_s() == 60
    document["runcmd"] = []
    cut = UserData.of_cloud_config("#cloud-config\n" + json.dumps(document))
    assert cut.host_key() == ""


def test_user_data_of_another_kind_is_refused():
    with pytest.raises(WrongUserData):
        UserData.of_cloud_config("#!/bin/sh\necho hello")
