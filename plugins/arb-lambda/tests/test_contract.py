"""The conformance suite of providers, on the simulated Lambda."""

from __future__ import annotations

import json

from clouds.contract import SimulatedCloud
from clouds.lambda_cloud import KEY, OTHER_KEY, Lambda

from arb.errors import Scope
from arb.testing import Login, ProviderContract
from arb_lambda import plugin as lambda_plugin


class LambdaCloud(SimulatedCloud):
    """Accounts, stock and listings of the simulated Lambda."""

    kind = Lambda
    order = "POST /instance-operations/launch"

    def __init__(self):
        super().__init__()
        self.simulated.configure(calls_per_s=0, launch_every_s=0, echo=True, end_delay_s=20)

    def close(self):
        super().close()
        assert self.simulated.untrue == []
        assert self.simulated.changed_of_others() == []

    def login(self):
        return self._login(KEY)

    def refused_login(self):
        return self._login("secret_refused.0003")

    def other_login(self):
        return self._login(OTHER_KEY)

    def stock_out(self, offer, left=0):
        place = f"{offer.instance_type}@{offer.region}"
        used = sum(
            f"{vm.order.kind}@{vm.order.region}" == place and vm.is_counted(self.clock.now())
            for vm in self.simulated.vms.values()
        )
        self.simulated.set_capacity(place, used + left)
        return Scope.INSTANCE_TYPE

    def use_up_quota(self, offer):
        used = sum(
            vm.order.quotas.get("instances", 0)
            for vm in self.simulated.vms.values()
            if vm.is_counted(self.clock.now())
        )
        self.simulated.set_quota("instances", used)
        return Scope.PROVIDER

    def unknown_id(self):
        return "f" * 32

    def shown(self, machine_id):
        return json.dumps(self.simulated.shown(machine_id))

    def fail_machine(self, machine_id):
        self.simulated.preempt(machine_id)

    def foreign_thing(self, name):
        return self.simulated.add_foreign(name, "ruleset")

    def small_pages(self, rows):
        self._cannot("shows everything at once")

    def _login(self, key):
        options = {"api_url": self.simulated.url, "ssh_port": 2222}
        return Login(env={"LAMBDA_API_KEY": key}, options=options)


class TestLambdaContract(ProviderContract):
    plugin = lambda_plugin

    def make_cloud(self):
        return LambdaCloud()
