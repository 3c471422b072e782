"""All simulated clouds at once, on one clock, and the ``arb`` command that may ask them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clouds.aws import OWN_KEY, SECRET, Aws
from clouds.clock import SharedClock
from clouds.command import CloudArb, clocked
from clouds.gcp import Gcp
from clouds.http import CloudServer
from clouds.lambda_cloud import KEY as LAMBDA_KEY
from clouds.lambda_cloud import Lambda
from clouds.lambda_cloud.shop import Kind
from clouds.spheron import KEY as SPHERON_KEY
from clouds.spheron import Spheron
from clouds.spheron.shop import GpuOffer

if TYPE_CHECKING:
    from pathlib import Path

    from clouds.cloud import Cloud
    from clouds.ledger import Entry

__all__ = ["NAMES", "PAIRS", "Market"]

NAMES = ("aws", "gcp", "lambda", "spheron")
_GCP_APIS = {"COMPUTE": "/compute/v1/", "CLOUDBILLING": "/", "CLOUDRESOURCEMANAGER": "/"}
_FLOOR_S = 1300
_DRIVERS = "arb-plugin:lambda.,Thread-"

PAIRS = (
    GpuOffer(
        "data-crunch",
        "2H100.80S.80V_FIN-03_500",
        "H100_SXM5",
        5.82,
        ("Finland 3",),
        80,
        370,
        2,
        spot_price=1.60,
        interconnect="SXM5",
        os_options=("Ubuntu 22.04",),
    ),
    Kind("gpu_2x_h100_sxm5", "H100 (80 GB SXM5)", 2, 838, 52, 450, 5632, ("us-east-1",)),
)
"""Machines with two H100, which Spheron and Lambda sell as well: the guide's task wants one."""


class Market:
    """Four clouds, side by side. ``market["gcp"]`` is one of them.

    Args:
        path: A folder of its own.
        regions: Of AWS, which lists each of them; fewer are faster.
    """

    def __init__(self, path: Path, *, regions: tuple[str, ...] = ("us-east-1",)) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.clock = SharedClock(path / "clock")
        kinds = {"aws": Aws, "gcp": Gcp, "lambda": Lambda, "spheron": Spheron}
        self.servers = {
            name: CloudServer(kind(path / name, clock=self.clock)) for name, kind in kinds.items()
        }
        aws, gcp, lambda_, spheron = (self[name] for name in NAMES)
        spheron.shop += PAIRS[:1]
        lambda_.types += PAIRS[1:]
        aws.configure(boot_delay_s=0.2, end_delay_s=0.2, regions=regions)
        gcp.configure(operation_s=0.1, boot_delay_s=0.1, end_delay_s=0.1)
        spheron.configure(boot_delay_s=20)
        lambda_.configure(boot_delay_s=20, end_delay_s=20, phantom=True, retry_after=True)

    def __getitem__(self, name: str) -> Cloud:
        return self.servers[name].cloud

    @property
    def clouds(self) -> dict[str, Cloud]:
        """All of them, by the provider's name."""
        return {name: self[name] for name in NAMES}

    def arb(self, root: Path) -> CloudArb:
        """Return the command of a home that has the credentials of all clouds."""
        env = self._where() | {"AWS_ACCESS_KEY_ID": OWN_KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
        env |= {"SPHERON_API_KEY": SPHERON_KEY, "LAMBDA_API_KEY": LAMBDA_KEY}
        env["GOOGLE_APPLICATION_CREDENTIALS"] = self["gcp"].write_key(str(root / "key.json"))
        command = CloudArb(root, self.clock.path, *NAMES, CLOUDS_DRIVERS=_DRIVERS, **env)
        command.command = clocked(self.clock.path, sleep_s=0.03)  # there are many short waits
        command.home.mkdir()
        (command.home / "config.yaml").write_text(self._config())
        return command

    def alive(self) -> list[tuple[str, Entry]]:
        """Return provider and machine of all that is billed."""
        return [(name, e) for name, c in self.clouds.items() for e in c.ledger().alive("machine")]

    def usd(self) -> float:
        """Return what everything cost until now."""
        return sum(cloud.ledger().usd() for cloud in self.clouds.values())

    def advance(self, seconds: float) -> None:
        """Let time pass for all."""
        self.clock.advance(seconds)
        for cloud in self.clouds.values():
            cloud.tick()

    def give_back(self, arb: CloudArb) -> None:
        """Take everything down, also what has to run for twenty minutes; all clouds must agree."""
        arb("down", "--all", "--yes")
        if self.alive():
            self.advance(_FLOOR_S)
            arb("down", "--all", "--yes")
        assert self.alive() == []
        for name, cloud in self.clouds.items():
            left = {entry.kind for entry in cloud.ledger().alive()}
            assert left <= ({"key"} if name == "lambda" else set()), (name, left)
            assert cloud.ledger().harmed() == [], name
        assert self["gcp"].untrue == []
        assert self["lambda"].untrue == []
        assert self["lambda"].changed_of_others() == []

    def close(self) -> None:
        """Stop all servers and end every machine."""
        for server in self.servers.values():
            server.close()

    def _where(self) -> dict[str, str]:
        google = self["gcp"].url
        names = {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{n}": google + p for n, p in _GCP_APIS.items()}
        here = {"NO_GCE_CHECK": "true", "AWS_EC2_METADATA_DISABLED": "true"}
        return {**names, **here, "SPHERON_API_BASE": self["spheron"].url}

    def _config(self) -> str:
        aws, gcp, lambda_, _ = (self[name] for name in NAMES)
        where = f"endpoint_url: '{aws.url}', metadata_url: '{aws.url}'"
        lines = [
            "provider_options:",
            f"  aws: {{ssh_port: {aws.nodes.port}, {where}}}",
            f"  gcp: {{ssh_port: {gcp.nodes.port}, endpoints: {{metadata: '{gcp.url}'}}}}",
            f"  lambda: {{ssh_port: {lambda_.nodes.port}, api_url: '{lambda_.url}'}}",
        ]
        return "\n".join(lines) + "\n"
