"""The client against a scripted agent."""

from __future__ import annotations

import json
import threading
from collections import deque

import pytest

from arb.errors import NodeError, NodeUnreachable
from arb.nodes.agent_build import AgentPayload
from arb.nodes.agent_client import AgentClient, AgentJob, JobState

HELLO = {"proto": 1, "min_proto": 1, "agent": "0.1.0", "digest": "d"}


class Script:
    """A channel that answers what it was told to, and keeps what it was sent."""

    def __init__(self, *answers: object, end: bytes | type[Exception] = b"") -> None:
        self.answers = deque(a if isinstance(a, bytes) else _line(a) for a in answers)
        self.end = end
        self.sent = b""
        self.closed = False

    def send(self, data: bytes) -> None:
        self.sent += data

    def recv(self, n: int, timeout: float | None) -> bytes:
        if self.answers:
            return self.answers.popleft()
        if self.end == b"":
            return b""
        raise self.end("scripted")

    def last_words(self) -> str:
        return "arb: the agent arrived damaged"

    def close(self) -> None:
        self.closed = True


def _line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


def test_answers_may_come_in_pieces_and_together():
    text = _line(HELLO) + _line({"id": 1, "ok": {"a": 1}}) + _line({"id": 2, "ok": {"b": 2}})
    client = AgentClient(Script(*(text[n : n + 7] for n in range(0, len(text), 7))))
    assert client.call("one") == {"a": 1}
    assert client.call("two") == {"b": 2}


def test_requests_carry_operation_and_fields():
    channel = Script(HELLO, {"id": 1, "ok": {"job": 4}})
    assert AgentClient(channel).submit(token="t", run="true", num_nodes=2) == 4
    assert json.loads(channel.sent) == {
        "id": 1,
        "op": "submit",
        "token": "t",
        "run": "true",
        "num_nodes": 2,
    }


def test_what_a_login_script_says_is_skipped():
    client = AgentClient(Script(b"Welcome!\n[1, 2]\n{}\n", HELLO))
    assert client.hello().agent == "0.1.0"


def test_the_agent_is_sent_when_it_is_asked_for():
    payload = AgentPayload(data=b"D" * 200_000, digest="d", version="0.1.0", script=b"SCRIPT")
    channel = Script({"need": "d"}, HELLO)
    AgentClient(channel, payload=payload).hello()
    assert channel.sent == b"SCRIPT" + b"D" * 200_000


@pytest.mark.parametrize(
    ("hello", "code"),
    [
        ({"proto": 0, "agent": "0.0.1", "digest": "d"}, "agent-too-old"),
        ({"proto": 3, "min_proto": 2, "agent": "3.0.0", "digest": "d"}, "agent-too-new"),
        ({"proto": 3, "agent": "3.0.0", "digest": "d"}, "agent-too-new"),
    ],
    ids=["older-than-n-1", "newer-without-ours", "newer-saying-nothing"],
)
def test_other_protocols_are_refused_with_what_to_do(hello, code):
    with pytest.raises(NodeError) as error:
        AgentClient(Script(hello), where="n1").hello()
    assert error.value.code == code
    assert error.value.summary.startswith("n1 runs agent ")
    assert error.value.hint


def test_a_newer_agent_that_still_speaks_ours_is_fine():
    hello = {"proto": 2, "min_proto": 1, "agent": "2.0.0", "digest": "d"}
    assert AgentClient(Script(hello)).hello().proto == 2


def test_refusals_keep_code_and_hint():
    error = {"code": "busy", "summary": "it is busy", "hint": "wait"}
    client = AgentClient(Script(HELLO, {"id": 1, "error": error}), where="n1")
    with pytest.raises(NodeError) as raised:
        client.call("configure")
    assert raised.value.to_dict() == {**error, "summary": "n1: it is busy"}


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (b"", "agent-connection-lost"),
        (OSError, "agent-connection-lost"),
        (TimeoutError, "agent-silent"),
    ],
    ids=["ended", "broken", "silent"],
)
def test_lost_connections_say_that_the_node_was_not_reached(end, code):
    client = AgentClient(Script(HELLO, end=end), where="n1")
    client.hello()
    with pytest.raises(NodeUnreachable) as raised:
        client.call("status")
    assert raised.value.code == code
    assert "n1" in raised.value.summary


def test_the_last_words_on_stderr_are_passed_on():
    with pytest.raises(NodeError, match="did not start: arb: the agent arrived damaged") as error:
        AgentClient(Script()).hello()
    assert error.value.code == "agent-broken"


def test_a_stream_and_a_call_share_the_connection():
    channel = Script(
        HELLO,
        {"id": 1, "item": {"n": 1}},
        {"id": 2, "ok": {"called": True}},
        {"id": 1, "item": {"n": 2}},
        {"id": 9, "item": {"nobody": "waits"}},
        {"id": 1, "ok": {"end": True}},
    )
    client = AgentClient(channel)
    stream = client.stream("watch")
    assert next(stream) == {"n": 1}
    assert client.call("other") == {"called": True}
    assert list(stream) == [{"n": 2}, {"end": True}]


def test_threads_get_their_own_answers():
    class Echo(Script):
        """Answers in the opposite order, when both have asked."""

        def __init__(self) -> None:
            super().__init__(HELLO)
            self.both = threading.Event()

        def send(self, data: bytes) -> None:
            super().send(data)
            if self.sent.count(b"\n") == 2:
                asked = [json.loads(line) for line in self.sent.splitlines()]
                self.answers.extend(
                    _line({"id": a["id"], "ok": {"for": a["op"]}}) for a in reversed(asked)
                )
                self.both.set()

        def recv(self, n: int, timeout: float | None) -> bytes:
            if not self.answers:
                self.both.wait(5)
            return super().recv(n, timeout)

    client = AgentClient(Echo())
    client.hello()
    results: dict[str, dict[str, object]] = {}

    def ask(op: str) -> None:
        results[op] = client.call(op)

    threads = [threading.Thread(target=ask, args=(op,)) for op in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert results == {"a": {"for": "a"}, "b": {"for": "b"}}


def test_a_job_is_read_with_its_ranks():
    job = AgentJob.parse(
        {
            "job": 3,
            "name": "train",
            "state": "FAILED",
            "exit_code": 2,
            "num_nodes": 2,
            "gpus": 1,
            "ranks": [{"rank": 0, "state": "CANCELLED", "exit_code": None}],
        }
    )
    assert (job.id, job.state, job.exit_code) == (3, JobState.FAILED, 2)
    assert job.ranks[0].state is JobState.CANCELLED


def test_states_say_whether_they_are_final():
    assert {state for state in JobState if not state.is_final} == {
        JobState.PENDING,
        JobState.SETTING_UP,
        JobState.PREPARED,
        JobState.RUNNING,
    }
