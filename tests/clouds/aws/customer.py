"""A customer of the simulated AWS: hooks, called as the core calls them."""

from __future__ import annotations

from dataclasses import replace

from arb.catalog import offers_from_catalog
from arb.nodes.keys import generate_key
from arb.nodes.user_data import node_setup
from arb.types import (
    ClusterRef,
    HostKey,
    InstanceRef,
    InstanceState,
    ListQuery,
    ProviderContext,
    ProvisionRequest,
)
from arb.types.tokens import attempt_token
from arb_aws import plugin
from clouds.aws.accounts import OTHER_KEY, OWN_KEY, SECRET

__all__ = ["CLIENT", "OWNER", "Customer", "NoLimits"]

OWNER = "ownerabc"
CLIENT = generate_key()
_SHOPS = {}
_KEYS = {"own": OWN_KEY, "other": OTHER_KEY, "refused": "AKIANOBODYSKEYTEST03"}


class NoLimits:
    """A limiter that lets everything through."""

    def acquire(self, budget, *, deadline):
        """Let it through."""


class Customer:
    """One account.

    Args:
        cloud: The simulated AWS.
        folder: A computer of its own: home, cache.
        key: ``own``, ``other``, ``refused`` or nothing.
    """

    def __init__(self, cloud, folder, key="own", **options):
        self.cloud, self.folder = cloud, folder
        self.options = {"endpoint_url": cloud.url, "ssh_port": 2222, **options}
        self.env = {"AWS_EC2_METADATA_DISABLED": "true"}
        self.budget_s = 60.0
        self._sequence = 0
        folder.mkdir(parents=True, exist_ok=True)
        if key:
            self.env |= {"AWS_ACCESS_KEY_ID": _KEYS[key], "AWS_SECRET_ACCESS_KEY": SECRET}

    def context(self, **changes):
        for name in ("cache", "data", "home"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        clock = self.cloud.clock
        context = ProviderContext(
            provider="aws",
            owner=OWNER,
            options=self.options,
            cache_dir=self.folder / "cache",
            data_dir=self.folder / "data",
            env=self.env,
            home=self.folder / "home",
            clock=clock,
            limiter=NoLimits(),
            deadline=clock.monotonic() + self.budget_s,
        )
        return replace(context, **changes)

    def offers(self):
        offers, refused = offers_from_catalog(
            "aws", plugin.arb_catalog(self.context()), owned=False
        )
        assert refused == []
        return offers

    def offer(self, instance_type="g6.xlarge", zone="use1-az1", *, spot=False, **facts):
        """Return an offer; shops that sell the same have the same catalog, which is read once."""
        sold = (self.cloud.settings.types, tuple(self.cloud.settings.regions))
        if sold not in _SHOPS:
            _SHOPS[sold] = self.offers()
        wanted = {"instance_type": instance_type, "zone": zone, "spot": spot, **facts}
        return next(o for o in _SHOPS[sold] if all(getattr(o, k) == v for k, v in wanted.items()))

    def request(self, offer=None, count=1, **changes):
        offer = offer or self.offer()
        token = attempt_token(OWNER, "clusterx", self._sequence)
        self._sequence += 1
        setups = (_setup(token),)
        return replace(ProvisionRequest("mine", token, offer, count, setups), **changes)

    def provision(self, request):
        return plugin.arb_provision(self.context(), request)

    def poll(self, request, result):
        return plugin.arb_poll(self.context(), request)

    def running(self, request, result):
        """Return the machines once they run; the cloud's time passes."""
        for _ in range(20):
            machines = self.poll(request, result)
            up = [m for m in machines if m.state is InstanceState.RUNNING and m.address]
            if len(up) == request.count:
                return up
            self.cloud.advance(1)
        raise AssertionError(machines)

    def buy(self, offer=None, count=1, **changes):
        request = self.request(offer, count, **changes)
        result = self.provision(request)
        return request, result, self.running(request, result)

    def list(self, **query):
        return plugin.arb_list_instances(self.context(), ListQuery(**query))

    def ref(self, machine, result=None, **changes):
        reference = InstanceRef(
            provider="aws",
            id=machine.id,
            region=machine.region,
            token=machine.token,
            zone=machine.zone,
            made_at=machine.made_at,
            handle=result.handle if result else machine.payload,
            account=result.account if result else self.cloud.accounts.own,
        )
        return replace(reference, **changes)

    def terminate(self, reference):
        return plugin.arb_terminate(self.context(), reference)

    def cluster(self, request, result, machines=()):
        return ClusterRef(
            name=request.cluster,
            owner=OWNER,
            tokens=(request.token,),
            regions=frozenset({request.offer.region}),
            instances=tuple(self.ref(m, result) for m in machines),
            handles=(result.handle if result else "",),
            account=result.account if result else "",
        )


def _setup(token):
    pair = generate_key()
    return node_setup(token, None, CLIENT.public, HostKey(pair.public, pair.private), 1800)
