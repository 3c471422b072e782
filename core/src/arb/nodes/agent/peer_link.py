"""The head's kept SSH session to one peer: opened when needed, opened again when it breaks."""

from __future__ import annotations

import os
import shutil
import signal

from . import PROTO, configure, env, files, procs
from .lines import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from .loop import Loop, Timer

    Callback = Callable[[dict[str, Any] | None, str], None]

COMMAND = "exec ~/.arb/bin/arb-agent rpc"
"""What the session runs; the peer's authorized_keys forces the same."""

FIRST_RETRY_S, LAST_RETRY_S = 0.2, 5.0
KEEP_S = 120.0
"""A session that nobody needs is kept so long, for the next job."""

_OPTIONS = (
    "StrictHostKeyChecking=yes",
    "BatchMode=yes",
    "IdentitiesOnly=yes",
    "UserKnownHostsFile=" + configure.KNOWN_HOSTS,
    "GlobalKnownHostsFile=/dev/null",
    "ConnectTimeout=10",
    "ServerAliveInterval=10",
    "ServerAliveCountMax=3",
    "LogLevel=ERROR",
)


class PeerLink:
    """One session; several gangs may use it.

    Attributes:
        rank: Of the peer in the cluster.
        up: Whether it is open and the peer said hello.
        problem: Why it is not.
        hopeless: Whether trying again cannot help.
        users: Told when it comes up or breaks: objects with ``link_up`` and ``link_down``.
    """

    def __init__(self, loop: Loop, config: dict[str, Any], rank: int) -> None:
        self._loop, self._config = loop, config
        self.rank = rank
        self.up = False
        self.hopeless = False
        self.problem = "not connected yet"
        self.users: list[Any] = []
        self._connection: Connection | None = None
        self._pid = 0
        self._calls: dict[int, tuple[bool, Callback]] = {}
        self._next_id = 0
        self._retry_s = FIRST_RETRY_S
        self._timer: Timer | None = None

    def use(self, user: Any) -> None:
        """Keep it open for ``user``, and tell ``user.link_up(self)`` whenever it comes up."""
        self.users.append(user)
        if self.up:
            user.link_up(self)
        elif self._connection is None:
            self._again(0)

    def leave(self, user: Any) -> None:
        """Stop using it."""
        if user in self.users:
            self.users.remove(user)
        if not self.users:
            self._again(KEEP_S)

    def ask(self, op: str, callback: Callback, *, stream: bool = False, **fields: Any) -> None:
        """Send a request; ``callback(answer or item, error)`` with None and why when it failed.

        Args:
            op: The operation.
            callback: Called once, or for each item.
            stream: Whether items are expected.
            fields: Of the request.
        """
        if self._connection is None or not self.up:
            callback(None, self.problem)
            return
        self._next_id += 1
        self._calls[self._next_id] = (stream, callback)
        self._connection.send({"id": self._next_id, "op": op, **fields})

    def restart(self) -> None:
        """Drop the session and open another one: the old one is silent."""
        if self._connection is not None:
            self._connection.close()

    def _again(self, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.later(delay_s, self._due)

    def _due(self) -> None:
        self._timer = None
        if self.users and self._connection is None:
            self._open()
        elif not self.users:
            self.restart()

    def _open(self) -> None:
        node = next((n for n in self._config["nodes"] if n["rank"] == self.rank), None)
        variables = env.base()
        ssh = shutil.which("ssh", path=variables["PATH"])
        if node is None or ssh is None:
            self.problem = "there is no ssh command" if node else f"rank {self.rank} is unknown"
            self.hopeless = True
            self._again(LAST_RETRY_S)
            self._tell_down()
            return
        self.hopeless = False
        here_in, there_out = os.pipe()
        there_in, here_out = os.pipe()
        errors = os.open(
            self._errors(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
        )
        pid = procs.spawn(_argv(ssh, node), variables, ".", (there_in, there_out, errors))
        self._pid = pid
        for fd in (there_in, there_out, errors):
            os.close(fd)
        self._connection = Connection(
            self._loop, here_in, here_out, self._message, self._closed, strict=False
        )
        self._loop.on_exit(pid, lambda _status: self._exited(pid))

    def _errors(self) -> str:
        return os.path.join(files.GANG, f"rank-{self.rank}.err")

    def _message(self, _connection: Connection, message: dict[str, Any]) -> None:
        if not self.up:
            self._hello(message)
            return
        number = message.get("id", 0)
        stream, callback = self._calls.get(number, (True, _ignore))
        if "error" in message or not stream:
            self._calls.pop(number, None)
        if "error" in message:
            callback(None, "{code}: {summary}".format(**message["error"]))
        else:
            callback(message.get("item", message.get("ok")), "")

    def _hello(self, message: dict[str, Any]) -> None:
        if int(message.get("min_proto", message.get("proto", 0))) > PROTO:
            self.problem = f"its agent speaks protocol {message.get('proto')} only"
            self.restart()
            return
        self.up, self.problem, self._retry_s = True, "", FIRST_RETRY_S
        for user in list(self.users):
            user.link_up(self)

    def _closed(self, _connection: Connection) -> None:
        self._connection, self.up = None, False
        procs.send([self._pid] if self._pid else [], signal.SIGTERM)
        said = files.read(self._errors()).strip().splitlines()
        self.problem = said[-1] if said else self.problem or "the SSH session ended"
        calls, self._calls = self._calls, {}
        for _stream, callback in calls.values():
            callback(None, self.problem)
        if self.users:
            self._again(self._retry_s)
            self._retry_s = min(LAST_RETRY_S, 2 * self._retry_s)

        self._tell_down()

    def _tell_down(self) -> None:
        for user in list(self.users):
            user.link_down(self)

    def _exited(self, pid: int) -> None:
        if self._pid == pid:
            self._pid = 0


def _ignore(_answer: dict[str, Any] | None, _error: str) -> None:
    """Take what nobody waits for any more."""


def _argv(ssh: str, node: dict[str, Any]) -> list[str]:
    options = [word for option in _OPTIONS for word in ("-o", option)]
    port = str(node["port"] or configure.SSH_PORT)
    target = "{}@{}".format(node["user"], node["host"])
    return [
        ssh,
        "-F",
        os.devnull,
        "-T",
        "-i",
        configure.KEY_FILE,
        *options,
        "-p",
        port,
        target,
        COMMAND,
    ]
