"""Trouble at every step of a launch and of an end: the next command leaves nothing behind.

Processes die, are stopped past their lease while another takes over, or lose their database.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.crash import CRASHED, Crashes, Died, How, Point

from arb.state.attempts import open_attempts
from arb.state.clusters import list_clusters
from arb.state.costs import read_costs
from arb.state.machines import open_machines
from arb.state.store import open_store
from arb.state.vault import open_vault

if TYPE_CHECKING:
    from collections.abc import Iterator

room = pytest.importorskip("arb_local.room")

OTHERS = "aws,gcp,lambda,spheron,ssh"
"""Whatever else is installed here is not asked."""
CONFIG = """
provider_options:
  local:
    simulated:
      - {instance_type: half, price_usd_hour: 1, regions: {moon: []}, capacity: 1,
         partial_gangs: true}
      - {instance_type: whole, price_usd_hour: 2, regions: {moon: []}}
"""


class Place:
    """One home with a machine room, and the processes that work on it."""

    def __init__(self, folder: Path, crashes: Crashes) -> None:
        self.home = folder / "arb"
        self.home.mkdir()
        (self.home / "config.yaml").write_text(CONFIG)
        (folder / "user").mkdir()
        self.env = {
            "HOME": str(folder / "user"),
            "ARB_HOME": str(self.home),
            "ARB_DISABLE_PROVIDERS": OTHERS,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
        }
        self._crashes = crashes

    def run(self, scenario: str) -> list[str]:
        """Run a scenario to its end; return its steps."""
        done = self._crashes.run(scenario, self.env)
        assert done.code == 0, done.output
        return done.steps

    def crash(self, scenario: str, at: Point, how: How = How.EXIT) -> None:
        """Run a scenario until it dies at a point."""
        done = self._crashes.run(scenario, self.env, at, how)
        code = CRASHED if how is How.EXIT else -signal.SIGKILL
        assert done.code == code, f"{at} was not reached: {done}"

    def fail(self, scenario: str, at: Point, how: How) -> Died:
        """Run a scenario that fails of its own accord because of what happens at a point."""
        done = self._crashes.run(scenario, self.env, at, how)
        assert done.code == 1, f"{at} was not reached: {done}"
        return done

    def stop(self, scenario: str, at: Point) -> Died:
        """Run a scenario until it is stopped at a point."""
        stopped = self._crashes.run(scenario, self.env, at, How.STOP)
        assert stopped.stopped, f"{at} was not reached: {stopped}"
        return stopped

    def wake(self, stopped: Died) -> Died:
        """Let it go on to its end."""
        return self._crashes.wake(stopped)

    @property
    def room(self) -> room.Room:
        return room.Room(self.home / "data" / "local" / "room")

    def lose_state(self) -> None:
        """Remove the database; the owner's mark stays."""
        for path in self.home.glob("state.db*"):
            if path.name != "state.db.owner":
                path.unlink()

    def alive(self) -> list[str]:
        """Return the machines that are billed, as the room knows them."""
        return [history.id for history in self.room.history() if not history.gone]

    def assert_nothing_left(self, *, billed: bool = True) -> None:
        """No machine, no row that claims to live, no key; and every machine is in the bill."""
        made = self.room.history()
        assert [history.id for history in made if not history.gone] == []
        assert self.room.list() == ()
        with open_store(f"sqlite:///{self.home / 'state.db'}") as store:
            assert list_clusters(store) == []
            assert open_machines(store) == []
            assert open_attempts(store) == []
            vault = open_vault(self.home / "vault", store, {})
            assert [*vault.names("host/"), *vault.names("gang/")] == []
            if billed:
                bill = {row.instance_id for row in read_costs(store)}
                assert bill == {history.id for history in made}


@pytest.fixture(scope="module")
def crashes() -> Iterator[Crashes]:
    with Crashes(Path(__file__).with_name("scenarios.py")) as made:
        yield made


@pytest.fixture
def place(tmp_path: Path, crashes: Crashes) -> Iterator[Place]:
    made = Place(tmp_path, crashes)
    yield made
    for machine in made.room.list():
        made.room.terminate(machine.id)


