"""The client's side of the agent's protocol: JSON lines over any channel to a node.

The agent's folder and protocol are described in docs/agent-protocol.md. A client is safe to use
from several threads: a stream may be read in one while another calls.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from arb.errors import NodeError, NodeUnreachable
from arb.nodes.agent_jobs import AgentJob, Hello, JobState, RankResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from arb.nodes.agent_build import AgentPayload

__all__ = [
    "AgentClient",
    "AgentJob",
    "AgentLog",
    "Channel",
    "Hello",
    "JobState",
    "RankResult",
]

PROTO: Final = 1
OLDEST_PROTO: Final = 1
"""The client speaks ``PROTO`` and the one before; there is none before the first."""

HELLO_TIMEOUT_S: Final = 60.0
CALL_TIMEOUT_S: Final = 60.0
_SEND_BYTES: Final = 64 * 1024
_NOISE_LINES: Final = 200


class Channel(Protocol):
    """What the client needs of a running remote command."""

    def send(self, data: bytes) -> None:
        """Send all of it."""

    def recv(self, n: int, timeout: float | None) -> bytes:
        """Return at most ``n`` bytes, ``b""`` at the end; TimeoutError when nothing came."""

    def last_words(self) -> str:
        """Return the last line on standard error of a command that has ended, or how it ended."""

    def close(self) -> None:
        """End the command."""


class AgentLog:
    """A log that is being read: iterate for its bytes.

    Attributes:
        offset: Where the next byte is; give it to ``AgentClient.logs`` to come back later.
        state: The job's state at the end of the log; None before.
        exit_code: Likewise.
        reason: Likewise.
    """

    def __init__(self, messages: Iterator[dict[str, Any]], offset: int) -> None:
        self._messages = messages
        self.offset = offset
        self.state: JobState | None = None
        self.exit_code: int | None = None
        self.reason = ""

    def __iter__(self) -> Iterator[bytes]:
        for message in self._messages:
            self.offset = message["offset"]
            if "data" in message:
                yield message["data"].encode("utf-8", "surrogateescape")
            else:
                self.state = JobState(message["state"])
                self.exit_code = message.get("exit_code")
                self.reason = message.get("reason") or ""


class AgentClient:
    """Talks to the agent of one node.

    Args:
        channel: A running ``AgentPayload.command``, or ``arb-agent rpc`` without a payload.
        payload: The agent to install when the node does not have it.
        where: The node's name for messages.
    """

    def __init__(
        self, channel: Channel, *, payload: AgentPayload | None = None, where: str = "the node"
    ) -> None:
        self._channel = channel
        self._payload = payload
        self._where = where
        self._buffer = bytearray()
        self._lines: deque[bytes] = deque()
        self._inbox: dict[int, deque[dict[str, Any]]] = {}
        self._next_id = 0
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._reading = False
        self._hello: Hello | None = None

    def hello(self, timeout_s: float = HELLO_TIMEOUT_S) -> Hello:
        """Install the agent if need be, and read its first line. Called by ``call`` and ``stream``.

        Args:
            timeout_s: For all of it.

        Raises:
            NodeError: There is no Python (``no-python``), the agent cannot be put there or started
                (``agent-broken``), or it is too old or too new.
            NodeUnreachable: No answer (``agent-silent``), or the connection was lost.
        """
        if self._hello is None:
            self._hello = self._greet(time.monotonic() + timeout_s)
        return self._hello

    def call(self, op: str, *, timeout_s: float = CALL_TIMEOUT_S, **fields: Any) -> dict[str, Any]:
        """Ask once and return the answer.

        Args:
            op: See docs/agent-protocol.md.
            timeout_s: How long to wait for the answer.
            fields: Of the request.

        Raises:
            NodeError: The agent refused; code and hint are its own.
            NodeUnreachable: No answer, or the connection was lost.
        """
        number = self._ask(op, fields)
        try:
            return self._take(number, time.monotonic() + timeout_s)[1]
        finally:
            self._forget(number)

    def stream(self, op: str, **fields: Any) -> Iterator[dict[str, Any]]:
        """Ask once and yield every item, and at last the answer.

        Raises:
            NodeError: As ``call``.
            NodeUnreachable: The connection was lost.
        """
        number = self._ask(op, fields)
        try:
            more = True
            while more:
                more, value = self._take(number, None)
                yield value
        finally:
            self._forget(number)

    def close(self) -> None:
        """End the connection. Jobs go on."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, *, token: str, **job: Any) -> int:
        """Queue a job and return its number; the same token returns the same job.

        Args:
            token: Chosen by the caller, new for each job.
            job: ``run``, ``setup``, ``name``, ``envs``, ``secrets``, ``workdir``, ``num_nodes``,
                ``gpus`` (a node), ``task_id``, ``user``, ``hooks``, ``grace_s``.
        """
        return int(self.call("submit", token=token, **job)["job"])

    def jobs(self) -> list[AgentJob]:
        """Return all jobs, the oldest first."""
        return [AgentJob.parse(data) for data in self.call("jobs")["jobs"]]

    def job(self, number: int) -> AgentJob:
        """Return one job."""
        return AgentJob.parse(self.call("job", job=number))

    def cancel(self, jobs: Sequence[int] = (), *, everything: bool = False) -> list[int]:
        """Begin to end jobs and return the numbers of those that had not ended."""
        answer = self.call("cancel", jobs=list(jobs), all=everything)
        return [int(number) for number in answer["jobs"]]

    def logs(
        self,
        job: int,
        *,
        offset: int = 0,
        follow: bool = False,
        tail: int | None = None,
        wait: bool = False,
    ) -> AgentLog:
        """Read a job's log on this node.

        Args:
            job: Its number.
            offset: First byte.
            follow: Wait for more until the job has ended.
            tail: Begin so many lines before the end instead of at ``offset``.
            wait: With ``follow``: wait for the job too, on a peer that may not know it yet. When
                the gang fails before, that is for ever: stop reading when the head's log ends.
        """
        messages = self.stream("logs", job=job, offset=offset, follow=follow, tail=tail, wait=wait)
        return AgentLog(messages, offset)

    def _greet(self, deadline: float) -> Hello:
        if self._payload is not None:
            self._bring(self._payload.script)
        noise = ""
        for _ in range(_NOISE_LINES):
            try:
                line = self._read_line(deadline)
            except EOFError:
                said = self._channel.last_words() or noise
                summary = f"the agent on {self._where} did not start: {said}"
                raise NodeError(summary, code="agent-broken") from None
            message = _json_object(line)
            if "proto" in message:
                return self._check(message)
            if "need" in message:
                self._install()
                continue
            # A login script may talk; what we say ourselves begins with our name.
            noise = line.decode(errors="replace").strip()
            if noise.startswith("arb: "):
                raise self._refused(noise[5:])
        raise NodeError(f"{self._where} talks too much at login: {noise}", code="agent-broken")

    def _refused(self, said: str) -> NodeError:
        if "no Python" in said:
            code, hint = "no-python", "install python3 there, or choose another image"
        else:
            code, hint = "agent-broken", ""
        return NodeError(f"{self._where}: {said}", code=code, hint=hint)

    def _install(self) -> None:
        if self._payload is None:
            raise NodeError(f"{self._where} has no agent", code="agent-missing")
        for start in range(0, len(self._payload.data), _SEND_BYTES):
            self._bring(self._payload.data[start : start + _SEND_BYTES])

    def _bring(self, data: bytes) -> None:
        """Send a part of the agent; a node that takes no more says why."""
        with suppress(BrokenPipeError):
            self._channel.send(data)

    def _check(self, message: dict[str, Any]) -> Hello:
        hello = Hello(int(message["proto"]), str(message["agent"]), str(message["digest"]))
        oldest_they_speak = int(message.get("min_proto", hello.proto))
        summary = f"{self._where} runs agent {hello.agent} with protocol {hello.proto}"
        if hello.proto < OLDEST_PROTO:
            hint = "launch once more: the agent is replaced when no job runs"
            raise NodeError(f"{summary}, too old for this arb", code="agent-too-old", hint=hint)
        if oldest_they_speak > PROTO:
            hint = "upgrade arb: pip install --upgrade arb-core"
            raise NodeError(f"{summary}, too new for this arb", code="agent-too-new", hint=hint)
        return hello

    def _ask(self, op: str, fields: dict[str, Any]) -> int:
        self.hello()
        with self._changed:
            self._next_id += 1
            number = self._next_id
            self._inbox[number] = deque()
        self._send(json.dumps({"id": number, "op": op, **fields}).encode() + b"\n")
        return number

    def _send(self, data: bytes) -> None:
        try:
            with self._sending:
                self._channel.send(data)
        except TimeoutError as error:
            raise self._no_answer() from error
        except OSError as error:
            raise self._lost() from error

    def _take(self, number: int, deadline: float | None) -> tuple[bool, dict[str, Any]]:
        """Return whether more follows, and the next value for a request."""
        with self._changed:
            inbox = self._inbox[number]
            while not inbox:
                if self._reading:
                    # Somebody else reads for all of us.
                    self._changed.wait(0.5)
                    self._check_deadline(deadline)
                    continue
                self._reading = True
                self._changed.release()
                try:
                    message = _json_object(self._read_line(deadline))
                except EOFError:
                    raise self._lost() from None
                finally:
                    self._changed.acquire()
                    self._reading = False
                    self._changed.notify_all()
                if message.get("id") in self._inbox:
                    self._inbox[message["id"]].append(message)
            message = inbox.popleft()
        if "error" in message:
            error = message["error"]
            summary = f"{self._where}: {error['summary']}"
            raise NodeError(summary, code=error["code"], hint=error.get("hint", ""))
        return ("item" in message, message["item"] if "item" in message else message["ok"])

    def _forget(self, number: int) -> None:
        with self._changed:
            self._inbox.pop(number, None)

    def _read_line(self, deadline: float | None) -> bytes:
        while not self._lines:
            try:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                data = self._channel.recv(256 * 1024, left)
            except TimeoutError as error:
                raise self._no_answer() from error
            except OSError as error:
                raise self._lost() from error
            if not data:
                raise EOFError
            self._buffer += data
            if b"\n" in data:
                *lines, rest = bytes(self._buffer).split(b"\n")
                self._buffer = bytearray(rest)
                self._lines.extend(line for line in lines if line.strip())
        return self._lines.popleft()

    def _check_deadline(self, deadline: float | None) -> None:
        if deadline is not None and time.monotonic() > deadline:
            raise self._no_answer()

    def _no_answer(self) -> NodeUnreachable:
        return NodeUnreachable(f"the agent of {self._where} did not answer", code="agent-silent")

    def _lost(self) -> NodeUnreachable:
        said = self._channel.last_words()
        return NodeUnreachable(
            f"the connection to the agent of {self._where} ended" + (f": {said}" if said else ""),
            code="agent-connection-lost",
        )


def _json_object(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
