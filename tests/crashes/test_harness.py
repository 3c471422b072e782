"""The trials themselves: they see every step, choose by the seed, and find bugs that are planted."""

from __future__ import annotations

import pytest

from crashes.bugs import BUGS
from crashes.campaign import Campaign
from crashes.markets import PROVIDERS
from crashes.points import Act, Kind, Point, When

FOUND = {
    "intent": ("launch", Kind.HOOK, "arb_provision", When.AFTER, Act.KILL, "nobody claims machine"),
    "lost": ("launch", Kind.HOOK, "arb_provision", When.AFTER, Act.EXIT, "is left"),
    "ended": ("floor", Kind.COMMIT, "journal.terminated", When.AFTER, Act.KILL, "nobody claims"),
    "foreign": ("reap", Kind.HOOK, "arb_terminate", When.AFTER, Act.KILL, "of somebody else"),
    "keys": ("down", Kind.COMMIT, "journal.want_gone", When.AFTER, Act.KILL, "the vault keeps"),
    "lost-keys": (
        *("noticed", Kind.HOOK, "arb_list_instances", When.AFTER, Act.LOSE_KILL),
        "the vault keeps host/",
    ),
    "unbilled": ("down", Kind.HOOK, "arb_terminate", When.BEFORE, Act.KILL, "the bill lacks"),
    "overbilled": ("down", Kind.HOOK, "arb_terminate", When.BEFORE, Act.EXIT, "the bill has"),
    "beside": ("down", Kind.COMMIT, "giveback.end_cluster", When.BEFORE, Act.KILL, "serve 1 nodes"),
}
"""Bug -> a point at which it shows, and what is said then."""


@pytest.fixture
def local(campaigns):
    return campaigns("local")


def test_every_kind_of_step_is_seen(local):
    steps = [point.step for point in local.points("gang")]
    labels = list(dict.fromkeys(step.label for step in steps))
    assert {step.kind for step in steps} == set(Kind) - {Kind.CALL}
    bought = ["journal.open", "arb_provision", "journal.placed", "put host", "journal.ready"]
    assert [label for label in labels if label in bought] == bought


def test_calls_of_an_api_are_seen_by_the_cloud(campaigns):
    points = campaigns("spheron").points("launch")
    orders = [p for p in points if p.step.label == "POST /api/deployments"]
    late = {point.late_s for point in orders if point.act is Act.LATE}
    assert late == {1, 20, 90}
    reads = [p for p in points if p.step.label == "GET /api/deployments"]
    assert {point.act for point in reads} == {Act.KILL, Act.DROP}


def test_a_point_reads_what_it_writes(local):
    points = local.points("down")
    assert [Point.parse(str(point)) for point in points] == points


def test_the_seed_chooses(local, forks):
    chosen = local.sample("down", 20)
    assert len({str(point) for point in chosen}) == 20
    assert local.sample("down", 20) == chosen
    with Campaign(local.market, forks, seed=1) as other:
        assert other.sample("down", 20) != chosen


def test_every_point_is_chosen_when_there_are_not_more(local):
    points = local.points("noticed")
    assert sorted(map(str, local.sample("noticed", 10_000))) == sorted(map(str, points))


def test_there_is_a_point_for_each_bug():
    assert set(FOUND) == set(BUGS)


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(local, forks, bug):
    scenario, kind, label, when, act, told = FOUND[bug]
    wanted = (kind, label, when, act)
    points = [
        p for p in local.points(scenario) if (p.step.kind, p.step.label, p.when, p.act) == wanted
    ]
    with Campaign(PROVIDERS["local"], forks, bug=bug) as sick:
        (failure,) = sick.run([with_launch(points[0])])
    assert any(told in problem for problem in failure.problems), failure
    assert failure.command.startswith("python -m tests.crashes --provider local --point ")
    assert local.run([with_launch(points[0])]) == []


def with_launch(point):
    """Let the next command be a launch."""
    return Point(point.scenario, point.step, point.when, point.act, after="launch")
