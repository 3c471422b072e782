"""What is tried: commands, and what happens between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crashes.markets import Market
    from crashes.world import World

__all__ = ["NEIGHBOUR", "NEXT", "SCENARIOS", "Arb", "Scenario", "next_command", "scenarios_of"]


@dataclass(frozen=True)
class Arb:
    """One command.

    Attributes:
        words: Its arguments.
        home: Whose: empty is the trial's own, other names are those of other homes at the account.
    """

    words: tuple[str, ...]
    home: str = ""


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
        regional: One region's listing fails, where that can be.
        steady: What was bought before goes on: nothing is bought anew, nor called gone.
        shared: Another home has a cluster of the same name at the same account.
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
    regional: bool = False
    steady: bool = False
    shared: bool = False

    def launch(self, market: Market) -> Arb:
        """Return the command that buys the cluster ``x``."""
        wish = market.spot if self.spot else market.wish
        nodes = ("--num-nodes", str(self.nodes)) if self.nodes > 1 else ()
        wait = ("--retry-until-up",) if self.patient else ()
        return Arb(("launch", "-y", "-c", "x", *wish, *nodes, *wait))


NEIGHBOUR = "neighbour"
DOWN = Arb(("down", "-y", "--all"))
STATUS = Arb(("status",))
REFRESH = Arb(("status", "--refresh"))
REAP = Arb(("reap", "-y"))
COST = Arb(("cost", "--json"))


def _launch_of(name: str) -> Moves:
    return lambda market: [SCENARIOS[name].launch(market)]


_launch, _spot = _launch_of("launch"), _launch_of("preempted")


def _again(market: Market) -> list[Move]:
    """Look at a cluster that is up, and launch it once more."""
    return [REFRESH, *_launch(market)]


def _beside(market: Market) -> list[Move]:
    """Launch a cluster of the same name from another home."""
    return [Arb(launch.words, NEIGHBOUR) for launch in _launch(market) if isinstance(launch, Arb)]


def _darken(world: World) -> None:
    world.account.darken([entry.region for entry in world.ledger().alive("machine")])


def _take_all(world: World) -> None:
    world.take(world.ledger().alive("machine"))


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
    "steady": Scenario(
        _again,
        lambda m: [lambda world: world.account.blur(), *_launch(m)],
        blurred=True,
        steady=True,
    ),
    "dark": Scenario(_again, lambda m: [*_launch(m), _darken], regional=True, steady=True),
    "shared": Scenario(_launch, _beside, shared=True),
    "down": Scenario(lambda _: [DOWN], _launch),
    "floor": Scenario(
        lambda _: [DOWN, _pass(1300), STATUS], lambda m: [*_launch(m), _pass(180)], floor=True
    ),
    "preempted": Scenario(_spot, lambda m: [*_spot(m), _take_all], spot=True),
    "noticed": Scenario(lambda _: [REFRESH], lambda m: [*_spot(m), _take_all], spot=True),
    "reap": Scenario(lambda _: [REAP], _forgotten, hidden=True),
    "recover": Scenario(
        lambda _: [REAP], lambda m: [*_launch(m), lambda world: world.database.lose()], lost=True
    ),
}
"""By name."""


def scenarios_of(market: Market) -> list[str]:
    """Return the names of the scenarios that can be tried at a provider."""
    return [name for name, story in SCENARIOS.items() if _can_be(story, market)]


def _can_be(story: Scenario, market: Market) -> bool:
    can_list = market.lags or not story.blurred
    return can_list and (market.lists_by_region or not story.regional)


NEXT = ("status", "launch", "down", "reap", "cost")
"""Commands that run after the one that died, by turns."""


def next_command(name: str, scenario: Scenario, market: Market) -> Arb:
    """Return the next command of a name."""
    plain = {"status": REFRESH, "down": DOWN, "reap": REAP, "cost": COST}
    return plain[name] if name in plain else scenario.launch(market)
