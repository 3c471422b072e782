"""Ctrl-C: what it says, and how to go on."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest

from arb.cli import follow, launch, render
from arb.cli.group import Interrupted
from arb.clusters.jobs import Launched
from arb.clusters.session import Session
from arb.state.clusters import ClusterRecord, ClusterStatus, insert_cluster
from arb.types.tokens import new_id

COME_BACK = "come back with: arb logs train 7\nend it with:    arb cancel train 7"

STAYS = (
    "\nCluster train stays up after the job too, as its nodes cannot end themselves; "
    "end it with: arb down train"
)


@pytest.fixture
def session(cli):
    with Session() as opened:
        yield opened


@pytest.fixture
def train(session):
    record = ClusterRecord(new_id(), "train", ClusterStatus.UP, 1.0, 1)
    with session.store.write() as tx:
        insert_cluster(tx, record)
    return record


@pytest.fixture
def ctrl_c_while_following(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    class OneNode:
        def __init__(self, _session, cluster):
            self.cluster = cluster

        def __len__(self):
            return 1

    monkeypatch.setattr("arb.clusters.logs.follow", interrupt)
    monkeypatch.setattr("arb.clusters.nodes.Nodes", OneNode)


@pytest.mark.usefixtures("ctrl_c_while_following")
@pytest.mark.parametrize(
    ("bought", "down", "ends_itself", "fate"),
    [
        (False, False, True, ""),
        (True, False, True, "\nCluster train stays up; end it with: arb down train"),
        (True, True, True, "\nCluster train ends with the job"),
        (False, True, True, "\nCluster train ends with the job"),
        (True, True, False, STAYS),
        (False, True, False, STAYS),
    ],
)
def test_following_detaches_and_says_how_to_come_back_and_what_is_paid_for(
    session, train, monkeypatch, bought, down, ends_itself, fate
):
    monkeypatch.setattr("arb.clusters.ending.can_end_itself", lambda *_: ends_itself)
    with pytest.raises(Interrupted) as caught:
        follow.follow_job(session, Launched(train, 7, bought), detach=False, down=down)
    assert caught.value.summary == "detached: job 7 of cluster train goes on"
    assert caught.value.hint == COME_BACK + fate


def test_what_ctrl_c_left_is_told_line_by_line_and_is_no_error(capsys):
    stop = Interrupted("detached", code="detached", hint=COME_BACK)
    render.interrupted(stop, as_json=False)
    assert capsys.readouterr().err.splitlines() == [
        "detached",
        "  come back with: arb logs train 7",
        "  end it with:    arb cancel train 7",
    ]


@pytest.mark.parametrize(
    ("status", "summary", "hint"),
    [
        (None, "interrupted: nothing is left of cluster train", ""),
        (ClusterStatus.UP, "interrupted: cluster train is up", "end it with: arb down train"),
        (
            ClusterStatus.TERMINATING,
            "interrupted: cluster train is not gone yet",
            "the next arb command carries on with its end; arb status shows it",
        ),
    ],
)
def test_a_launch_that_is_interrupted_says_what_is_left(
    session, monkeypatch, status, summary, hint
):
    def interrupt(*_):
        if status is not None:
            with session.store.write() as tx:
                insert_cluster(tx, ClusterRecord(new_id(), "train", status, 1.0, 1))
        raise KeyboardInterrupt

    monkeypatch.setattr("arb.clusters.launch.run_launch", interrupt)
    plan = SimpleNamespace(cluster="train", usd_hour=0, waits=False)
    with pytest.raises(Interrupted) as caught:
        launch._carry_out(session, plan, yes=True)
    assert (caught.value.summary, caught.value.hint) == (summary, hint)


@pytest.mark.parametrize(
    ("typed", "agreed", "shown"),
    [
        ("y\n", True, "Buy? [y/N] "),
        ("yes\n", True, "Buy? [y/N] "),
        ("n\n", False, "Buy? [y/N] "),
        ("\n", False, "Buy? [y/N] "),
        ("", False, "Buy? [y/N] \n"),
    ],
    ids=["y", "yes", "n", "enter", "ctrl-d"],
)
def test_only_a_yes_agrees_and_the_next_line_begins_at_its_start(monkeypatch, typed, agreed, shown):
    terminal = type("Terminal", (io.StringIO,), {"isatty": lambda _: True})
    monkeypatch.setattr("sys.stdin", terminal(typed))
    monkeypatch.setattr("sys.stderr", terminal())
    assert render.confirm("Buy?", yes=False) is agreed
    assert sys.stderr.getvalue() == shown
