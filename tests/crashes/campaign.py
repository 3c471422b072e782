"""Many trials of one provider: points are found by a run without trouble, chosen by a seed."""

from __future__ import annotations

import random
import shlex
import shutil
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from traceback import format_exc
from typing import TYPE_CHECKING, Self

from crashes.forks import Forks
from crashes.points import Point, acts_of
from crashes.scenarios import NEXT, Arb
from crashes.trial import Outcome, try_point
from crashes.world import World, scratch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crashes.databases import ServerDatabase
    from crashes.markets import Market
    from crashes.points import Step

__all__ = ["Campaign", "Failure", "Tally", "points_of"]


@dataclass(frozen=True)
class Failure:
    """A trial that did not end as it must.

    Attributes:
        point: Where; None is the run without trouble.
    """

    provider: str
    scenario: str
    point: Point | None
    problems: tuple[str, ...]
    told: str = ""

    @property
    def command(self) -> str:
        """Return what runs just this trial again."""
        what = ["--point", str(self.point)] if self.point else ["--scenario", self.scenario]
        words = ["python", "-m", "tests.crashes", "--provider", self.provider, *what, "--verbose"]
        return shlex.join(words)

    def __str__(self) -> str:
        """Return problems and command."""
        return "\n".join([self.command, *(f"    {problem}" for problem in self.problems)])


@dataclass
class Tally:
    """What was found and done at one provider.

    Attributes:
        points: Points that there are, by scenario.
        ran: How many of them were tried.
        missed: Points that were not reached: a command took another way than the first time.
        failures: What went wrong.
        seconds: Of real time.
    """

    provider: str
    points: dict[str, int] = field(default_factory=dict)
    ran: int = 0
    missed: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        """Return one line."""
        parts = [
            f"{self.provider}: {sum(self.points.values())} points in {len(self.points)} scenarios",
            f"{self.ran} tried in {self.seconds:.0f} s",
            f"{len(self.failures)} failed",
        ]
        if self.missed:
            parts.append(f"{len(self.missed)} not reached")
        return ", ".join(parts)


def points_of(scenario: str, steps: Iterable[Step], market: Market) -> list[Point]:
    """Return everything that can happen at some steps."""
    return [
        Point(scenario, step, when, act, late_s)
        for step in steps
        for when, act, late_s in acts_of(step.kind, changes=market.changes(step.kind, step.label))
    ]


class Campaign:
    """Trials at one provider.

    Args:
        market: Whose.
        forks: Where commands run; made when it is not given.
        seed: Chooses.
        server: Where state is; in each trial's home by default.
        bug: One of ``bugs.BUGS``, planted into every command, to see whether it is found.
    """

    def __init__(
        self,
        market: Market,
        forks: Forks | None = None,
        *,
        seed: int = 0,
        server: ServerDatabase | None = None,
        bug: str = "",
    ) -> None:
        self.market = market
        self.tally = Tally(market.name)
        self.seed = seed
        self._server = server
        self._bug = bug
        self._own = Forks() if forks is None else None
        self._forks = forks or self._own
        self._forks.preload(market.preload)
        self._folder = Path(tempfile.mkdtemp(prefix="trials-", dir=scratch()))
        self._began, self._cache = time.time(), self._folder / "cache"
        self._points: dict[str, list[Point]] = {}
        self._read_prices()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the warm process, when it is our own."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._own is not None:
            self._own.close()

    def points(self, scenario: str) -> list[Point]:
        """Return every point of a scenario; the first time it is run without trouble for that."""
        if scenario not in self._points:
            outcome = self._try(scenario, None)
            found = points_of(scenario, outcome.steps, self.market)
            self._points[scenario] = [self._with_next(point) for point in found]
            self.tally.points[scenario] = len(found)
        return self._points[scenario]

    def sample(self, scenario: str, count: int) -> list[Point]:
        """Return some points, of as many kinds as there are, by the seed."""
        chance = random.Random(f"{self.seed} {self.market.name} {scenario}")
        groups: dict[object, dict[str, list[Point]]] = {}
        for point in self.points(scenario):
            kind = (point.step.kind, point.act)
            groups.setdefault(kind, {}).setdefault(point.step.label, []).append(point)
        kinds = list(groups.values())
        chance.shuffle(kinds)
        chosen: list[Point] = []
        while kinds and len(chosen) < count:
            kinds = [labels for labels in kinds if labels]
            for labels in kinds[: count - len(chosen)]:
                label = chance.choice(sorted(labels))
                rest = labels[label]
                chosen.append(rest.pop(chance.randrange(len(rest))))
                if not rest:
                    del labels[label]
        return chosen

    def run(self, points: Sequence[Point]) -> list[Failure]:
        """Try points; return what went wrong."""
        return [failure for point in points if (failure := self._run(point))]

    def told(self, point: Point) -> str:
        """Try a point once more, outside the tally, and return what was said."""
        return self._attempt(point.scenario, point).told

    def _run(self, point: Point) -> Failure | None:
        before = len(self.tally.failures)
        outcome = self._try(point.scenario, point)
        self.tally.ran += 1
        if not outcome.met:
            self.tally.missed.append(str(point))
        found = self.tally.failures[before:]
        return found[0] if found else None

    def _try(self, scenario: str, point: Point | None) -> Outcome:
        begun = time.monotonic()
        outcome = self._attempt(scenario, point)
        self.tally.seconds += time.monotonic() - begun
        if outcome.problems:
            problems = tuple(dict.fromkeys(outcome.problems))
            failure = Failure(self.market.name, scenario, point, problems, outcome.told)
            self.tally.failures.append(failure)
        return outcome

    def _attempt(self, scenario: str, point: Point | None) -> Outcome:
        try:
            return try_point(
                self._forks,
                self.market,
                scenario,
                point,
                began=self._began,
                cache=self._cache,
                server=self._server,
                bug=self._bug,
            )
        except Exception as error:  # noqa: BLE001 - one trial that breaks does not end the others
            return Outcome(problems=[f"the trial broke: {error!r}"], told=format_exc())

    def _with_next(self, point: Point) -> Point:
        """Choose the command that comes next, by the seed and the point alone."""
        chance = random.Random(f"{self.seed} {point}")
        return replace(point, after=chance.choice(NEXT))

    def _read_prices(self) -> None:
        """Read price lists once: every trial begins right after that."""
        with World(self._forks, self.market, began=self._began) as world:
            ran = world.arb(Arb(("refresh", self.market.name)))
            if ran.code:
                raise RuntimeError(str(ran))
            shutil.copytree(world.home / "cache", self._cache)
            self._began = world.clock.now()
