"""The conformance suite of providers, on the simulated Google."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from clouds.contract import SimulatedCloud
from clouds.gcp import Gcp
from clouds.gcp.customer import endpoints

from arb.errors import Scope
from arb.testing import Login, ProviderContract
from arb_gcp import plugin as gcp_plugin

pytest.importorskip("googleapiclient", reason="its documents say what the API is")
KEY = ".config/gcloud/application_default_credentials.json"


class GcpCloud(SimulatedCloud):
    """Accounts, stock and listings of the simulated Google."""

    kind = Gcp
    order = "compute.instances.insert"
    listing = "compute.instances.aggregatedList"

    def close(self):
        super().close()
        assert self.simulated.untrue == []

    def login(self):
        return self._login(self.simulated.write_key(str(self.folder / "own.json")))

    def refused_login(self):
        path = self.simulated.write_key(str(self.folder / "refused.json"))
        nobody = json.loads(Path(path).read_text()) | {"client_email": "nobody@example.com"}
        return self._login_of(nobody)

    def other_login(self):
        return self._login(self.simulated.write_key(str(self.folder / "other.json"), other=True))

    def stock_out(self, offer, left=0):
        place = self._place(offer)
        used = sum(
            str(vm.order.place) == place and vm.is_counted(self.clock.now())
            for vm in self.simulated.vms.values()
        )
        self.simulated.set_capacity(place, used + left)
        return Scope.OFFER if json.loads(offer.payload).get("guest") else Scope.ZONE

    def use_up_quota(self, offer):
        assert "CPUS" in offer.quota_family.split(), offer  # the cheapest is a small machine
        self.simulated.set_quota(f"CPUS@{offer.region}", 0)
        return Scope.QUOTA_FAMILY

    def refuse_late(self, offer):
        self.stock_out(offer)

    def machines(self):
        """Return the ledger's machines by name: that is what the API and we call them by."""
        return [replace(entry, id=entry.name) for entry in super().machines()]

    def foreign_machine(self, name):
        super().foreign_machine(name)
        return name

    def shown(self, machine_id):
        vm = self.simulated.find(machine_id)
        record = next(r for r in self.simulated.engine.records.values() if r.vm is vm)
        return json.dumps({k: v for k, v in record.body.items() if k != "metadata"})

    def foreign_thing(self, name):
        return self.simulated.add_foreign(name, "firewall")

    def fail_machine(self, machine_id):
        self._cannot("bills no machine that failed")

    def _place(self, offer):
        guest = json.loads(offer.payload).get("guest")
        kind = f"{offer.instance_type}+{guest['type']}" if guest else offer.instance_type
        spot = "spot" if offer.spot else "on-demand"
        return f"{kind}@{offer.region}/{offer.zone}#{spot}"

    def _login(self, path):
        return self._login_of(json.loads(Path(path).read_text()))

    def _login_of(self, key):
        secret = key["private_key"]
        return Login(files={KEY: json.dumps(key)}, secrets=(secret, secret.splitlines()[5]))


class TestGcpContract(ProviderContract):
    plugin = gcp_plugin

    def make_context(self, login, folder, home, **times):
        """Point everybody at the simulated server, those without an account too."""
        options = {"endpoints": endpoints(self.cloud.simulated.url), "ssh_port": 2222}
        env = {"NO_GCE_CHECK": "true", **login.env}
        login = Login(env, login.files, {**options, **login.options}, login.secrets)
        return super().make_context(login, folder, home, **times)

    def make_cloud(self):
        return GcpCloud()
