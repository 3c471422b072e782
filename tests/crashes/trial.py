"""One trial: a story until trouble comes, what others do then, and what is left in the end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from crashes import audit
from crashes.points import LATE_S, Act, Kind, Point, Step, When
from crashes.scenarios import DOWN, NEIGHBOUR, REAP, SCENARIOS, STATUS, Arb, next_command
from crashes.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from crashes.databases import ServerDatabase
    from crashes.forks import Forks
    from crashes.markets import Market
    from crashes.scenarios import Scenario
    from crashes.world import Ran

__all__ = ["Outcome", "try_point"]

_SOON_S = 60.0
_LAG_S = 31.0
"""Longer than listings lag behind."""
_FLOOR_S = 1300.0
_OPEN_S = 3700.0
"""Longer than a lost order is looked for."""
_ROUNDS = 5


@dataclass
class Outcome:
    """What came of a trial.

    Attributes:
        steps: What its commands did, when there was no trouble.
        problems: What is not as it must be.
        met: Whether the point was reached.
        told: What was said.
    """

    steps: list[Step] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    met: bool = True
    told: str = ""


def try_point(
    forks: Forks,
    market: Market,
    scenario: str,
    point: Point | None,
    *,
    began: float = 0,
    cache: Path | None = None,
    server: ServerDatabase | None = None,
    bug: str = "",
) -> Outcome:
    """Run one trial; without a point, see which steps there are.

    Args:
        forks: Where commands run.
        market: Who sells.
        scenario: Name of the story.
        point: Where trouble comes.
        began: The time at its beginning.
        cache: Price lists that were read.
        server: Where state is; in the home by default.
        bug: One of ``bugs.BUGS``, planted into every command.
    """
    story = SCENARIOS[scenario]
    world = World(
        forks, market, floor=story.floor, began=began, cache=cache, server=server, bug=bug
    )
    with world:
        return _Trial(world, story, point).run()


class _Trial:
    def __init__(self, world: World, story: Scenario, point: Point | None) -> None:
        self._world = world
        self._story = story
        self._point = point
        self._outcome = Outcome()
        self._is_known = not (story.lost or story.hidden or _comes_late(point))
        """Whether state must claim everything that is there."""
        self._has_lost = story.lost
        self._bought: set[str] = set()
        """Ids of the machines that the story began with."""

    def run(self) -> Outcome:
        """Run it whole."""
        outcome, world = self._outcome, self._world
        try:
            self._before()
            troubled = self._until_trouble()
            outcome.met = self._point is None or troubled is not None
            if troubled is not None:
                self._aftermath(troubled)
            self._see_steady()
            self._end()
            self._end_neighbour()
        except TimeoutError as error:
            outcome.problems.append(str(error))
        outcome.problems += audit.internal_errors(world)
        outcome.told = world.told()
        return outcome

    def _before(self) -> None:
        for move in self._story.before(self._world.market):
            if isinstance(move, Arb):
                ran = self._world.arb(move)
                if ran.code:
                    self._problem("before", [f"arb {' '.join(move.words)} failed"])
            else:
                move(self._world)
        self._bought = {entry.id for entry in self._world.ledger().alive("machine")}

    def _until_trouble(self) -> Ran | None:
        """Run the story; return the command that met with trouble."""
        number = 0
        for move in self._story.run(self._world.market):
            if not isinstance(move, Arb):
                move(self._world)
                continue
            number += 1
            point = self._point
            trap = point if point and point.step.command == number else None
            ran = self._world.arb(move, trap=trap, trace=point is None)
            self._outcome.steps += [step._replace(command=number) for step in ran.steps]
            if ran.met:
                return ran
            if ran.code:
                self._problem("story", [f"arb {' '.join(move.words)} failed"])
        return None

    def _aftermath(self, troubled: Ran) -> None:
        """Look, run the next command, wake whom it took over from, and look again."""
        point, world = self._point, self._world
        assert point is not None
        if point.loses_state:
            self._lose(troubled, point)
        if point.act is Act.TAKEN:
            world.advance(_SOON_S)
            world.take(world.ledger().alive("machine"))
            world.advance(_LAG_S if self._story.blurred else 0)
        self._look("after the trouble")
        self._let_neighbour_reap()
        is_stopped = troubled.fork.code is None
        if is_stopped:
            world.outlast_lease()
            in_commit = point.step.kind is Kind.COMMIT and point.when is When.BEFORE
            world.holds_lock = in_commit or world.market.holds(point.step)
        successor = self._next(point)
        if is_stopped:
            world.holds_lock = False
            self._wake(troubled, successor)
        if point.late_s:
            world.advance(point.late_s + 1)
            self._look("after the effect came")

    def _lose(self, troubled: Ran, point: Point) -> None:
        """Let the database go away while the command stands still, and let it go on or die."""
        database = self._world.database
        database.lose()
        if point.act is Act.LOSE_KILL:
            troubled.fork.kill()
        else:
            troubled.fork.wake()
        self._world.go_on(troubled)
        database.restore()
        self._has_lost = not database.survives
        self._is_known = self._is_known and not self._has_lost

    def _next(self, point: Point) -> Ran:
        """Run the next command."""
        world = self._world
        command = next_command(point.after, self._story, world.market)
        if world.holds_lock:  # until the stopped one goes on, patience has no end
            words = tuple(word for word in command.words if word != "--retry-until-up")
            command = replace(command, words=words)
        ran = world.arb(command)
        if ran.code and _is_busy(ran) and world.holds_lock:
            return ran
        if ran.code and _is_for_later(ran):
            world.advance(_FLOOR_S)
            ran = world.arb(command)
        says_so = self._story.regional and point.after == "reap"  # that it could not list a region
        if ran.code and not says_so:
            self._problem("next", [f"arb {' '.join(command.words)} failed"])
        is_dark = self._story.regional and (self._has_lost or point.act is Act.TAKEN)
        is_blind = is_dark or (self._has_lost and self._story.blurred)  # listings do not show it
        if point.after == "launch" and not ran.code and not is_blind:
            self._problem("after the next command", audit.surplus(world, self._story.nodes))
        if point.after != "cost" and not world.holds_lock:
            self._problem("after the next command", [] if is_dark else audit.phantoms(world))
            looks = not self._story.hidden or point.after in {"launch", "reap"}
            self._is_known = looks and not is_blind and not _comes_late(point)
        self._look("after the next command")
        return ran

    def _wake(self, stopped: Ran, successor: Ran) -> None:
        """Let the stopped command go on: it must leave to its successor what is its successor's.

        One that was told to end everything still may.

        Args:
            stopped: Which.
            successor: The command that ran meanwhile.
        """
        world, story = self._world, self._story
        used = _used(world) & _alive(world) if stopped.words[0] != "down" else set()
        stopped.fork.wake()
        world.go_on(stopped)
        self._look("after the stopped command ended")
        lost = used - _alive(world)
        self._problem("after the stopped command ended", [f"{id_} was taken away" for id_ in lost])
        has_done_its_work = not successor.code and "no cluster to end" not in successor.output
        wanted = {"launch": story.nodes, "down": 0}.get(successor.words[0])
        is_sure = has_done_its_work and stopped.words[0] != "down" and self._is_known
        if wanted is not None and is_sure:
            found = audit.surplus(world, wanted)
            self._problem("after the stopped command ended", found)

    def _see_steady(self) -> None:
        """See that a cluster that nobody had reason to touch is as it was."""
        point = self._point
        has_reason = point is not None and (
            point.act is Act.TAKEN or self._has_lost or point.after == "down"
        )
        if self._story.steady and not has_reason:
            self._problem("after all", audit.unsteady(self._world, self._bought))

    def _let_neighbour_reap(self) -> None:
        """Let another home at the account end what nobody asked for: nothing of ours is."""
        if self._story.shared:
            before = _alive(self._world)
            self._run(replace(REAP, home=NEIGHBOUR))
            gone = sorted(before - _alive(self._world))
            self._problem("after a neighbour's reap", [f"{id_} was taken away" for id_ in gone])

    def _end_neighbour(self) -> None:
        """See that the other home's machines are all there, and end them."""
        if not self._story.shared:
            return
        world = self._world
        if not audit.of_neighbours(world):
            self._problem("in the end", ["nothing of the neighbour is there"])
        for command in (DOWN, STATUS, STATUS):
            self._run(replace(command, home=NEIGHBOUR))
            world.advance(_FLOOR_S)
        left = audit.of_neighbours(world)
        self._problem("in the neighbour's end", [f"{name} is left" for name in left])

    def _end(self) -> None:
        """Give everything back, and let everything that is late come."""
        world = self._world
        if self._story.regional:
            world.account.darken(())
        self._run(DOWN)
        if _comes_late(self._point):
            world.advance(LATE_S[-1] + 1)
        for command in (STATUS, REAP, STATUS, *[STATUS] * _ROUNDS):
            if command is STATUS and not audit.still_open(world):
                continue
            world.advance(_FLOOR_S if command is STATUS else 0)
            self._run(command)
        if audit.still_open(world):
            world.advance(_OPEN_S)
            self._run(STATUS)
        self._problem("in the end", audit.leftovers(world))
        self._problem("in the end", audit.harm(world))
        if not self._has_lost:
            self._problem("in the end", audit.bill(world))

    def _run(self, command: Arb) -> None:
        ran = self._world.arb(command)
        if ran.code:
            self._problem("in the end", [f"arb {' '.join(command.words)} failed"])

    def _look(self, when: str) -> None:
        """See that somebody answers for everything that is there."""
        if self._is_known:
            self._problem(when, audit.claimed(self._world))

    def _problem(self, when: str, found: Iterable[str]) -> None:
        self._outcome.problems += [f"{when}: {text}" for text in found]


