"""One node over SSH: a kept connection, a verified host key, remote commands."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, Self

from arb.errors import HostKeyError, NodeError, NodeUnreachable
from arb.nodes.channel import ExecResult, SshChannel
from arb.nodes.hostkeys import fingerprint, same_key
from arb.nodes.transport import open_transport, shown_key, ssh_errors

if TYPE_CHECKING:
    import paramiko

    from arb.nodes.keys import KeyPair
    from arb.types import SshEndpoint

__all__ = ["ExecResult", "SshChannel", "SshNode"]

INLINE_STDIN_BYTES: Final = 16 * 1024
CONNECT_TIMEOUT_S: Final = 15.0
KEEPALIVE_S: Final = 15.0


class SshNode:
    """A machine that is reached over SSH. Safe to use from several threads.

    Nothing is connected before it is needed; one connection is kept and reopened when it broke.
    Every command is a session of its own on it (sshd allows 10 at a time by default).

    Args:
        endpoint: Where its SSH server listens, and the user.
        client_key: The only key that is tried.
        expected_host_key: ``TYPE BASE64`` that it must show. None pins what it shows first.
        host_key_seen: True when it has shown that key before, in this process or another one. Until
            then another key means that the machine is not set up yet; afterwards it is an error.
        name: For messages; the address by default.
        connect_timeout_s: For each step of connecting and for opening a session.
        keepalive_s: Time between keep-alive messages; a dead peer is noticed after four.
    """

    def __init__(  # noqa: PLR0913 - one connection's facts
        self,
        endpoint: SshEndpoint,
        client_key: KeyPair,
        expected_host_key: str | None,
        *,
        host_key_seen: bool = False,
        name: str = "",
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        keepalive_s: float = KEEPALIVE_S,
    ) -> None:
        self.endpoint = endpoint
        self.name = name or f"{endpoint.host}:{endpoint.port}"
        self.pinned_on_first_use = expected_host_key is None
        self._client_key = client_key
        self._host_key = expected_host_key
        self._host_key_seen = host_key_seen and expected_host_key is not None
        self._connect_timeout_s = connect_timeout_s
        self._keepalive_s = keepalive_s
        self._transport: paramiko.Transport | None = None
        self._lock = threading.Lock()

    @property
    def host_key(self) -> str | None:
        """The key that it must show; None before the first connection when it is pinned then."""
        return self._host_key

    @property
    def host_key_seen(self) -> bool:
        """True once it has shown the key: to be kept, and given to the next ``SshNode``."""
        return self._host_key_seen

    @property
    def is_connected(self) -> bool:
        """True while the kept connection is up, as far as is known."""
        transport = self._transport
        return transport is not None and transport.is_active()

    def connect(self, timeout_s: float | None = None) -> None:
        """Connect, unless connected.

        Args:
            timeout_s: For each step, instead of ``connect_timeout_s``.

        Raises:
            NodeUnreachable: ``unreachable``, ``ssh-handshake`` or ``connection-lost``: no answer;
                ``host-key-not-yet``: another host key, and ours was never seen. Nothing was sent.
            HostKeyError: Another host key than before (``host-key-changed``). Nothing was sent.
            NodeError: It refused the key (``login-refused``).
        """
        self._connected(timeout_s)

    def close(self) -> None:
        """Close the connection; the next use opens a new one. Safe to call twice."""
        with self._lock:
            transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def exec(
        self, command: str, *, stdin: bytes = b"", timeout_s: float | None = None
    ) -> ExecResult:
        """Run a command and wait for its end.

        Args:
            command: A line for the user's login shell there. It is visible to every user of the
                node: secrets go through ``stdin``.
            stdin: Sent to it, then closed.
            timeout_s: For all of it, None waits. The command may live on after it.

        Returns:
            Its output and exit code; a code other than 0 is not an error here.

        Raises:
            NodeUnreachable, HostKeyError, NodeError: As ``connect``; ``connection-lost``: the
                connection broke while it ran; ``exec-timeout``: it did not end in time.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self.open_channel(command) as channel:
            channel.keep_all_stderr()
            try:
                return _collect(channel, stdin, deadline)
            except TimeoutError:
                raise NodeError(
                    f"a command on {self.name} did not end within {timeout_s:g} s",
                    code="exec-timeout",
                ) from None

    def open_channel(self, command: str) -> SshChannel:
        """Start a command and return its streams.

        The connection is reopened when it turns out to be broken before the command was sent,
        never afterwards.

        Args:
            command: As for ``exec``.

        Raises:
            NodeUnreachable, HostKeyError, NodeError: As ``connect``; ``session-refused``: too many
                sessions, or none allowed.
        """
        session = self.open_session()
        # paramiko waits for the answer without any time limit.
        watchdog = threading.Timer(self._connect_timeout_s, self._drop, [session.get_transport()])
        watchdog.daemon = True
        watchdog.start()
        try:
            session.exec_command(command)
        except ssh_errors() as error:
            raise self._session_error(session.get_transport()) from error
        finally:
            watchdog.cancel()
        return SshChannel(session, self.name)

    def open_session(self) -> paramiko.Channel:
        """Open a session on the kept connection; nothing runs in it yet.

        Raises:
            NodeUnreachable, HostKeyError, NodeError: As ``open_channel``.
        """
        was_connected = self.is_connected
        transport = self._connected()
        try:
            return transport.open_session(timeout=self._connect_timeout_s)
        except ssh_errors() as error:
            if _is_refusal(error):
                raise self._session_error(transport) from error
            self._drop(transport)
            if not was_connected:
                raise self._session_error(transport) from error
        transport = self._connected()
        try:
            return transport.open_session(timeout=self._connect_timeout_s)
        except ssh_errors() as error:
            raise self._session_error(transport) from error

    def _session_error(self, transport: paramiko.Transport) -> NodeError:
        if transport.is_active():
            return NodeError(
                f"{self.name} refused to run one more command",
                code="session-refused",
                hint="too many at once? See MaxSessions of its sshd",
            )
        return NodeUnreachable(f"the connection to {self.name} was lost", code="connection-lost")

    def _connected(self, timeout_s: float | None = None) -> paramiko.Transport:
        with self._lock:
            if self._transport is not None and self._transport.is_active():
                return self._transport
            transport = open_transport(
                self.endpoint,
                self._client_key.private,
                self._check_host_key,
                timeout_s=self._connect_timeout_s if timeout_s is None else timeout_s,
                keepalive_s=self._keepalive_s,
                expected_key=self._host_key or "",
            )
            if self._host_key is None:
                # Only now: before the log-in works, a first boot may still change the keys.
                self._host_key, self._host_key_seen = shown_key(transport), True
            self._transport = transport
            return transport

    def _drop(self, transport: paramiko.Transport) -> None:
        with self._lock:
            if self._transport is transport:
                self._transport = None
        transport.close()

    def _check_host_key(self, shown: str) -> None:
        if self._host_key is None:
            return
        if same_key(self._host_key, shown):
            self._host_key_seen = True
            return
        facts = f"expected {fingerprint(self._host_key)}, got {fingerprint(shown)}"
        if not self._host_key_seen:
            raise NodeUnreachable(
                f"{self.name} does not show its own host key yet ({facts})",
                code="host-key-not-yet",
                hint="nothing was sent to it; its first boot may not be over",
            )
        raise HostKeyError(
            f"the host key of {self.name} has changed ({facts})",
            code="host-key-changed",
            hint="nothing was sent: another machine has its address, or someone is in between; "
            "arb status --refresh asks its provider",
        )


def _is_refusal(error: Exception) -> bool:
    import paramiko

    return isinstance(error, paramiko.ChannelException)


def _collect(channel: SshChannel, stdin: bytes, deadline: float | None) -> ExecResult:
    writer = _feed(channel, stdin)
    stdout: list[bytes] = []
    while data := channel.recv(1 << 20, _left(deadline)):
        stdout.append(data)
    channel.drain(_left(deadline))
    status = channel.wait(_left(deadline))
    if writer is not None:
        writer.join()
    return ExecResult(status, b"".join(stdout), channel.stderr_tail, channel.exit_signal)


def _feed(channel: SshChannel, stdin: bytes) -> threading.Thread | None:
    """Send the input: here when it fits any window, else beside the reading of the output."""
    if len(stdin) <= INLINE_STDIN_BYTES:
        _feed_all(channel, stdin)
        return None
    thread = threading.Thread(target=_feed_all, args=(channel, stdin), daemon=True)
    thread.start()
    return thread


def _feed_all(channel: SshChannel, stdin: bytes) -> None:
    try:
        if stdin:
            channel.send(stdin)
        channel.send_eof()
    except (BrokenPipeError, NodeUnreachable):
        return  # the command has ended or the connection has: the reader says which


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())
