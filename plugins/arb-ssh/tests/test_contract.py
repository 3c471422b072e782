"""The conformance suite of providers, on a team's machines."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from arb.errors import Scope
from arb.nodes.keys import generate_key
from arb.testing import CloudMachine, ContractCloud, FakeClock, Login, ProviderContract
from arb.types import SshEndpoint
from arb_ssh import plugin as ssh_plugin

if TYPE_CHECKING:
    from support.team import Team

IDENTITY = "keys/team"
STRANGER = generate_key().private
POOLS = (("lab", range(5)), ("old", range(5, 6)))


class TeamCloud(ContractCloud):
    """Five equal machines in one pool, one in another."""

    def __init__(self, team: Team) -> None:
        super().__init__(FakeClock(time.time()))
        self.team = team
        self.seen: dict[str, CloudMachine] = {}
        team.reset()

    def login(self):
        return self._login(self.team.key.private)

    def refused_login(self):
        return self._login(STRANGER)

    def _login(self, key):
        return Login(files={IDENTITY: key}, secrets=tuple(key.strip().splitlines()[1:-1]))

    def hosts(self):
        """Return the list of hosts, which is everybody's; only the key is somebody's."""
        return {name: {"hosts": [self._entry(n) for n in numbers]} for name, numbers in POOLS}

    def _entry(self, number):
        facts = {"vcpus": 64, "memory_gib": 512, "accelerators": "H100:8", "accelerator_gib": 80}
        facts |= {"host_key": self.team.host_key_line, "identity_file": f"~/{IDENTITY}"}
        return self.team.entry(number, **facts)

    def in_stock(self, offer):
        return offer.available is not False

    def machines(self):
        now = self.clock.now()
        claims = [host.claim for host in self.team.hosts]
        there = {c["id"]: (c["token"], c["pool"]) for c in claims if c and "id" in c}
        for id_, (token, pool) in there.items():
            self.seen.setdefault(id_, CloudMachine(id_, token, region=pool))
        for id_, row in self.seen.items():
            row.gone_at = None if id_ in there else row.gone_at or now
        return list(self.seen.values())

    def things(self):
        return ()

    def received(self, machine_id):
        host = self._host(machine_id)
        return "\n".join((*host.authorized(), str(host.claim)))

    def shown(self, machine_id):
        return str(self._host(machine_id).claim)

    def endpoint(self, machine_id):
        host, team = self._host(machine_id), self.team
        return SshEndpoint(host.address, team.port, team.user, team.host_key_line)

    def stock_out(self, offer, left=0):
        names = dict(POOLS)[offer.region]
        free = [self.team[n] for n in names if self.team[n].claim is None]
        for host in free[left:]:
            host.take()
        return Scope.INSTANCE_TYPE

    def lose_next_answer(self):
        for host in self.team.hosts:
            host.let("lose")

    def hang(self):
        self._let("hang")

    def fail(self, status=503):
        self._let("fail")

    def garble(self):
        self._let("garble")

    def fail_region(self, region):
        for number in dict(POOLS)[region]:
            self.team[number].let("fail")

    def foreign_machine(self, name):
        host = next(h for h in reversed(self.team.hosts) if h.claim is None)
        host.take(token=name)
        return host.name

    def _let(self, fault):
        for host in self.team.hosts:
            host.let(fault)

    def _host(self, machine_id):
        return next(h for h in self.team.hosts if h.claim and h.claim.get("id") == machine_id)


class TestSshContract(ProviderContract):
    plugin = ssh_plugin

    @pytest.fixture(autouse=True)
    def _servers(self, servers):
        self.servers = servers

    def make_context(self, login, folder, home, **times):
        """Give the list of hosts to everybody, to those without a key too."""
        options = {"hosts": self.cloud.hosts(), **login.options}
        login = Login(login.env, login.files, options, login.secrets)
        return super().make_context(login, folder, home, **times)

    def make_cloud(self):
        return TeamCloud(self.servers)
