"""Where the trials buy: one line a provider in ``PROVIDERS``."""

from __future__ import annotations

import importlib.util
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crashes.points import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from clouds.ledger import Ledger

    from crashes.clock import JumpClock
    from crashes.cloudside import CloudAccount
    from crashes.points import Step
    from crashes.watch import Watcher

    Call = Callable[..., None]

__all__ = ["PROVIDERS", "Account", "Market", "Simulated"]


class Account(ABC):
    """One trial's account at a provider: what tests do to it, and its ledger."""

    env: dict[str, str]
    """What the command needs in its environment."""
    config: str = ""
    """Its ``config.yaml``."""
    floor_s: float = 0
    """No machine is ended before it has run for so long."""

    @abstractmethod
    def ledger(self) -> Ledger:
        """Return what was ever made."""

    @abstractmethod
    def sell_out(self, *, all_but: int = 0, restock_after_s: float = 0) -> None:
        """Let the first offer have ``all_but`` machines; with 0 let none have any.

        With ``restock_after_s`` everything is for sale again so much later.
        """

    @abstractmethod
    def blur(self) -> None:
        """Let listings show what was true 30 s ago, two rows on a page."""

    @abstractmethod
    def darken(self, regions: Sequence[str]) -> None:
        """Let listings of some regions fail, and those of all others work."""

    @abstractmethod
    def preempt(self, ids: Sequence[str]) -> None:
        """Take machines away."""

    @abstractmethod
    def tick(self) -> None:
        """Let happen what is due."""

    def ghosts(self) -> set[str]:
        """Return the names of orders that were refused late, and looked like machines until then."""
        return set()

    def close(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Let go of what this account holds."""


class Market(ABC):
    """A provider that trials buy from.

    Attributes:
        name: The provider's id.
        wish: What ``arb launch`` is told, so that at least two offers will do.
        spot: The same for spot.
        preload: Modules of its plugin.
        ends_at_once: Whether a machine is gone when its end was asked for, its floor aside.
        lags: Whether listings can lag behind.
        lists_by_region: Whether one region's listing can fail alone.
        forgets: Whether nobody knows any more what was taken away before it was seen.
        tells_when: Whether the provider tells when a machine was made.
        keeps: A pattern of names of what stays although every cluster is gone, and is no machine: one
            thing a customer.
    """

    name: str
    wish: tuple[str, ...]
    spot: tuple[str, ...]
    preload: tuple[str, ...]
    ends_at_once: bool = True
    lags: bool = True
    lists_by_region: bool = False
    forgets: bool = False
    tells_when: bool = True
    keeps: str = r"(?!)"

    def why_not(self) -> str:
        """Return why it cannot be tried here; empty when it can."""
        missing = [m for m in self.preload if importlib.util.find_spec(m.partition(".")[0]) is None]
        return f"{', '.join(missing)} cannot be imported" if missing else ""

    @abstractmethod
    def open(self, folder: Path, clock: JumpClock, call: Call, *, floor: bool) -> Account:
        """Return a new account with nothing in it but two machines of other people.

        Args:
            folder: Of the trial; the command's home is below it.
            clock: Of the trial.
            call: Runs ``module:function`` in a process where machines are on paper.
            floor: Machines have a minimum run time, where that can be chosen.
        """

    def holds(self, step: Step) -> bool:
        """Say whether a command that is stopped at a step keeps others from buying."""
        return False

    @abstractmethod
    def changes(self, kind: Kind, label: str) -> bool:
        """Say whether a step makes or ends something at the provider, and can do so late."""

    def on_paper(self) -> None:  # noqa: B027 - most machines are on paper at the cloud already
        """Prepare a command's process."""

    def on_jump(self, now: float) -> None:  # noqa: B027 - clouds look at the time by themselves
        """Let happen what is due, in a command's process that slept."""

    def on_watch(self, watcher: Watcher) -> None:  # noqa: B027 - most have a cloud that sees calls
        """Let more be steps of a command's process."""

    def put_off(self, hook: str, arguments: dict[str, Any], seconds: float) -> None:
        """Have a hook's effect come later, in a command's process."""
        raise NotImplementedError


@dataclass(frozen=True)
class Simulated(Market):
    """A provider behind whose API a simulated cloud stands.

    Attributes:
        kind: The cloud: ``module:Class``.
        access: ``module:function``, which takes the cloud and a folder and returns environment and
            ``config.yaml`` of a customer.
        offers: The places of the offers that ``wish`` finds, in their order.
        listing: The operation that lists machines.
        reads: A pattern of operations that change nothing.
        settings: How the cloud behaves.
        floor_s: No machine is ended before it has run for so long.
    """

    name: str
    kind: str
    access: str
    wish: tuple[str, ...]
    spot: tuple[str, ...]
    offers: tuple[str, ...]
    listing: str
    preload: tuple[str, ...]
    reads: str = r"(GET|HEAD) .*"
    settings: tuple[tuple[str, Any], ...] = (("boot_delay_s", 5),)
    ends_at_once: bool = True
    floor_s: float = 0
    lists_by_region: bool = False
    tells_when: bool = True
    keeps: str = Market.keeps

    def open(self, folder: Path, clock: JumpClock, call: Call, *, floor: bool) -> CloudAccount:
        """Start a cloud of its own."""
        del call, floor  # the cloud is on paper by itself, and has the floor that it has
        from crashes.cloudside import CloudAccount

        return CloudAccount(self, folder, clock)

    def changes(self, kind: Kind, label: str) -> bool:
        """Say whether it is a call that does not only read."""
        return kind is Kind.CALL and re.fullmatch(self.reads, label) is None


def _providers() -> dict[str, Market]:
    from crashes.localside import LocalMarket
    from crashes.sshside import SshMarket

    markets: tuple[Market, ...] = (
        LocalMarket(),
        SshMarket(),
        Simulated(
            "spheron",
            "clouds.spheron:Spheron",
            "crashes.access:spheron",
            wish=("--infra", "spheron", "--gpus", "H100:1"),
            spot=("--infra", "spheron", "--gpus", "H100:1", "--use-spot"),
            offers=("n3-H100x1__CANADA-1", "1H100.80S.32V_FIN-03_500"),
            listing="GET /api/deployments",
            preload=("arb_spheron",),
            floor_s=1200,
        ),
        Simulated(
            "gcp",
            "clouds.gcp:Gcp",
            "crashes.access:gcp",
            wish=("--infra", "gcp", "--gpus", "A100:1"),
            spot=("--infra", "gcp", "--gpus", "A100:1", "--use-spot"),
            offers=("a2-highgpu-1g@us-central1/us-central1-a", "a2-highgpu-1g"),
            listing="compute.instances.*ist",
            preload=("arb_gcp", "googleapiclient"),
            ends_at_once=False,
            reads=r".*\.(get|list|aggregatedList|wait)|(GET|HEAD) .*|POST /token",
            lists_by_region=True,
        ),
        Simulated(
            "aws",
            "clouds.aws:Aws",
            "crashes.access:aws",
            wish=("--infra", "aws", "--gpus", "L4:1"),
            spot=("--infra", "aws", "--gpus", "L4:1", "--use-spot"),
            offers=("g6.xlarge@us-east-1/use1-az1", "g6.xlarge"),
            listing="DescribeInstances",
            preload=("arb_aws", "moto", "boto3", "crashes.warm"),
            ends_at_once=False,
            reads=r"(Describe|Get).*",
            lists_by_region=True,
            settings=(("boot_delay_s", 5), ("end_delay_s", 10)),
        ),
        Simulated(
            "lambda",
            "clouds.lambda_cloud:Lambda",
            "crashes.access:lambda_",
            wish=("--infra", "lambda", "--gpus", "A10:1"),
            spot=("--infra", "lambda", "--gpus", "A10:1"),  # none is sold, and machines are taken
            offers=("gpu_1x_a10@europe-central-1", "gpu_1x_a10"),
            listing="GET /instances",
            preload=("arb_lambda",),
            ends_at_once=False,
            settings=(("boot_delay_s", 5), ("end_delay_s", 10)),
            tells_when=False,
            keeps=r"arb-[a-z2-7]{8}",
        ),
    )
    return {market.name: market for market in markets}


PROVIDERS = _providers()
