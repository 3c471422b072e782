"""A customer of the simulated Google: hooks, called as the core calls them."""

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
from arb.types.tokens import attempt_token, machine_token
from arb_gcp import plugin
from arb_gcp.settings import APIS

__all__ = ["CLIENT", "OWNER", "Customer", "NoLimits", "endpoints"]

OWNER = "ownerabc"
CLIENT = generate_key()
_SHOP = []


class NoLimits:
    """A limiter that lets everything through."""

    def acquire(self, budget, *, deadline):
        """Let it through."""


def endpoints(url):
    """Return the option that points every API at a simulated Google."""
    paths = {"compute": "/compute/v1/", "storage": "/storage/v1/"}
    return {api: f"{url}{paths.get(api, '/')}" for api in APIS}


class Customer:
    """One account.

    Args:
        cloud: The simulated Google.
        folder: A computer of its own: home, cache.
        key: ``own``, ``other``, ``user``, ``impersonation`` or nothing.
    """

    def __init__(self, cloud, folder, key="own", **options):
        self.cloud, self.folder = cloud, folder
        self.options = {"endpoints": endpoints(cloud.url), "ssh_port": 2222, **options}
        self.env = {"NO_GCE_CHECK": "true"}
        self.budget_s = 60.0
        self._sequence = 0
        folder.mkdir(parents=True, exist_ok=True)
        write = {"user": cloud.write_user, "impersonation": cloud.write_impersonation}.get(key)
        path = str(folder / "key.json")
        if key:
            self.env["GOOGLE_APPLICATION_CREDENTIALS"] = (
                write(path) if write else cloud.write_key(path, other=key == "other")
            )

    def context(self, **changes):
        for name in ("cache", "data", "home"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        clock = self.cloud.clock
        context = ProviderContext(
            provider="gcp",
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
            "gcp", plugin.arb_catalog(self.context()), owned=False
        )
        assert refused == []
        return offers

    def offer(self, instance_type="a2-highgpu-1g", zone="us-central1-a", *, spot=False, **facts):
        """Return an offer; the shop is the same for all, so that its catalog is read once."""
        if not _SHOP:
            _SHOP.extend(self.offers())
        wanted = {"instance_type": instance_type, "zone": zone, "spot": spot, **facts}
        return next(o for o in _SHOP if all(getattr(o, k) == v for k, v in wanted.items()))

    def request(self, offer=None, count=1, **changes):
        offer = offer or self.offer()
        token = attempt_token(OWNER, "clusterx", self._sequence)
        self._sequence += 1
        setups = tuple(_setup(machine_token(token, rank), rank) for rank in range(count))
        return replace(ProvisionRequest("mine", token, offer, count, setups), **changes)

    def provision(self, request):
        return plugin.arb_provision(self.context(), request)

    def poll(self, request, result):
        return plugin.arb_poll(self.context(), request, result.handle)

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
            provider="gcp",
            id=machine.id,
            region=machine.region,
            token=machine.token,
            zone=machine.zone,
            made_at=machine.made_at,
            handle=result.handle if result else machine.payload,
            account=result.account if result else "arb-test",
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


def _setup(token, rank):
    pair = generate_key()
    return node_setup(token, rank, CLIENT.public, HostKey(pair.public, pair.private), 1800)
