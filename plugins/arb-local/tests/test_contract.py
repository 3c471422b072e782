"""The conformance suite of providers, on a machine room with simulated instance types."""

from __future__ import annotations

import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

from arb.errors import Scope
from arb.testing import CloudMachine, ContractCloud, FakeClock, Login, ProviderContract
from arb.types import SshEndpoint
from arb_local import plugin as local_plugin
from arb_local.room import MachineSpec, MachineState, Place, Room

SIMULATED = (
    {
        "instance_type": "sim.small",
        "price_usd_hour": 0.2,
        "regions": {"east": ["a"], "west": []},
        "partial_gangs": True,
    },
    {
        "instance_type": "sim.h100",
        "accelerator": "H100",
        "accelerator_gib": 80,
        "vcpus": 16,
        "memory_gib": 128,
        "price_usd_hour": 3.0,
        "spot_price_usd_hour": 1.2,
        "regions": {"east": ["a"]},
        "partial_gangs": True,
    },
    {
        "instance_type": "sim.h100x8",
        "accelerator": "H100",
        "accelerator_count": 8,
        "accelerator_gib": 80,
        "vcpus": 128,
        "memory_gib": 1024,
        "price_usd_hour": 24.0,
        "regions": {"east": ["a"]},
        "minimum_s": 1200,
    },
)


class LocalCloud(ContractCloud):
    """One room for the suite's orders and another one for what is not theirs."""

    def __init__(self) -> None:
        super().__init__(FakeClock(time.time()))
        self.folder = Path(tempfile.mkdtemp(prefix="arb-room-"))
        self.room = Room(self.folder / "room", now=self.clock.now)

    def close(self) -> None:
        ids = [machine.id for machine in self.room.list()]
        with ThreadPoolExecutor() as several:
            assert all(several.map(self.room.terminate, ids))
        shutil.rmtree(self.folder)

    def login(self) -> Login:
        return Login(options={"room": str(self.room.path)})

    def other_login(self) -> Login:
        return Login(options={"room": str(self.folder / "another")})

    def in_stock(self, offer) -> bool:
        return offer.note == "simulated"

    def machines(self):
        rows = []
        for life in self.room.history():
            facts = life.made.facts["machine"]
            rows.append(
                CloudMachine(life.id, facts["token"], life.gone_at or None, facts["region"])
            )
        return rows

    def things(self):
        return ()

    def received(self, machine_id):
        folder = self.room.get(machine_id).folder
        files = [folder / "host_key", folder / "home" / ".ssh" / "authorized_keys"]
        files += [path for path in (folder / "root").rglob("*") if path.is_file()]
        return "\n".join(f"{path}\n{path.read_text()}" for path in files)

    def shown(self, machine_id):
        machine = self.room.get(machine_id)
        return f"{machine.token} {dict(machine.tags)}"

    def endpoint(self, machine_id):
        machine = self.room.get(machine_id)
        return SshEndpoint(machine.address, machine.port, machine.user)

    def stock_out(self, offer, left=0):
        place = Place(offer.instance_type, offer.region, offer.zone, offer.spot)
        self.room.set_capacity(place, left)
        return Scope.ZONE if offer.zone else Scope.INSTANCE_TYPE

    def advance(self, seconds):
        """Let the ledger's time pass; nodes themselves live in real time, and are waited for."""
        self.clock.advance(seconds)
        deadline = time.monotonic() + 20
        while any(machine.state is MachineState.PENDING for machine in self.room.list()):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def foreign_machine(self, name):
        return self.room.make(MachineSpec(name)).id

    def preempt(self, machine_id):
        self.room.preempt(machine_id)


class TestLocalContract(ProviderContract):
    plugin = local_plugin
    options: ClassVar = {"simulated": list(SIMULATED)}
    deviations: ClassVar = {
        "test_user_data_arrives_whole": "nodes are no computers of their own: files go below the"
        " node's folder, and commands for root are not run",
        "test_an_unknown_instance_type_is_a_request_error": "a node is whatever its offer says:"
        " this machine runs each of them",
    }

    def make_cloud(self):
        return LocalCloud()
