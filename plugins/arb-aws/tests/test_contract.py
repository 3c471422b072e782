"""The conformance suite of providers, on the simulated AWS."""

from __future__ import annotations

import json

import pytest
from clouds.aws import OTHER_KEY, OWN_KEY, SECRET, Aws
from clouds.aws.errors import ec2_xml
from clouds.aws.shop import family_quota
from clouds.contract import SimulatedCloud

from arb.errors import Scope
from arb.testing import Login, ProviderContract
from arb_aws import plugin as aws_plugin

pytest.importorskip("moto", reason="the simulated AWS stands on it")
_ALWAYS = 1_000_000


class AwsCloud(SimulatedCloud):
    """Accounts, stock and listings of the simulated AWS."""

    kind = Aws
    order = "RunInstances"
    listing = "DescribeInstances"

    def __init__(self):
        super().__init__()
        few = ("t3.micro", "g6.xlarge", "g6.12xlarge", "p5.48xlarge")
        self.simulated.configure(types=few, regions=("us-east-1", "us-east-2"), end_delay_s=20)

    def login(self):
        return self._login(OWN_KEY)

    def refused_login(self):
        return self._login("AKIANOBODYSKEYTEST03")

    def other_login(self):
        return self._login(OTHER_KEY)

    def stock_out(self, offer, left=0):
        kind = "spot" if offer.spot else "on-demand"
        place = f"{offer.instance_type}@{offer.region}/{offer.zone}#{kind}"
        now = self.clock.now()
        used = sum(
            str(vm.order.place) == place and vm.is_counted(now)
            for vm in self.simulated.vms.values()
        )
        self.simulated.set_capacity(place, used + left)
        return Scope.ZONE

    def use_up_quota(self, offer):
        code = family_quota(offer.instance_type, spot=offer.spot)
        self.simulated.set_quota(f"{code}@{offer.region}", 0)
        return Scope.QUOTA_FAMILY

    def refuse_late(self, offer):
        self.simulated.configure(boots="fail", boot_delay_s=5)

    def unknown_id(self):
        return "i-0123456789abcdef0"

    def rate_limit(self, retry_after_s):
        body = ec2_xml("RequestLimitExceeded", "Request limit exceeded.")
        headers = {"Retry-After": f"{retry_after_s:.0f}"}
        self.simulated.fault("status", count=_ALWAYS, status=503, headers=headers, body=body)

    def shown(self, machine_id):
        record = self.simulated.engine.records[machine_id]
        return json.dumps(record.instance.get_tags())

    def foreign_thing(self, name):
        return self.simulated.add_foreign(name, "security-group")

    def unknown_state(self, machine_id):
        self.simulated.configure(odd_state="hibernating")

    def fail_machine(self, machine_id):
        self._cannot("bills no machine that failed")

    def _login(self, key):
        env = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": SECRET}
        return Login(env)


class TestAwsContract(ProviderContract):
    plugin = aws_plugin

    def make_context(self, login, folder, home, **times):
        """Point everybody at the simulated server, those without an account too."""
        options = {"endpoint_url": self.cloud.simulated.url, "ssh_port": 2222}
        env = {"AWS_EC2_METADATA_DISABLED": "true", **login.env}
        login = Login(env, login.files, {**options, **login.options}, login.secrets)
        return super().make_context(login, folder, home, **times)

    def make_cloud(self):
        return AwsCloud()
