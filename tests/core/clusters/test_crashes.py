"""kill -9 at every step of a launch and of an end: the next command leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.crash import CRASHED, Crashes, Point

from arb.state.attempts import open_attempts
from arb.state.clusters import list_clusters
from arb.state.costs import read_costs
from arb.state.machines import open_machines
from arb.state.store import open_store
from arb.state.vault import open_vault

if TYPE_CHECKING:
    from collections.abc import Iterator

room = pytest.importorskip("arb_local.room")

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
            "PATH": "/usr/local/bin:/usr/bin:/bin",
        }
        self._crashes = crashes

    def run(self, scenario: str) -> list[str]:
        """Run a scenario to its end; return its steps."""
        done = self._crashes.run(scenario, self.env)
        assert done.code == 0, done.output
        return done.steps

    def crash(self, scenario: str, at: Point) -> None:
        """Run a scenario until it dies at a point."""
        done = self._crashes.run(scenario, self.env, at)
        assert done.code == CRASHED, f"{at} was not reached: {done}"

    @property
    def room(self) -> room.Room:
        return room.Room(self.home / "data" / "local" / "room")

    def assert_nothing_left(self) -> None:
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
            billed = {row.instance_id for row in read_costs(store)}
            assert billed == {history.id for history in made}


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
    "Provider.list_instances",
    "Provider.ssh_ports",
    "Provider.ssh_ports-2",
    "Journal.ready",
]
"""A launch whose first offer makes a part of the gang: every step in its order."""
DOWN = [
    "Journal.want_gone",
    "Provider.terminate",
    "Provider.terminate-2",
    "Journal.terminated",
    "Journal.terminated-2",
    "Provider.cleanup",
    "Journal.closed",
]


def points(steps: list[str]) -> list[Point]:
    """Return where to die: around every provider call, and after every commit.

    Before a commit is as after what comes before it: nothing but these changes anything outside.
    """
    return [
        Point(step, after=after, nth=int(nth or 1))
        for step, _, nth in (text.partition("-") for text in steps)
        for after in ((False, True) if step.startswith("Provider") else (True,))
    ]


def numbered(steps: list[str]) -> list[str]:
    """Name steps as ``LAUNCH`` does: later ones with their number; looks once."""
    counts: dict[str, int] = {}
    named = []
    for step in steps:
        nth = counts[step] = counts.get(step, 0) + 1
        if nth == 1 or step != "Provider.list_instances":
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


@pytest.mark.parametrize("point", [Point("Provider.terminate"), Point("Journal.closed")], ids=str)
def test_what_carries_on_may_die_as_well(place: Place, point: Point) -> None:
    place.crash("launch", Point("Journal.ready"))
    place.crash("resume", point)
    place.run("resume")
    place.assert_nothing_left()


@pytest.mark.parametrize(
    "point",
    [Point("Journal.failed"), Point("Provider.terminate"), Point("Journal.closed")],
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
