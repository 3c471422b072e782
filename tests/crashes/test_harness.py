"""The trials themselves: they see every step, choose by the seed, and find bugs that are planted."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from crashes.bugs import BUGS
from crashes.campaign import Campaign
from crashes.clock import JumpClock
from crashes.forks import Forks
from crashes.points import Act, Kind, Point

FOUND = """
intent      local    launch:1:hook:arb_provision:1:after:kill:launch              nobody claims machine
lost        local    launch:1:hook:arb_provision:1:after:exit:launch              is left
impatient   spheron  launch:1:call:POST /api/deployments:1:after:late-90:status   nobody claims machine
silence     local    launch:1:hook:arb_provision:1:after:drop:launch              nobody claims machine
gang        local    gang:1:commit:journal.failed:1:after:stop:launch             nobody claims machine
full        spheron  launch:1:commit:journal.open:1:before:full:launch            nobody claims machine
lease       local    launch:1:commit:journal.open:1:after:stop:down               1 machines serve 0 nodes
loss        local    launch:1:hook:arb_provision:1:after:lose+kill:status         nobody claims machine
taken       spheron  launch:1:hook:arb_provision:1:after:kill+taken:launch        the bill lacks
listing     gcp      steady:1:hook:arb_list_instances:1:after:exit:launch         is gone here
listing     gcp      dark:1:hook:arb_list_instances:1:after:exit:launch           is gone here
ended       local    floor:1:commit:journal.terminated:1:after:kill:launch        nobody claims machine
foreign     local    reap:1:hook:arb_terminate:1:after:kill:launch                of somebody else
foreign     local    shared:1:hook:arb_provision:1:after:kill:launch              was taken away
keys        local    down:1:commit:journal.want_gone:1:after:kill:launch          the vault keeps host/
lost-keys   local    noticed:1:hook:arb_list_instances:1:after:lose+kill:launch   the vault keeps host/
lost-rules  gcp      patient:1:hook:arb_preemption_notice:1:after:lose+kill:reap  is left
unbilled    local    down:1:hook:arb_terminate:1:before:kill:launch               the bill lacks
overbilled  local    down:1:hook:arb_terminate:1:before:exit:launch               the bill has
beside      local    down:1:commit:giveback.end_cluster:1:before:kill:launch      serve 1 nodes
"""
"""Bug, provider, a point at which it shows, and what is said then."""
RANDOM = re.compile(r'arb-[a-z2-7]{8}-[a-z2-7]{8}|n-[0-9a-f]{10}|lost-[a-z2-7]{8}|_id": "[^"]+"')
"""What differs between two trials of one point."""
PLANTED = [re.split(r"\s{2,}", line) for line in FOUND.strip().splitlines()]


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
    assert {bug for bug, *_ in PLANTED} == set(BUGS)


def test_there_is_a_bug_for_each_kind_of_trouble():
    tried = {Point.parse(where).act for _, _, where, _ in PLANTED}
    assert tried == set(Act) - {Act.LOSE, Act.LATE_KILL}  # each is another's twin


@pytest.mark.slow
@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: "-".join(planted[:3:2]))
def test_a_planted_bug_is_found(campaigns, forks, planted):
    bug, provider, where, told = planted
    point, healthy = Point.parse(where), campaigns(provider)
    with Campaign(healthy.market, forks, bug=bug) as sick:
        (failure,) = sick.run([point])
    assert any(told in problem for problem in failure.problems), failure
    assert failure.command.startswith(f"python -m tests.crashes --provider {provider} --point ")
    assert healthy.run([point]) == []
    assert str(point) not in healthy.tally.missed


@pytest.mark.parametrize(
    ("provider", "where"),
    [
        ("local", "gang:1:commit:journal.failed:1:after:stop:launch"),
        pytest.param(
            "spheron",
            "launch:1:call:POST /api/deployments:1:after:late-20:status",
            marks=pytest.mark.slow,
        ),
        pytest.param("gcp", "patient:1:call:oauth.token:1:after:drop:cost", marks=pytest.mark.slow),
        pytest.param("gcp", "gang:1:vault:put host:2:after:exit:launch", marks=pytest.mark.slow),
    ],
)
def test_a_trial_is_the_same_each_time(campaigns, provider, where):
    told = [campaigns(provider).told(Point.parse(where)) for _ in range(2)]
    first, second = ([RANDOM.sub("*", line) for line in text.splitlines()] for text in told)
    assert first == second


@pytest.mark.slow
def test_a_stopped_command_ends_with_whoever_forked_it(tmp_path):
    clock = JumpClock(tmp_path / "clock")
    clock.begin_at(1.8e9)
    with Forks() as warm:
        about = {"env": {"HOME": str(tmp_path)}, "clock": str(clock.path), "market": "local"}
        fork = warm.start({**about, "call": "time:sleep", "args": [60]})
        fork.stop()
        assert is_there(fork.pid)
    deadline = time.monotonic() + 10
    while is_there(fork.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_there(fork.pid)


def is_there(pid):
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"
