"""Reading a job's output: from all ranks, over broken connections, until the job ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from arb.clusters.logs import LogWish, follow, save_logs
from arb.errors import NodeError, NodeUnreachable, ProviderUnavailable
from arb.types import GoneReason, InstanceState


class Log:
    """What an agent streams: pieces, or errors to raise."""

    def __init__(self, data: bytes, offset: int, pieces: int, error: Exception | None) -> None:
        self.offset = offset
        self._data = data[offset:]
        self._pieces = pieces
        self._error = error

    def __iter__(self):
        for start in range(0, len(self._data), self._pieces):
            piece = self._data[start : start + self._pieces]
            self.offset += len(piece)
            yield piece
            if self._error is not None:
                raise self._error
        if self._error is not None:
            raise self._error


@dataclass
class Node:
    """One node with an agent that may fail a few times."""

    rank: int
    machine: object
    log: bytes
    state: SimpleNamespace
    errors: list[Exception] = field(default_factory=list)
    asked: list[dict] = field(default_factory=list)
    forgotten: int = 0
    ssh: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(name="train rank"))

    def agent(self):
        return self

    def job(self, number):
        return self.state

    def logs(self, number, *, offset, follow, tail):
        self.asked.append({"offset": offset, "follow": follow, "tail": tail})
        return Log(self.log, offset, 4, self.errors.pop(0) if self.errors else None)

    def forget_agent(self):
        self.forgotten += 1


class Nodes(list):
    """All of them."""

    cluster: object = None

    @property
    def head(self):
        return self[0]

    def rank(self, rank):
        return self[rank]

    def has(self, rank):
        return rank < len(self)


@pytest.fixture
def cluster(site):
    """A launched cluster of two, and fakes of its nodes."""
    record = site.launch(num_nodes=2).cluster
    from arb.state.machines import machines_of_cluster

    ended = SimpleNamespace(num_nodes=2, state=SimpleNamespace(is_final=True))
    nodes = Nodes(
        Node(machine.rank, machine, f"rank {machine.rank} says hello\n".encode(), ended)
        for machine in machines_of_cluster(site.session.store, record.id)
    )
    nodes.cluster = record
    return nodes


EVERYTHING = LogWish()


def read(site, cluster, wish=EVERYTHING):
    found = {0: b"", 1: b""}

    def sink(rank, data):
        found[rank] += data

    follow(site.session, cluster, 1, wish, sink)
    return found


def test_every_ranks_output_arrives_whole(site, cluster):
    assert read(site, cluster) == {0: b"rank 0 says hello\n", 1: b"rank 1 says hello\n"}


def test_one_rank_may_be_chosen(site, cluster):
    assert read(site, cluster, LogWish(rank=1)) == {0: b"", 1: b"rank 1 says hello\n"}


@pytest.mark.parametrize("rank", [2, 9])
def test_a_rank_that_the_job_did_not_have_is_told(site, cluster, rank):
    with pytest.raises(NodeError, match="job 1 ran on ranks 0 to 1 only"):
        read(site, cluster, LogWish(rank=rank))


def test_a_broken_connection_is_taken_up_where_it_broke(site, cluster):
    cluster[1].errors = [NodeUnreachable("lost"), NodeUnreachable("lost again")]
    assert read(site, cluster)[1] == b"rank 1 says hello\n"
    assert [asked["offset"] for asked in cluster[1].asked] == [0, 4, 8]
    assert cluster[1].forgotten == 2


def test_the_tail_is_not_asked_for_twice(site, cluster):
    cluster[0].errors = [NodeUnreachable("lost")]
    read(site, cluster, LogWish(tail=5))
    assert [asked["tail"] for asked in cluster[0].asked] == [5, None]


def test_a_node_that_the_provider_calls_gone_ends_the_reading(site, cluster):
    site.cloud.change("i-2", state=InstanceState.GONE, reason=GoneReason.PREEMPTED)
    cluster[1].errors = [NodeUnreachable("lost")] * 3
    with pytest.raises(NodeError, match="is gone: preempted"):
        read(site, cluster)


def test_a_provider_that_does_not_answer_does_not_end_it(site, cluster):
    def failing(listing):
        raise ProviderUnavailable("503", code="http")

    site.cloud.on_list = [failing]
    cluster[1].errors = [NodeUnreachable("lost")] * 3
    assert read(site, cluster)[1] == b"rank 1 says hello\n"


def test_the_provider_is_not_asked_at_every_try(site, cluster):
    cluster[1].log = b"x" * 80
    cluster[1].errors = [NodeUnreachable("lost")] * 15
    before = len(site.cloud.called("list_instances"))
    read(site, cluster)
    assert len(site.cloud.called("list_instances")) - before <= 5


def test_a_node_that_stays_away_is_given_up_after_two_minutes(site, cluster):
    running = SimpleNamespace(num_nodes=2, state=SimpleNamespace(is_final=False))
    cluster[0].state = cluster[1].state = running
    cluster[1].log = b""
    cluster[1].errors = [NodeUnreachable("still lost")] * 1000
    begun = site.clock.monotonic()
    with pytest.raises(NodeUnreachable, match="still lost"):
        read(site, cluster)
    assert 120 <= site.clock.monotonic() - begun <= 130


def test_a_peer_that_stays_away_does_not_hold_up_the_end_of_the_job(site, cluster):
    cluster[1].log = b""
    cluster[1].errors = [NodeUnreachable("still lost")] * 1000
    begun = site.clock.monotonic()
    assert read(site, cluster) == {0: b"rank 0 says hello\n", 1: b""}
    assert site.clock.monotonic() - begun <= 20
    (warning,) = site.told.warnings
    assert "arb logs train 1 --rank 1: still lost" in warning


def test_a_peer_that_was_asked_for_by_its_rank_must_answer(site, cluster):
    cluster[1].log = b""
    cluster[1].errors = [NodeUnreachable("still lost")] * 1000
    begun = site.clock.monotonic()
    with pytest.raises(NodeUnreachable, match="still lost"):
        read(site, cluster, LogWish(rank=1))
    assert site.clock.monotonic() - begun <= 20


def test_a_head_that_stays_away_is_waited_for(site, cluster):
    cluster[0].log = b""
    cluster[0].errors = [NodeUnreachable("still lost")] * 1000
    begun = site.clock.monotonic()
    with pytest.raises(NodeUnreachable, match="still lost"):
        read(site, cluster)
    assert 120 <= site.clock.monotonic() - begun <= 130


def test_a_peer_may_learn_of_the_job_later_than_the_head(site, cluster):
    running = SimpleNamespace(num_nodes=2, state=SimpleNamespace(is_final=False))
    cluster[0].state = cluster[1].state = running
    cluster[1].errors = [NodeError("no job 1", code="no-such-job")] * 2
    cluster[1].log = b""
    assert read(site, cluster)[1] == b""
    assert len(cluster[1].asked) == 3


def test_a_job_that_never_was_on_a_peer_is_an_error(site, cluster):
    cluster[1].errors = [NodeError("no job 1", code="no-such-job")]
    cluster[1].log = b""
    with pytest.raises(NodeError, match="no job 1"):
        read(site, cluster)


def test_logs_are_saved_a_file_a_rank(site, cluster, tmp_path):
    paths = save_logs(site.session, cluster, 1, tmp_path / "logs" / "1")
    assert [path.name for path in paths] == ["rank-0.log", "rank-1.log"]
    assert [path.read_text() for path in paths] == ["rank 0 says hello\n", "rank 1 says hello\n"]
    assert all(not asked["follow"] for node in cluster for asked in node.asked)


def test_what_was_saved_of_a_machine_that_is_gone_is_kept(site, cluster, tmp_path):
    save_logs(site.session, cluster, 1, tmp_path)
    cluster.pop()
    paths = save_logs(site.session, cluster, 1, tmp_path)
    assert [path.name for path in paths] == ["rank-0.log"]
    assert (tmp_path / "rank-1.log").read_text() == "rank 1 says hello\n"
