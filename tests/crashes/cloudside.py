"""An account at a simulated cloud, and the wire that trips there."""

from __future__ import annotations

import importlib
import threading
from typing import TYPE_CHECKING, Any

from clouds.faults import Fault, FaultKind, Faults
from clouds.http import CloudServer
from clouds.nodes import PaperNodes

from crashes.markets import Account
from crashes.points import Act, When

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from clouds.cloud import Cloud
    from clouds.ledger import Ledger

    from crashes.clock import JumpClock
    from crashes.forks import Fork
    from crashes.markets import Simulated
    from crashes.points import Point

__all__ = ["CloudAccount", "Tripwire"]


class Tripwire(Faults):
    """Sees every call that comes in, and lets trouble come with one of them.

    Attributes:
        calls: Operations since ``arm``, in order.
        tripped: Whether the trouble came.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.tripped = False
        self._point: Point | None = None
        self._fork: Fork | None = None
        self._known = threading.Event()
        self._counting = threading.Lock()

    def arm(self, point: Point | None) -> None:
        """Begin to count anew; wait at a point's call when there is one."""
        self.calls, self.tripped = [], False
        self._point, self._fork = point, None
        self._known.clear()

    def aim(self, fork: Fork) -> None:
        """Tell whose calls these are."""
        self._fork = fork
        self._known.set()

    def take(self, operation: str) -> Fault | None:
        """Return what is wrong with a call."""
        with self._counting:
            self.calls.append(operation)
            is_it = self._is_it(operation)
            self.tripped |= is_it
        return self._spring() if is_it else super().take(operation)

    def _is_it(self, operation: str) -> bool:
        step = self._point.step if self._point else None
        label = operation.replace(":", ";")
        return bool(
            step
            and not self.tripped
            and label == step.label
            and sum(call.replace(":", ";") == label for call in self.calls) == step.nth
        )

    def _spring(self) -> Fault | None:
        point, fork = self._point, self._fork_of()
        assert point is not None
        if point.act is Act.STOP:
            fork.stop()
            return None
        if point.act in {Act.KILL, Act.LATE_KILL, Act.TAKEN}:
            fork.kill()
        if point.act in {Act.LATE, Act.LATE_KILL}:
            return Fault(FaultKind.LATE, delay_s=point.late_s)
        return Fault(FaultKind.RESET if point.when is When.BEFORE else FaultKind.DROP)

    def _fork_of(self) -> Fork:
        self._known.wait(30)
        assert self._fork is not None
        return self._fork


class CloudAccount(Account):
    """A cloud of its own, on paper, with two machines of other people in it."""

    def __init__(self, market: Simulated, folder: Path, clock: JumpClock) -> None:
        self._market, self.floor_s = market, market.floor_s
        self.cloud: Cloud = _named(market.kind)(folder / "cloud", clock=clock, nodes=PaperNodes())
        self.wire = self.cloud.faults = Tripwire()
        self._server = _server(market.name, self.cloud)
        self.cloud.configure(**dict(market.settings))
        self.env, self.config = _named(market.access)(self.cloud, folder)
        for name in ("by-hand", "arb-zzzzzzzz-yyyyyyyy-000-0000"):
            self.cloud.add_foreign(name)

    def ledger(self) -> Ledger:
        """Return the cloud's."""
        return self.cloud.ledger()

    def ghosts(self) -> set[str]:
        """Return the names of orders that were refused late, where the cloud has such."""
        engine = getattr(self.cloud, "engine", None)
        return engine.ghosts() if hasattr(engine, "ghosts") else set()

    def sell_out(self, *, all_but: int = 0, restock_after_s: float = 0) -> None:
        """Limit the first offer, or empty them all."""
        sold = self._market.offers[:1] if all_but else self._market.offers
        for place in sold:
            self.cloud.set_capacity(place, all_but)
        if restock_after_s:
            self.cloud.schedule(restock_after_s, lambda: self._restock(sold))

    def _restock(self, places: tuple[str, ...]) -> None:
        for place in places:
            self.cloud.set_capacity(place, None)

    def blur(self) -> None:
        """Let the cloud's listings lag."""
        self.cloud.configure(listing_lag_s=30, page_size=2)

    def darken(self, regions: Sequence[str]) -> None:
        """Let the cloud's listings of some regions fail."""
        self.cloud.configure(failing_regions=list(regions))

    def preempt(self, ids: Sequence[str]) -> None:
        """Take machines away."""
        for machine_id in ids:
            self.cloud.preempt(machine_id)

    def tick(self) -> None:
        """Let the cloud do what is due."""
        self.cloud.tick()

    def close(self) -> None:
        """End what is left of the cloud; its address stays for the next."""
        self.cloud.close()


class _Server(CloudServer):
    """Lets no time pass by itself: a trial's time moves with its calls and sleeps."""

    def _tick(self) -> None:
        return


_servers: dict[str, _Server] = {}


def _server(name: str, cloud: Cloud) -> _Server:
    """Put a cloud on the address where the last one of its kind was.

    So price lists that were read there before are still this cloud's.
    """
    if name in _servers:
        _servers[name].exchange(cloud)
    else:
        _servers[name] = _Server(cloud)
    return _servers[name]


def _named(path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function
