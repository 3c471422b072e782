"""The hooks, called as the core calls them."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from arb.errors import CapacityError, CredentialsError, Scope, UsageError
from arb.plugins.manager import Plugins
from arb.plugins.settings import PluginSettings
from arb.testing import FakeClock
from arb.types import (
    CheckStatus,
    ClusterRef,
    GoneReason,
    HostKey,
    InstanceRef,
    InstanceState,
    ListQuery,
    NodeFile,
    NodeSetup,
    Offer,
    ProvisionRequest,
    Termination,
)
from arb_local.room import Place, Room
from arb_local.room.hostkeys import generate, public_line

OWNER = "ownerabc"
SIMULATED = {
    "instance_type": "sim.h100x8",
    "accelerator": "H100",
    "accelerator_count": 8,
    "price_usd_hour": 20.0,
    "spot_price_usd_hour": 8.0,
    "regions": {"east": ["a", "b"], "west": []},
}


class Unlimited:
    def acquire(self, budget, *, deadline):
        pass


@pytest.fixture
def open_provider(tmp_path):
    """Open the provider as a command does; whatever it made is ended afterwards."""
    path = tmp_path / "data" / "local" / "room"

    def open_with(clock=None, env=None, **options):
        settings = PluginSettings(
            cache_dir=tmp_path / "cache",
            data_dir=tmp_path / "data",
            env=env or {},
            home=tmp_path,
            owner=lambda: OWNER,
            limiter=lambda name, budgets: Unlimited(),
            options={"local": options},
            **({"clock": clock} if clock else {}),
        )
        return Plugins(settings, warn=pytest.fail).provider("local")

    (tmp_path / "cache").mkdir()
    (tmp_path / "data").mkdir()
    yield open_with
    room = Room(path)
    for machine in room.list():
        assert room.terminate(machine.id)


def offers(provider):
    """Return the catalog's rows as the core's offers."""
    import pandas as pd

    known = Offer.__dataclass_fields__
    rows = provider.catalog().frame.to_dict("records")
    return [
        Offer(
            provider="local",
            **{k: None if pd.isna(v) else v for k, v in row.items() if k in known},
        )
        for row in rows
    ]


def offer_of(provider, offer_id, *, spot=False):
    return next(o for o in offers(provider) if (o.offer_id, o.spot) == (offer_id, spot))


def request(client, offer, count=1, attempt="000", **setup):
    token = f"arb-{OWNER}-clustera-{attempt}"
    keys = [generate() for _ in range(count)]
    setups = (
        NodeSetup(f"{token}-{rank:04}", rank, client.public, HostKey(public_line(k), k), **setup)
        for rank, k in enumerate(keys)
    )
    return ProvisionRequest("mine", token, offer, count, tuple(setups))


def ref(instance):
    return InstanceRef("local", instance.id, instance.region, instance.token, instance.zone)


def wait_running(provider, count=1):
    deadline = time.monotonic() + 20
    while True:
        found = provider.list_instances(ListQuery(OWNER)).instances
        if sum(i.state is InstanceState.RUNNING for i in found) == count:
            return found
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_without_configuration_this_machine_is_sold_at_zero(open_provider):
    frame = open_provider().catalog().frame
    assert set(frame["price_usd_hour"]) == {0.0}
    assert frame.iloc[0]["instance_type"] == "this-machine"


def test_simulated_types_are_sold_in_each_zone_and_class_and_named_as_simulated(open_provider):
    found = [o for o in offers(open_provider(simulated=[SIMULATED])) if o.price_usd_hour]
    assert [(o.place, o.spot, o.price_usd_hour) for o in found] == [
        ("east/a", False, 20.0),
        ("east/a", True, 8.0),
        ("east/b", False, 20.0),
        ("east/b", True, 8.0),
        ("west", False, 20.0),
        ("west", True, 8.0),
    ]
    assert {o.note for o in found} == {"simulated"}


def test_a_node_can_be_bought_reached_and_given_back(open_provider, client, ssh):
    provider = open_provider()
    order = request(client, offer_of(provider, "this-machine"), count=2)
    result = provider.provision(order)
    assert [i.token for i in result.instances] == [s.token for s in order.setups]
    assert {i.state for i in result.instances} == {InstanceState.PENDING}
    for setup, instance in zip(order.setups, wait_running(provider, 2), strict=True):
        endpoint = provider.ssh_ports(instance)
        assert endpoint.host == instance.address
        known = client.private.with_name("known")
        known.write_text(f"[{endpoint.host}]:{endpoint.port} {setup.host_key.public}\n")
        line = ["ssh", "-F", "/dev/null", "-i", str(client.private), "-p", str(endpoint.port)]
        line += ["-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes"]
        line += ["-o", "BatchMode=yes", f"{endpoint.user}@{endpoint.host}", "echo reached"]
        assert subprocess.check_output(line) == b"reached\n"
    for instance in result.instances:
        assert provider.terminate(ref(instance)) == Termination.GONE
        assert provider.terminate(ref(instance)) == Termination.GONE
    provider.cleanup(ClusterRef("mine", OWNER, (order.token,), frozenset({"local"})))
    gone = provider.list_instances(ListQuery(OWNER)).instances
    assert [(i.state, i.reason) for i in gone] == [(InstanceState.GONE, GoneReason.USER)] * 2


def test_a_second_order_under_the_same_token_makes_nothing(open_provider, client):
    provider = open_provider()
    order = request(client, offer_of(provider, "this-machine"))
    first, second = provider.provision(order), provider.provision(order)
    assert [i.id for i in first.instances] == [i.id for i in second.instances]
    assert len(provider.list_instances(ListQuery()).instances) == 1


def test_a_listing_is_filtered_by_owner_token_and_region(open_provider, client):
    provider = open_provider()
    order = request(client, offer_of(provider, "this-machine"))
    provider.provision(order)
    token = order.setups[0].token

    def count(**query):
        listing = provider.list_instances(ListQuery(**query))
        assert listing.covers("local", listing.account)
        return len(listing.instances)

    assert count(owner=OWNER) == count() == count(tokens=frozenset({token})) == 1
    assert count(regions=frozenset({"local"})) == 1
    assert count(owner="somebody") == count(tokens=frozenset({"x"})) == 0
    assert count(regions=frozenset({"elsewhere"})) == 0


def test_a_machine_without_an_arb_token_is_never_listed(open_provider, tmp_path):
    from arb_local.room import MachineSpec

    room = Room(tmp_path / "data" / "local" / "room")
    room.make(MachineSpec("somebody-elses"))
    assert open_provider().list_instances(ListQuery()).instances == ()


def test_no_capacity_in_a_zone_is_said_of_the_zone(open_provider, client):
    provider = open_provider(simulated=[{**SIMULATED, "capacity": 1}])
    order = request(client, offer_of(provider, "sim.h100x8@east/a"), count=2)
    with pytest.raises(CapacityError) as caught:
        provider.provision(order)
    assert (caught.value.scope, caught.value.made) == (Scope.ZONE, ())
    assert provider.list_instances(ListQuery()).instances == ()


def test_no_capacity_in_a_region_is_said_of_the_type(open_provider, client, tmp_path):
    provider = open_provider(simulated=[SIMULATED])
    Room(tmp_path / "data" / "local" / "room").set_capacity(Place("sim.h100x8", "east"), 0)
    with pytest.raises(CapacityError) as caught:
        provider.provision(request(client, offer_of(provider, "sim.h100x8@east/a")))
    assert caught.value.scope is Scope.INSTANCE_TYPE


def test_a_partial_gang_names_what_exists(open_provider, client):
    provider = open_provider(simulated=[{**SIMULATED, "capacity": 2, "partial_gangs": True}])
    order = request(client, offer_of(provider, "sim.h100x8@east/a"), count=3)
    with pytest.raises(CapacityError) as caught:
        provider.provision(order)
    assert [i.token for i in caught.value.made] == [s.token for s in order.setups[:2]]


def test_live_prices_follow_the_configuration(open_provider):
    asked = offer_of(open_provider(simulated=[SIMULATED]), "sim.h100x8@east/a")
    frame = open_provider(simulated=[{**SIMULATED, "price_usd_hour": 25.0}]).query_prices([asked])
    assert frame["price_usd_hour"].tolist() == [25.0]


def test_capacity_is_found_out_by_a_launch_unless_the_type_tells_it(open_provider, tmp_path):
    import pandas as pd

    silent = {**SIMULATED, "capacity": 3}
    telling = {**silent, "instance_type": "telling", "tells_capacity": True}
    provider = open_provider(simulated=[silent, telling])
    room = Room(tmp_path / "data" / "local" / "room")
    for name in ("sim.h100x8", "telling"):
        room.set_capacity(Place(name, "east", "a", spot=True), 0)
    ids = ("sim.h100x8@east/a", "telling@east/a")
    asked = [offer_of(provider, id_, spot=spot) for id_ in ids for spot in (False, True)]
    told = [(offer.available, offer.capacity) for offer in asked]
    live = provider.query_prices(asked)
    answers = {(r.offer_id, r.spot): r.available for r in live.itertuples()}
    assert told == [(None, None), (None, None), (True, 3), (False, 0)]
    assert {key: bool(free) for key, free in answers.items() if not pd.isna(free)} == {
        (ids[1], False): True,
        (ids[1], True): False,
    }


def test_machines_that_were_bought_are_not_free(open_provider, client):
    provider = open_provider(simulated=[{**SIMULATED, "capacity": 3, "tells_capacity": True}])
    provider.provision(request(client, offer_of(provider, "sim.h100x8@west"), count=2))
    assert offer_of(provider, "sim.h100x8@west").capacity == 1
    assert offer_of(provider, "sim.h100x8@east/a").capacity == 3


def test_a_type_has_the_price_and_the_coordinates_of_its_region(open_provider):
    kind = {
        **SIMULATED,
        "price_usd_hour": {"east": 20.0, "west": 18.0},
        "spot_price_usd_hour": {"east/b": 21.0},
        "coordinates": {"west": [45.6, -121.2]},
        "arch": "arm64",
    }
    found = [o for o in offers(open_provider(simulated=[kind])) if o.price_usd_hour]
    assert [(o.place, o.spot, o.price_usd_hour, o.latitude, o.longitude) for o in found] == [
        ("east/a", False, 20.0, None, None),
        ("east/b", False, 20.0, None, None),
        ("east/b", True, 21.0, None, None),
        ("west", False, 18.0, 45.6, -121.2),
    ]
    assert {o.arch for o in found} == {"arm64"}


def test_the_catalog_names_the_file_that_it_was_read_from(open_provider, tmp_path):
    file = tmp_path / "types.yaml"
    file.write_text("- {instance_type: a, price_usd_hour: 1}\n")
    assert open_provider(simulated="~/types.yaml").catalog().files == (str(file),)
    assert open_provider(simulated=str(file)).catalog().files == (str(file),)
    assert open_provider(simulated=[SIMULATED]).catalog().files == ()


def test_an_offer_that_is_not_sold_any_more_has_no_live_price(open_provider):
    asked = offer_of(open_provider(simulated=[SIMULATED]), "sim.h100x8@west")
    assert len(open_provider().query_prices([asked])) == 0


def test_ending_a_node_that_is_gone_removes_what_a_killed_process_left_of_it(
    open_provider, client, tmp_path
):
    provider = open_provider()
    offer = offer_of(provider, "this-machine")
    (instance,) = provider.provision(request(client, offer)).instances
    assert provider.terminate(ref(instance)) == Termination.GONE
    machines = tmp_path / "data" / "local" / "room" / "machines"
    (machines / f".gone-{instance.id}" / "home").mkdir(parents=True)
    assert provider.terminate(ref(instance)) == Termination.GONE
    assert list(machines.iterdir()) == []


def test_a_minimum_run_time_is_kept_and_told(open_provider, client):
    clock = FakeClock(time.time())
    provider = open_provider(clock, simulated=[{**SIMULATED, "minimum_s": 1200}])
    offer = offer_of(provider, "sim.h100x8@west")
    assert offer.minimum_s == 1200
    (instance,) = provider.provision(request(client, offer)).instances
    clock.advance(300)
    answer = provider.terminate(ref(instance))
    assert (answer.gone, answer.retry_after_s) == (False, 900)
    until = datetime.fromtimestamp(math.ceil((instance.made_at + 1200) / 60) * 60, UTC)
    assert answer.detail == f"minimum run time, until {until:%H:%M} UTC"
    clock.advance(900)
    assert provider.terminate(ref(instance)).gone


def test_a_spot_machine_is_preempted_after_its_time(open_provider, client):
    kind = {**SIMULATED, "preempt_after_s": 0.6, "notice_s": 0.2}
    provider = open_provider(simulated=[kind])
    offer = offer_of(provider, "sim.h100x8@west", spot=True)
    provider.provision(request(client, offer))
    deadline = time.monotonic() + 15
    while (found := provider.list_instances(ListQuery()).instances[0]).state != "gone":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert found.reason is GoneReason.PREEMPTED
    assert found.spot


def test_an_on_demand_machine_of_the_same_type_stays(open_provider, client, tmp_path):
    provider = open_provider(simulated=[{**SIMULATED, "preempt_after_s": 0.1}])
    provider.provision(request(client, offer_of(provider, "sim.h100x8@west")))
    wait_running(provider)
    (machine,) = Room(tmp_path / "data" / "local" / "room").list()
    assert json.loads((machine.folder / "machine.json").read_text())["end_at"] == 0


def test_stop_and_start_keep_the_home_and_the_name(open_provider, client, tmp_path):
    provider = open_provider()
    provider.provision(request(client, offer_of(provider, "this-machine")))
    (instance,) = wait_running(provider)
    (machine,) = Room(tmp_path / "data" / "local" / "room").list()
    (machine.home / "file").write_text("kept")
    assert provider.stop([ref(instance)])[0].state is InstanceState.STOPPED
    started = provider.start([ref(instance)])[0]
    assert started.state in {InstanceState.PENDING, InstanceState.RUNNING}
    wait_running(provider)
    assert (machine.home / "file").read_text() == "kept"
    provider.terminate(ref(instance))
    assert provider.stop([ref(instance)])[0].state is InstanceState.GONE


def test_a_stopped_machine_needs_capacity_to_start(open_provider, client):
    provider = open_provider(simulated=[{**SIMULATED, "capacity": 1}])
    offer = offer_of(provider, "sim.h100x8@west")
    (first,) = provider.provision(request(client, offer)).instances
    provider.stop([ref(first)])
    provider.provision(request(client, offer, attempt="001"))
    with pytest.raises(CapacityError):
        provider.start([ref(first)])


def test_the_recipe_of_a_node_to_end_itself_works(open_provider, client, tmp_path):
    provider = open_provider()
    provider.provision(request(client, offer_of(provider, "this-machine")))
    (instance,) = wait_running(provider)
    recipe = provider.self_terminate(ref(instance))
    assert not recipe.needs_account_key
    (machine,) = Room(tmp_path / "data" / "local" / "room").list()
    deadline = time.monotonic() + 15
    while not (machine.folder / "run" / "init.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    subprocess.run(["sh", "-c", recipe.command], check=True)
    deadline = time.monotonic() + 15
    while provider.list_instances(ListQuery()).instances[0].state != "gone":
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_notice_appears_where_the_probe_looks(open_provider, client, tmp_path):
    provider = open_provider()
    provider.provision(request(client, offer_of(provider, "this-machine")))
    wait_running(provider)
    room = Room(tmp_path / "data" / "local" / "room")
    (machine,) = room.list()
    path = provider.preemption_notice().path
    assert path.startswith("~/")
    room.preempt(machine.id, notice_s=60)
    assert (machine.home / path[2:]).exists()


def test_files_of_user_data_go_below_the_node_and_the_private_key_does_not(
    open_provider, client, tmp_path
):
    provider = open_provider()
    offer = offer_of(provider, "this-machine")
    order = request(client, offer, files=(NodeFile("/etc/motd", "hi", "0644"),))
    key = NodeFile("/etc/ssh/arb_host_ed25519", order.setups[0].host_key.private)
    setup = replace(order.setups[0], files=(*order.setups[0].files, key))
    provider.provision(replace(order, setups=(setup,)))
    (machine,) = Room(tmp_path / "data" / "local" / "room").list()
    root = machine.folder / "root"
    assert [str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()] == ["etc/motd"]


def test_gpus_are_given_to_one_node_each(open_provider, client, tmp_path):
    provider = open_provider()
    base = offer_of(provider, "this-machine")
    payload = json.dumps({"gpus": [0, 1, 2, 3], "gpu_count": 2})
    offer = replace(base, offer_id="x", instance_type="x", accelerator="L4", payload=payload)
    provider.provision(request(client, offer, count=2))
    folders = [m.folder for m in Room(tmp_path / "data" / "local" / "room").list()]
    records = [json.loads((f / "machine.json").read_text()) for f in folders]
    visible = {r["environment"]["CUDA_VISIBLE_DEVICES"] for r in records}
    assert visible == {"0,1", "2,3"}
    with pytest.raises(CapacityError):
        provider.provision(request(client, offer, attempt="001"))


def test_no_credential_is_ever_mounted(open_provider):
    assert open_provider().credential_mounts() == {}


@pytest.mark.parametrize("where", ["option", "variable", "data-folder"])
def test_the_room_is_where_the_user_says(open_provider, client, tmp_path, where):
    wanted = tmp_path / "elsewhere"
    options = {"room": str(wanted)} if where == "option" else {}
    env = {} if where == "data-folder" else {"ARB_LOCAL_ROOM": str(wanted)}
    if where == "option":
        env = {"ARB_LOCAL_ROOM": str(tmp_path / "unused")}
    provider = open_provider(env=env, **options)
    provider.provision(request(client, offer_of(provider, "this-machine")))
    path = tmp_path / "data" / "local" / "room" if where == "data-folder" else wanted
    (machine,) = Room(path).list()
    assert Room(path).terminate(machine.id)


def test_a_node_of_another_room_is_not_called_gone(open_provider, client, tmp_path):
    bought_in = open_provider()
    made = bought_in.provision(request(client, offer_of(bought_in, "this-machine")))
    moved = open_provider(room=str(tmp_path / "elsewhere"))
    node = replace(ref(made.instances[0]), account=made.account)

    assert not moved.list_instances(ListQuery(OWNER)).covers(node.region, node.account)
    with pytest.raises(CredentialsError, match="elsewhere"):
        moved.terminate(node)
    assert bought_in.list_instances(ListQuery(OWNER)).covers(node.region, node.account)
    assert bought_in.terminate(node) is Termination.GONE


def test_a_node_path_from_the_configuration_comes_first(open_provider, client, tmp_path):
    provider = open_provider(path=["/opt/own/bin", "~/bin"])
    provider.provision(request(client, offer_of(provider, "this-machine")))
    (machine,) = Room(tmp_path / "data" / "local" / "room").list()
    record = json.loads((machine.folder / "machine.json").read_text())
    assert record["path"] == ["/opt/own/bin", f"{tmp_path}/bin"]
    with pytest.raises(UsageError, match="absolute"):
        open_provider(path="bin").provision(
            request(client, offer_of(provider, "this-machine"), attempt="001")
        )


def test_the_check_says_what_works_and_what_is_wrong(open_provider, tmp_path):
    good = open_provider(simulated=[SIMULATED]).check()
    assert (good.status, good.may) == (CheckStatus.OK, ("launch",))
    assert "1 simulated instance type" in good.summary
    bad = open_provider(simulated=[{"instance_type": "x"}]).check()
    assert bad.status is CheckStatus.REFUSED
    assert "neither price_usd_hour" in bad.summary


def test_importing_the_hooks_imports_nothing_else_of_weight():
    code = "import sys, arb_local.plugin; print(*sys.modules)"
    names = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
    heavy = {"asyncssh", "pandas", "cryptography", "subprocess", "arb_local.room", "yaml"}
    assert not heavy & names