LAUNCH = [
    "Provider.list_instances",
    "Provider.query_prices",
    "Journal.open",
    "Provider.provision",
    "Journal.failed",
    "Provider.terminate",
    "Journal.terminated",
    "Provider.cleanup",
    "Journal.closed",
    "Journal.open-2",
    "Provider.provision-2",
    "Journal.placed",
    "Provider.list_instances-2",
    "Provider.ssh_ports",
    "Provider.ssh_ports-2",
    "Journal.ready",
]
"""A launch whose first offer makes a part of the gang: every step in its order, the reaper's first."""
DOWN = [
    "Journal.want_gone",
    "Provider.terminate",
    "Provider.terminate-2",
    "Journal.terminated",
    "Journal.terminated-2",
    "Provider.cleanup",
    "Journal.closed",
]


def slowly(point: Point) -> object:
    """Leave a point to the slow tests: others of its kind are tried always."""
    return pytest.param(point, marks=pytest.mark.slow)


ALWAYS = {
    *("Journal.open", "Provider.provision", "Journal.failed", "Provider.provision-2"),
    *("Journal.placed", "Journal.want_gone", "Provider.terminate", "Journal.closed"),
}
"""Where something begins, is bought or ends."""


def points(steps: list[str]) -> list[object]:
    """Return where to die: around every provider call, and after every commit.

    Before a commit is as after what comes before it: nothing but these changes anything outside.
    The slow tests try them all; others those after steps of ``ALWAYS``.
    """
    found: list[object] = []
    for text in steps:
        step, _, nth = text.partition("-")
        if step.startswith("Provider"):
            found.append(slowly(Point(step, after=False, nth=int(nth or 1))))
        after = Point(step, nth=int(nth or 1))
        found.append(after if text in ALWAYS else slowly(after))
    return found


def numbered(steps: list[str]) -> list[str]:
    """Name steps as ``LAUNCH`` does: later ones with their number; looks twice at most."""
    counts: dict[str, int] = {}
    named = []
    for step in steps:
        nth = counts[step] = counts.get(step, 0) + 1
        if nth <= 2 or step != "Provider.list_instances":
            named.append(step if nth == 1 else f"{step}-{nth}")
    return named


def test_the_steps_are_those_that_are_tried(place: Place) -> None:
    """A new step of a launch or an end belongs into the lists, and so into the tests below."""
    assert numbered(place.run("launch")) == LAUNCH
    assert sorted(numbered(place.run("down"))) == sorted([*DOWN, "Journal.want_gone-2"])
    place.assert_nothing_left()


@pytest.mark.parametrize("point", points(LAUNCH), ids=str)
def test_a_launch_that_dies_leaves_nothing_to_the_next_command(place: Place, point: Point) -> None:
    place.crash("launch", point)
    place.run("resume")
    place.assert_nothing_left()


@pytest.mark.parametrize("point", points(DOWN), ids=str)
def test_an_end_that_dies_is_carried_on_by_the_next(place: Place, point: Point) -> None:
    place.run("launch")
    place.crash("down", point)
    place.run("down")
    place.assert_nothing_left()


@pytest.mark.parametrize(
    "point", [Point("Provider.terminate"), slowly(Point("Journal.closed"))], ids=str
)
def test_what_carries_on_may_die_as_well(place: Place, point: Point) -> None:
    place.crash("launch", Point("Journal.ready"))
    place.crash("resume", point)
    place.run("resume")
    place.assert_nothing_left()


@pytest.mark.parametrize(
    "point",
    [
        Point("Journal.failed"),
        slowly(Point("Provider.terminate")),
        slowly(Point("Journal.closed")),
    ],
    ids=str,
)
def test_a_launch_that_dies_while_it_gives_back_is_carried_on(place: Place, point: Point) -> None:
    place.crash("launch_late", point)
    place.run("resume")
    place.assert_nothing_left()


def test_the_name_can_be_launched_again_after_a_crash(place: Place) -> None:
    place.crash("launch", Point("Journal.placed"))
    place.run("launch")
    with open_store(f"sqlite:///{place.home / 'state.db'}") as store:
        (record,) = list_clusters(store)
        assert record.status == "up"
        assert len(open_machines(store)) == 2
    assert len(place.room.list()) == 2
    place.run("down")
    place.assert_nothing_left()


@pytest.mark.parametrize(
    "point", [Point("Provider.provision", nth=2), slowly(Point("Journal.ready"))], ids=str
)
def test_sigkill_is_no_worse(place: Place, point: Point) -> None:
    place.crash("launch", point, How.KILL)
    place.run("resume")
    place.assert_nothing_left()


