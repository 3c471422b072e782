"""Handing a job over, also when the answer gets lost on the way."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from arb.clusters.jobs import submit
from arb.errors import HostKeyError, NodeError, NodeUnreachable
from arb.nodes.upload import UploadReport
from arb.tasks import Task


class Head:
    """An agent that takes every job, and loses its answers as told."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.jobs: dict[str, int] = {}
        self.asked = 0
        self.forgotten = 0
        self.away: list[Exception] = []
        self.ssh = None
        self.gpus = 0.0

    def agent(self):
        if self.away:
            raise self.away.pop(0)
        return self

    def submit(self, *, token, gpus, **_job):
        self.asked += 1
        self.gpus = gpus
        number = self.jobs.setdefault(token, len(self.jobs) + 1)
        if self.errors:
            raise self.errors.pop(0)
        return number

    def forget_agent(self):
        self.forgotten += 1


def hand_over(site, head, offer="", **task):
    cluster = SimpleNamespace(offer_json=offer, name="train")
    nodes = SimpleNamespace(head=head, cluster=cluster, first=lambda _count: [head])
    return submit(site.session, nodes, Task(run="true", **task), with_setup=True)


class Uploads:
    """Stands in for copying, and loses the connection as told."""

    def __init__(self, *errors: Exception, reports: tuple[UploadReport, ...] = ()) -> None:
        self.errors = list(errors)
        self.reports = list(reports)
        self.count = 0

    def __call__(self, _ssh, _folder, _target):
        self.count += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.reports.pop(0) if self.reports else UploadReport(1, 1, 1, 1)


def test_a_job_whose_answer_was_lost_is_asked_for_again_and_runs_once(site):
    head = Head(NodeUnreachable("lost"), NodeUnreachable("lost again"))
    assert hand_over(site, head) == 1
    assert head.asked == 3
    assert head.forgotten == 2
    assert len(head.jobs) == 1


def test_two_jobs_are_two(site):
    head = Head()
    assert [hand_over(site, head), hand_over(site, head)] == [1, 2]


@pytest.mark.parametrize(("bought", "taken"), [(("H200", 4), 4), (("H100", 8), 8), (("", 0), 4)])
def test_a_job_takes_the_gpus_of_the_alternative_that_was_bought(site, bought, taken):
    resources = {"ordered": [{"accelerators": "H200:4"}, {"accelerators": "H100:8"}]}
    offer = json.dumps(dict(zip(("accelerator", "accelerator_count"), bought, strict=True)))
    head = Head()
    hand_over(site, head, offer, resources=resources)
    assert head.gpus == taken


def test_a_head_that_stays_away_is_given_up_and_where_to_look_is_said(site):
    began = site.clock.monotonic()
    with pytest.raises(NodeUnreachable) as caught:
        hand_over(site, Head(*[NodeUnreachable("lost", code="connection-lost")] * 100))
    assert caught.value.code == "connection-lost"
    assert "arb queue train" in caught.value.hint
    assert site.clock.monotonic() - began < 60


def test_a_head_that_cannot_be_reached_at_all_is_told_at_once(site):
    head, began = Head(), site.clock.monotonic()
    head.away = [NodeUnreachable("cannot connect", hint="it may be starting")]
    with pytest.raises(NodeUnreachable) as caught:
        hand_over(site, head)
    assert caught.value.hint == "it may be starting"
    assert head.asked == 0
    assert site.clock.monotonic() == began


def test_a_connection_that_breaks_while_it_is_made_is_made_again(site):
    head = Head()
    head.away = [NodeUnreachable("lost", code="connection-lost")]
    assert hand_over(site, head) == 1


def test_a_head_may_be_away_between_two_tries(site):
    head = Head(NodeUnreachable("lost"))

    def lose_it():
        head.forgotten += 1
        head.away = [NodeUnreachable("cannot connect")] if head.forgotten == 1 else []

    head.forget_agent = lose_it
    assert hand_over(site, head) == 1
    assert head.forgotten == 2


LOST = "connection-lost"


def test_a_copy_that_was_cut_off_is_carried_on_with_once(site, tmp_path, monkeypatch):
    uploads, head = Uploads(NodeUnreachable("lost", code=LOST)), Head()
    monkeypatch.setattr("arb.nodes.upload.upload", uploads)
    assert hand_over(site, head, workdir=str(tmp_path)) == 1
    assert (uploads.count, head.forgotten) == (2, 1)


def changed(*names: str) -> UploadReport:
    return UploadReport(9, 9, 9, 9, changed=names)


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ((changed(),), (1, [])),
        ((changed("a.log"), changed()), (2, [])),
        ((changed("a"), changed("b", "a")), (2, ["changed while they were copied: 'a', 'b'"])),
        (
            (UploadReport(9, 9, 9, 9, special=tuple("gfedcba")),),
            (1, ["not copied, as no node can use them: 'a', 'b', 'c', 'd', 'e' and 2 more"]),
        ),
    ],
    ids=["as-it-was", "done-by-then", "still-written", "special"],
)
def test_what_changes_while_it_is_copied_is_copied_once_more_and_then_told(
    site, tmp_path, monkeypatch, reports, expected
):
    uploads = Uploads(reports=reports)
    monkeypatch.setattr("arb.nodes.upload.upload", uploads)
    warned: list[str] = []
    monkeypatch.setattr(site.session.progress, "warn", warned.append)
    assert hand_over(site, Head(), workdir=str(tmp_path)) == 1
    assert (uploads.count, warned) == expected


@pytest.mark.parametrize(
    ("errors", "count"),
    [
        ([NodeUnreachable("lost", code=LOST)] * 2, 2),
        ([NodeUnreachable("cannot connect", code="unreachable")], 1),
        ([NodeError("disk full")], 1),
    ],
    ids=["lost-twice", "unreachable", "refused"],
)
def test_a_copy_that_cannot_be_made_hands_no_job_over(site, tmp_path, monkeypatch, errors, count):
    uploads, head = Uploads(*errors), Head()
    monkeypatch.setattr("arb.nodes.upload.upload", uploads)
    with pytest.raises(NodeError):
        hand_over(site, head, workdir=str(tmp_path))
    assert uploads.count == count
    assert head.jobs == {}


@pytest.mark.parametrize("error", [NodeError("no"), HostKeyError("another key")])
def test_a_refusal_is_not_argued_with(site, error):
    head = Head(error)
    with pytest.raises(type(error)):
        hand_over(site, head)
    assert head.asked == 1
