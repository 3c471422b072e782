"""The conformance suite of providers, on the simulated Spheron."""

from __future__ import annotations

import json

from clouds.contract import SimulatedCloud
from clouds.spheron import KEY, OTHER_KEY, Spheron
from clouds.spheron.shop import place_of

from arb.errors import Scope
from arb.testing import Login, ProviderContract
from arb_spheron import plugin as spheron_plugin


class SpheronCloud(SimulatedCloud):
    """Accounts, stock and listings of the simulated Spheron."""

    kind = Spheron
    order = "POST /api/deployments"
    listing = "GET /api/deployments"

    def __init__(self):
        super().__init__()
        self.simulated.configure(reads=100_000, posts=1000, echo_key=True)

    def everybody(self):
        return Login(options={"api_url": self.simulated.url})

    def login(self):
        return self._login(KEY)

    def refused_login(self):
        return self._login("sai_pk_refused_0003")

    def other_login(self):
        return self._login(OTHER_KEY)

    def stock_out(self, offer, left=0):
        self.simulated.configure(phantom=False)
        sold = next(o for o in self.simulated.shop if o.offer_id == offer.instance_type)
        place = place_of(sold, offer.region, "SPOT" if offer.spot else sold.kind)
        now = self.clock.now()
        used = sum(
            vm.order.place == place for vm in self.simulated.vms.values() if vm.is_counted(now)
        )
        self.simulated.set_capacity(str(place), used + left)
        return Scope.OFFER

    def shown(self, machine_id):
        return json.dumps(self.simulated.shown(machine_id))

    def fail_machine(self, machine_id):
        self.simulated.fail_machine(machine_id)

    def unknown_state(self, machine_id):
        self.simulated.configure(odd_status="hibernating")

    def foreign_thing(self, name):
        return self.simulated.add_foreign(name, "key")

    def _login(self, key):
        return Login(env={"SPHERON_API_KEY": key})


class TestSpheronContract(ProviderContract):
    plugin = spheron_plugin

    def make_cloud(self):
        return SpheronCloud()