# -- stopped past the lease, and taken over -----------------------------------------------------------

LEASE_S = 0.4
STOPS = [
    slowly(Point("Journal.open")),
    Point("Provider.provision", after=False, nth=2),
    Point("Provider.provision", nth=2),
    slowly(Point("Journal.placed")),
    slowly(Point("Provider.ssh_ports", after=False)),
    Point("Journal.ready"),
]


@pytest.mark.parametrize("point", STOPS, ids=str)
def test_a_launch_that_was_taken_over_while_it_stood_still_leaves_nothing(
    place: Place, point: Point
) -> None:
    """Whoever takes over ends what it finds; what the first then still does, it takes back itself."""
    place.env["LEASE_S"] = str(LEASE_S)
    stopped = place.stop("launch", point)
    time.sleep(1.5 * LEASE_S)
    place.run("resume")
    assert place.alive() == [] or point.step == "Provider.provision"

    woken = place.wake(stopped)

    assert woken.code == 1, f"it took the cluster for its own: {woken}"
    assert "Error" in woken.output or "Ending" in woken.output or "LeaseLost" in woken.output
    assert place.alive() == []
    place.run("reap")
    place.assert_nothing_left()


def test_a_launch_that_stood_still_and_was_not_taken_over_goes_on(place: Place) -> None:
    place.env["LEASE_S"] = str(LEASE_S)
    stopped = place.stop("launch", Point("Journal.placed"))
    time.sleep(1.5 * LEASE_S)

    assert place.wake(stopped).code == 0

    assert len(place.alive()) == 2
    place.run("down")
    place.assert_nothing_left()


def test_a_second_launch_of_the_name_takes_over_and_keeps_its_own(place: Place) -> None:
    place.env["LEASE_S"] = str(LEASE_S)
    stopped = place.stop("launch", Point("Provider.provision", after=False, nth=2))
    time.sleep(1.5 * LEASE_S)
    place.run("launch")
    mine = place.alive()

    assert place.wake(stopped).code == 1

    assert place.alive() == mine
    place.run("reap")
    assert place.alive() == mine
    place.run("down")
    place.assert_nothing_left()


# -- the database goes away in the middle -------------------------------------------------------------


@pytest.mark.parametrize(
    "point",
    [
        Point("Provider.provision", nth=2),
        slowly(Point("Journal.placed")),
        slowly(Point("Journal.ready")),
    ],
    ids=str,
)
@pytest.mark.parametrize("how", [How.FULL, How.LOSE])
def test_what_was_bought_ends_although_it_cannot_be_written_down(
    place: Place, point: Point, how: How
) -> None:
    done = place.fail("launch", point, how)

    assert place.alive() == [], done.output
    place.run("reap")
    place.assert_nothing_left(billed=False)


@pytest.mark.parametrize("how", [How.FULL, How.LOSE])
def test_machines_are_found_by_their_token_when_the_process_died_of_it(
    place: Place, how: How
) -> None:
    """The database went away and the process was killed before it could end anything."""
    place.crash("launch", Point("Journal.ready"))
    if how is How.LOSE:
        place.lose_state()
    assert len(place.alive()) == 2

    place.run("resume")

    assert place.alive() == []
    place.assert_nothing_left(billed=how is How.FULL)


@pytest.mark.parametrize(
    "point",
    [
        slowly(Point("Provider.list_instances")),
        Point("Journal.reaped"),
        slowly(Point("Provider.terminate")),
        slowly(Point("Journal.terminated", nth=2)),
        slowly(Point("Journal.closed")),
    ],
    ids=str,
)
def test_the_reaper_may_die_as_well(place: Place, point: Point) -> None:
    place.crash("launch", Point("Journal.ready"))
    place.lose_state()
    place.crash("resume", point)
    place.run("resume")
    place.assert_nothing_left(billed=False)


def test_two_homes_on_one_account_never_touch_each_others_machines(
    place: Place, tmp_path: Path, crashes: Crashes
) -> None:
    (tmp_path / "other").mkdir()
    other = Place(tmp_path / "other", crashes)
    (other.home / "config.yaml").write_text(CONFIG + f"    room: {place.room.path}\n")
    place.run("launch")
    mine = place.alive()
    other.run("launch")

    other.run("reap")
    other.run("down")
    assert place.alive() == mine
    place.run("reap")
    place.run("down")
    place.assert_nothing_left(billed=False)
