"""A customer of the simulated Lambda: hooks, called as the core calls them, and recorded answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from arb.catalog import offers_from_catalog
from arb.errors import RateLimited
from arb.nodes.keys import generate_key
from arb.nodes.user_data import node_setup
from arb.types import (
    ClusterRef,
    HostKey,
    InstanceRef,
    ListQuery,
    ProviderContext,
    ProvisionRequest,
)
from arb.types.tokens import attempt_token, machine_token
from arb_lambda import plugin
from clouds.lambda_cloud.settings import KEY

__all__ = ["CLIENT", "OWNER", "Budgets", "Customer", "recorded"]

OWNER = "ownerabc"
CLIENT = generate_key()
RECORDED = Path(__file__).parents[3] / "plugins" / "arb-lambda" / "tests" / "data"


def recorded(name):
    """Return a recorded answer; the values are invented, the form is the API's."""
    return json.loads((RECORDED / f"{name}.json").read_text())


class Budgets:
    """A limiter that keeps the limits as the core's does, in memory, and notes what was taken.

    Attributes:
        taken: Names of budgets, in order.
        raises: Raised instead, when it is set.
    """

    def __init__(self, clock):
        self.taken, self.raises = [], None
        self._clock, self._due = clock, {}

    def pause(self, budget, seconds):
        due = self._clock.monotonic() + seconds
        self._due[budget] = max(due, self._due.get(budget, 0.0))

    def acquire(self, budget, *, deadline):
        if self.raises:
            raise self.raises
        now = self._clock.monotonic()
        due = max(now, self._due.get(budget, 0.0))
        if due > deadline:
            raise RateLimited(f"{budget} is used up", retry_after_s=due - now)
        self.taken.append(budget)
        rate = plugin.arb_provider_info().rate_budgets[budget]
        self._due[budget] = due + 1 / rate.per_s
        if due > now:
            self._clock.sleep(due - now)


class Customer:
    """One computer of one customer.

    Args:
        cloud: The simulated Lambda.
        folder: Of the computer: home, cache, data.
        key: Whose account; empty for nobody's.
        budgets: Shared by the processes of one home; new ones by default.
    """

    def __init__(self, cloud, folder, key=KEY, budgets=None, **options):
        self.cloud, self.folder = cloud, folder
        self.budgets = budgets or Budgets(cloud.clock)
        self.options = {"api_url": cloud.url, "ssh_port": 2222, **options}
        self.env = {"LAMBDA_API_KEY": key} if key else {}
        self.owner = OWNER
        self.budget_s = 120.0
        self._sequence = 0

    def context(self, **changes):
        for name in ("cache", "data", "home"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        clock = self.cloud.clock
        context = ProviderContext(
            provider="lambda",
            owner=self.owner,
            options=self.options,
            cache_dir=self.folder / "cache",
            data_dir=self.folder / "data",
            env=self.env,
            home=self.folder / "home",
            clock=clock,
            limiter=self.budgets,
            deadline=clock.monotonic() + self.budget_s,
        )
        return replace(context, **changes)

    def offers(self):
        catalog = plugin.arb_catalog(self.context())
        offers, refused = offers_from_catalog("lambda", catalog, owned=False)
        assert refused == []
        return {(o.instance_type, o.region): o for o in offers}

    def offer(self, instance_type="gpu_1x_a10", region="us-east-1"):
        return self.offers()[instance_type, region]

    def request(self, count=1, offer=None, **changes):
        offer = offer or self.offer()
        token = attempt_token(self.owner, "clusterx", self._sequence)
        self._sequence += 1
        setups = tuple(_setup(machine_token(token, rank), rank) for rank in range(count))
        return replace(ProvisionRequest("mine", token, offer, count, setups), **changes)

    def provision(self, request):
        return plugin.arb_provision(self.context(), request)

    def buy(self, count=1, offer=None, **changes):
        return self.provision(self.request(count, offer, **changes))

    def list(self, **query):
        return plugin.arb_list_instances(self.context(), ListQuery(**query))

    def ref(self, machine, **changes):
        facts = {"made_at": self.cloud.clock.now() - 60, "account": self.list().account} | changes
        return InstanceRef("lambda", machine.id, machine.region, machine.token, **facts)

    def terminate(self, machine, **changes):
        return plugin.arb_terminate(self.context(), self.ref(machine, **changes))

    def cluster(self, request, result=None, **changes):
        machines = result.instances if result else ()
        cluster = ClusterRef(
            name=request.cluster,
            owner=self.owner,
            tokens=(request.token,),
            regions=frozenset({request.offer.region}),
            instances=tuple(
                InstanceRef("lambda", m.id, m.region, m.token, account=result.account)
                for m in machines
            ),
            account=result.account if result else "",
        )
        return replace(cluster, **changes)


def _setup(token, rank):
    pair = generate_key()
    return node_setup(token, rank, CLIENT.public, HostKey(pair.public, pair.private), 1800)