def _alive(world: World) -> set[str]:
    """Return ids and names of machines that are there."""
    alive = world.ledger().alive("machine")
    return {entry.id for entry in alive} | {entry.name for entry in alive}


def _used(world: World) -> set[str]:
    """Return the machines of clusters that are up, but for those that the provider took away.

    Some of these are billed, and so alive, until they are ended too.
    """
    from arb.state.clusters import ClusterStatus, list_clusters
    from arb.state.machines import machines_of_cluster

    with audit.opened(world) as store:
        if store is None:
            return set()
        up = [r for r in list_clusters(store) if r.status is ClusterStatus.UP]
        return {
            m.instance_id
            for record in up
            for m in machines_of_cluster(store, record.id)
            if m.terminate_after is None
        } - world.taken


def _comes_late(point: Point | None) -> bool:
    """Say whether an effect may come after its purchase was given up.

    Where listings do not lag a lost order is given up at once, so that only the reaper finds what
    comes all the same.
    """
    late = {Act.LATE, Act.LATE_KILL}
    return point is not None and point.act in late and point.step.kind is Kind.HOOK


def _is_for_later(ran: Ran) -> bool:
    """Say whether a launch was told to wait: for the end of what was there, or of a refusal."""
    told = ("ending later", "kept out by earlier refusals")
    return any(text in ran.output for text in told)


def _is_busy(ran: Ran) -> bool:
    told = ("has kept", "has been migrating", "another command is claiming")
    return any(text in ran.output for text in told)
