"""A customer of the simulated Spheron: hooks, called as the core calls them, and recorded answers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from arb.catalog import offers_from_catalog
from arb.nodes.keys import generate_key
from arb.nodes.user_data import node_setup
from arb.types import HostKey, ProviderContext, ProvisionRequest
from arb.types.tokens import attempt_token, machine_token
from arb_spheron import plugin
from clouds.spheron.settings import KEY

__all__ = ["CLIENT", "OWNER", "Account", "Budgets", "recorded"]

OWNER = "ownerabc"
CLIENT = generate_key()
RECORDED = Path(__file__).parents[3] / "plugins" / "arb-spheron" / "tests" / "data"


def recorded(name):
    """Return a recorded answer; the values are invented, the form is the API's."""
    return json.loads((RECORDED / f"{name}.json").read_text())


@dataclass
class Budgets:
    """A limiter that lets everything through and notes it; ``raises`` is raised instead."""

    taken: list[str] = field(default_factory=list)
    raises: Exception | None = None

    def acquire(self, budget, *, deadline):
        if self.raises:
            raise self.raises
        self.taken.append(budget)


class Account:
    """One customer of the simulated Spheron: hooks, called as the core calls them."""

    def __init__(self, cloud, folder, key=KEY, **options):
        self.cloud, self.budgets = cloud, Budgets()
        self.options = {"api_url": cloud.url, **options}
        self.env = {"SPHERON_API_KEY": key} if key else {}
        self.folder = folder
        self.budget_s = 60.0
        self._sequence = 0

    def context(self):
        for name in ("cache", "data", "home"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        clock = self.cloud.clock
        return ProviderContext(
            provider="spheron",
            owner=OWNER,
            options=self.options,
            cache_dir=self.folder / "cache",
            data_dir=self.folder / "data",
            env=self.env,
            home=self.folder / "home",
            clock=clock,
            limiter=self.budgets,
            deadline=clock.monotonic() + self.budget_s,
        )

    def offers(self):
        offers, refused = offers_from_catalog(
            "spheron", plugin.arb_catalog(self.context()), owned=False
        )
        assert refused == []
        return {(o.instance_type, o.spot): o for o in offers}

    def offer(self, instance_type="n3-A100x1__CANADA-1", *, spot=False):
        return self.offers()[instance_type, spot]

    def request(self, count=1, offer=None, **changes):
        offer = offer or self.offer()
        token = attempt_token(OWNER, "clusterx", self._sequence)
        self._sequence += 1
        setups = tuple(
            node_setup(machine_token(token, rank), rank, CLIENT.public, host_key(offer), 1800)
            for rank in range(count)
        )
        return replace(ProvisionRequest("mine", token, offer, count, setups), **changes)

    def buy(self, count=1, offer=None):
        return plugin.arb_provision(self.context(), self.request(count, offer))


def host_key(offer):
    pair = generate_key()
    return HostKey(pair.public, pair.private) if offer.user_data else None
