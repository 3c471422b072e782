"""What is tried: commands, and what happens between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crashes.markets import Market
    from crashes.world import World

__all__ = ["NEXT", "SCENARIOS", "Arb", "Scenario", "next_command", "scenarios_of"]


@dataclass(frozen=True)
class Arb:
    """One command: its arguments."""

    words: tuple[str, ...]


Move = Arb | Callable[["World"], None]
Moves = Callable[["Market"], list[Move]]


@dataclass(frozen=True)
class Scenario:
    """One story.

    Attributes:
        run: The commands at whose steps trouble comes, and what happens between them.
        before: What comes before, without trouble.
        nodes: How many nodes a launch orders.
        spot: Whether it orders spot machines.
        patient: Whether a launch waits until there is something to buy.
        floor: Machines have a minimum run time, where that can be chosen.
        lost: The state is lost before ``run``: nobody claims machines until a command has looked for
            them, and their bill is lost.
        blurred: Listings are stale and come in small pages, where they can.
        hidden: A machine is there that no state claims until the reaper has seen it.
    """

    run: Moves
    before: Moves = lambda _: []
    nodes: int = 1
    spot: bool = False
    patient: bool = False
    floor: bool = False
    lost: bool = False
    hidden: bool = False
    blurred: bool = False

    def launch(self, market: Market) -> Arb:
        """Return the command that buys the cluster ``x``."""
        wish = market.spot if self.spot else market.wish
        nodes = ("--num-nodes", str(self.nodes)) if self.nodes > 1 else ()
        wait = ("--retry-until-up",) if self.patient else ()
        return Arb(("launch", "-y", "-c", "x", *wish, *nodes, *wait))


DOWN = Arb(("down", "-y", "--all"))
STATUS = Arb(("status",))
REFRESH = Arb(("status", "--refresh"))
REAP = Arb(("reap", "-y"))
COST = Arb(("cost", "--json"))


def _launch_of(name: str) -> Moves:
    return lambda market: [SCENARIOS[name].launch(market)]


_launch, _spot = _launch_of("launch"), _launch_of("preempted")


def _forgotten(market: Market) -> list[Move]:
    """Have a machine of a purchase that state calls over, as when it came long after its order."""
    return [*_launch(market), _pass(700), lambda world: world.forget_machines()]


def _pass(seconds: float) -> Move:
    return lambda world: world.advance(seconds)


SCENARIOS = {
    "launch": Scenario(_launch),
    "gang": Scenario(
        _launch_of("gang"), lambda _: [lambda world: world.account.sell_out(all_but=1)], nodes=2
    ),
    "patient": Scenario(
        _launch_of("patient"),
        lambda _: [lambda world: world.account.sell_out(restock_after_s=20)],
        patient=True,
    ),
    "stale": Scenario(
        _launch_of("stale"), lambda _: [lambda world: world.account.blur()], nodes=2, blurred=True
    ),
    "down": Scenario(lambda _: [DOWN], _launch),
    "floor": Scenario(
        lambda _: [DOWN, _pass(1300), STATUS], lambda m: [*_launch(m), _pass(180)], floor=True
    ),
    "preempted": Scenario(
        _spot, lambda m: [*_spot(m), lambda world: world.account.preempt()], spot=True
    ),
    "noticed": Scenario(
        lambda _: [REFRESH], lambda m: [*_spot(m), lambda world: world.account.preempt()], spot=True
    ),
    "reap": Scenario(lambda _: [REAP], _forgotten, hidden=True),
    "recover": Scenario(
        lambda _: [REAP], lambda m: [*_launch(m), lambda world: world.database.lose()], lost=True
    ),
}
"""By name."""


def scenarios_of(market: Market) -> list[str]:
    """Return the names of the scenarios that can be tried at a provider."""
    return [name for name, story in SCENARIOS.items() if market.lags or not story.blurred]


NEXT = ("status", "launch", "down", "reap", "cost")
"""Commands that run after the one that died, by turns."""


def next_command(name: str, scenario: Scenario, market: Market) -> Arb:
    """Return the next command of a name."""
    plain = {"status": REFRESH, "down": DOWN, "reap": REAP, "cost": COST}
    return plain[name] if name in plain else scenario.launch(market)
