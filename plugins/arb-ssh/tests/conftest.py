"""A team's machines for the tests, and hook calls as the core makes them."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from support.team import Team, team_server

from arb.testing import FakeClock
from arb.types import InstanceRef, NodeSetup, Offer, ProviderContext, ProvisionRequest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNsaWVudA arb-abcdefgh"
OWNER = "abcdefgh"
FACTS = {"vcpus": 8, "memory_gib": 32, "accelerators": ""}


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team_server(tmp_path_factory.mktemp("team"), 6) as team:
        yield team


@pytest.fixture
def team(servers: Team) -> Team:
    """Six machines, set up anew."""
    servers.reset()
    return servers


@dataclass
class Client:
    """A computer from which hosts are used: its folders and its configuration."""

    folder: Path
    options: dict[str, Any] = field(default_factory=dict)
    owner: str = OWNER
    env: dict[str, str] = field(default_factory=lambda: {"USER": "alice"})

    def __post_init__(self) -> None:
        for name in ("home", "cache", "data"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def context(self, budget_s: float = 30, **changes: Any) -> ProviderContext:
        clock = FakeClock(time.time())
        made = ProviderContext(
            provider="ssh",
            owner=self.owner,
            options=self.options,
            cache_dir=self.folder / "cache",
            data_dir=self.data,
            env=self.env,
            home=self.folder / "home",
            clock=clock,
            limiter=None,
            deadline=clock.monotonic() + budget_s,
        )
        return replace(made, **changes)

    def offers(self, budget_s: float = 30) -> list[Offer]:
        """Return what the catalog says."""
        from arb.catalog.rows import offers_from_catalog
        from arb_ssh.catalog import read_catalog

        catalog = read_catalog(self.context(budget_s))
        offers, faults = offers_from_catalog("ssh", catalog, owned=True)
        assert list(faults) == []
        return list(offers)

    def provision(self, request: ProvisionRequest, budget_s: float = 30):
        from arb_ssh.provision import provision

        return provision(self.context(budget_s), request)

    def list(self, query, budget_s: float = 30):
        from arb_ssh.listing import list_instances

        return list_instances(self.context(budget_s), query)

    def terminate(self, instance, **changes: Any):
        from arb_ssh.terminate import terminate

        ref = InstanceRef("ssh", instance.id, instance.region, instance.token)
        ref = replace(ref, **{"handle": instance.payload, **changes})
        return terminate(self.context(), ref)


_NUMBERS = itertools.count()


def order(offer: Offer, count: int = 1, owner: str = OWNER, **changes: Any) -> ProvisionRequest:
    """Return an order that was not made before."""
    token = f"arb-{owner}-cluster{'abcdefghij'[next(_NUMBERS) % 10]}-{next(_NUMBERS) % 1000:03}"
    setups = tuple(NodeSetup(f"{token}-{rank:04}", rank, KEY) for rank in range(count))
    return replace(ProvisionRequest("train", token, offer, count, setups), **changes)


@pytest.fixture
def client(team: Team, tmp_path: Path) -> Client:
    """A computer with a list of three machines of the team, whose hardware is told."""
    hosts = [team.entry(n, host_key=team.host_key_line, **FACTS) for n in range(3)]
    return Client(tmp_path / "client", {"hosts": {"lab": {"hosts": hosts}}})


@pytest.fixture(name="order")
def order_fixture():
    return order


@pytest.fixture(name="make_client")
def make_client_fixture(tmp_path: Path):
    """Make another computer."""

    def make(name: str, options: dict[str, Any], **more: Any) -> Client:
        return Client(tmp_path / name, options, **more)

    return make
