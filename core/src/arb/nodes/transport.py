"""One authenticated SSH connection. The host key is compared before anything of ours is sent.

paramiko is imported here and nowhere else, after the TCP connection is made: the node's server
starts its side meanwhile.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import socket
import struct
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from arb.errors import NodeError, NodeUnreachable
from arb.nodes.hostkeys import key_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import paramiko

    from arb.types import SshEndpoint

__all__ = ["open_transport", "shown_key", "ssh_errors"]

# 2 MiB, the default, allows 20 MB/s over a link of 100 ms; the window is filled only when the
# reader is slow.
WINDOW_BYTES: Final = 16 * 1024 * 1024

# Fast and safe ones first, as OpenSSH has them. paramiko would take AES-CTR with a separate MAC,
# which is half as fast, and would go down to 3DES and MD5. Names it does not know are left out.
CIPHERS: Final = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
DIGESTS: Final = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)
LOG_CHANNEL: Final = "arb.ssh"


def open_transport(  # noqa: PLR0913 - keyword-only facts of one connection
    endpoint: SshEndpoint,
    private_key: str,
    check_host_key: Callable[[str], None],
    *,
    timeout_s: float,
    keepalive_s: float,
    expected_key: str = "",
) -> paramiko.Transport:
    """Connect, verify the host key, then log in.

    Args:
        endpoint: Where to, and as whom.
        private_key: OpenSSH PEM of the only key that is tried. Neither agents nor ``~/.ssh`` are
            asked.
        check_host_key: Called with the key line that the server proved to hold, before any
            authentication; raises to refuse it.
        timeout_s: For each of: TCP, banner, key exchange, log-in.
        keepalive_s: Time between keep-alive messages; a dead peer is noticed after four.
        expected_key: The key line that it should show, where one is expected: servers have several,
            and show one of a type that is asked for first.

    Raises:
        NodeUnreachable: No connection (``unreachable``) or no SSH on it (``ssh-handshake``).
        NodeError: The server let us in neither now nor before (``login-refused``).
    """
    where = f"{endpoint.host} port {endpoint.port}"
    sock = _connect(endpoint, where, timeout_s, keepalive_s)
    transport = _transport_class()(sock, default_window_size=WINDOW_BYTES)
    try:
        _prefer(transport, expected_key)
        _handshake(transport, where, timeout_s)
        check_host_key(shown_key(transport))
        _log_in(transport, endpoint, private_key, where)
    except BaseException:
        transport.close()
        sock.close()  # which the transport does not do before it has started
        raise
    transport.set_keepalive(round(keepalive_s))
    return transport


def shown_key(transport: paramiko.Transport) -> str:
    """Return the host key line that the server proved to hold."""
    key = transport.get_remote_server_key()
    return key_line(key.get_name(), key.asbytes())


def ssh_errors() -> tuple[type[Exception], ...]:
    """Return what paramiko raises when a connection or the peer is broken.

    Its reader thread keeps whatever broke it, also a parse error, and raises it in the caller.
    """
    import paramiko

    return (paramiko.SSHException, OSError, EOFError, ValueError, LookupError, struct.error)


def _connect(
    endpoint: SshEndpoint, where: str, timeout_s: float, keepalive_s: float
) -> socket.socket:
    try:
        sock = socket.create_connection((endpoint.host, endpoint.port), timeout=timeout_s)
    except OSError as error:
        raise NodeUnreachable(
            f"cannot connect to {where}: {error.strerror or error}",
            code="unreachable",
            hint="it may be starting, gone, or behind a firewall; arb status --refresh asks its provider",
        ) from error
    _tune(sock, keepalive_s)
    return _PromptSocket(fileno=sock.detach())


class _PromptSocket(socket.socket):
    """Acknowledges at once what it receives while a connection is set up.

    sshd leaves Nagle on and so holds its next small packet back until the last one is acknowledged,
    which Linux delays by 40 ms: more than the rest of a local connection takes. Later it would
    only slow down large transfers.
    """

    _prompt_reads = 100  # log-in and a first command take about 40

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        data = super().recv(size, flags)
        if self._prompt_reads and hasattr(socket, "TCP_QUICKACK"):
            self._prompt_reads -= 1
            with contextlib.suppress(OSError):  # reset, or closed by another thread
                self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data


def _tune(sock: socket.socket, keepalive_s: float) -> None:
    # paramiko leaves Nagle on: without this line an exec takes 50 ms instead of 2.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # SSH keep-alives give TCP something to send; this bounds how long it may stay unacknowledged.
    # Without it a peer that vanished is noticed after 15 minutes.
    give_up_s = 4 * keepalive_s
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(give_up_s * 1000))
    elif sys.platform == "darwin":
        tcp_rxt_conndroptime = 0x80
        sock.setsockopt(socket.IPPROTO_TCP, tcp_rxt_conndroptime, round(give_up_s))


def _prefer(transport: paramiko.Transport, key: str) -> None:
    kind = key.partition(" ")[0]
    options = transport.get_security_options()
    wanted = [k for k in options.key_types if k == kind or (kind == "ssh-rsa" and "rsa" in k)]
    options.key_types = (*wanted, *(k for k in options.key_types if k not in wanted))


def _handshake(transport: paramiko.Transport, where: str, timeout_s: float) -> None:
    transport.banner_timeout = timeout_s
    transport.handshake_timeout = timeout_s
    transport.auth_timeout = timeout_s
    transport.channel_timeout = timeout_s
    options = transport.get_security_options()
    options.ciphers = _known(CIPHERS, transport._cipher_info)  # type: ignore[attr-defined]  # noqa: SLF001 - the names it knows
    options.digests = _known(DIGESTS, transport._mac_info)  # type: ignore[attr-defined]  # noqa: SLF001 - the same
    try:
        transport.start_client(timeout=timeout_s)
        if not transport.initial_kex_done:  # it returns all the same when the time is over
            raise TimeoutError(f"no answer within {timeout_s:g} s")
    except ssh_errors() as error:
        raise NodeUnreachable(
            f"no SSH connection to {where}: {_reason(error)}",
            code="ssh-handshake",
            hint="the SSH server may still be starting",
        ) from error


def _log_in(
    transport: paramiko.Transport, endpoint: SshEndpoint, private_key: str, where: str
) -> None:
    import paramiko

    key = paramiko.Ed25519Key.from_private_key(io.StringIO(private_key))
    try:
        transport.auth_publickey(endpoint.user, key)
    except (paramiko.AuthenticationException, paramiko.BadAuthenticationType) as error:
        if not transport.is_active():
            raise _lost(where, error) from error
        raise NodeError(
            f"{where} refused the key of arb for user {endpoint.user}",
            code="login-refused",
            hint="the machine may still be setting up its users",
        ) from error
    except ssh_errors() as error:
        raise _lost(where, error) from error
    if not transport.is_authenticated():
        raise NodeError(
            f"{where} wants more than a key for user {endpoint.user}", code="login-refused"
        )


def _lost(where: str, error: Exception) -> NodeUnreachable:
    return NodeUnreachable(
        f"the connection to {where} was lost: {_reason(error)}", code="connection-lost"
    )


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _known(wanted: tuple[str, ...], known: Any) -> tuple[str, ...]:
    return tuple(name for name in wanted if name in known)


@lru_cache(maxsize=1)
def _transport_class() -> type[paramiko.Transport]:
    with _invoke_deferred():
        import paramiko

    # paramiko logs a traceback for every server that hangs up; we raise instead.
    logging.getLogger(LOG_CHANNEL).addHandler(logging.NullHandler())

    class Transport(paramiko.Transport):
        """Also keeps the name of the signal that ended a remote command."""

        _channel_handler_table: dict[int, Callable[..., None]]

        def __init__(self, sock: socket.socket, **options: Any) -> None:
            super().__init__(sock, **options)
            self.set_log_channel(LOG_CHANNEL)
            request = paramiko.common.MSG_CHANNEL_REQUEST
            handlers = dict(self._channel_handler_table)
            handlers[request] = _noting_signals(handlers[request])
            self._channel_handler_table = handlers

    return Transport


def _noting_signals(handle: Callable[..., None]) -> Callable[..., None]:
    """Wrap paramiko's handler of channel requests, which drops ``exit-signal`` (RFC 4254 6.10)."""

    def handler(channel: Any, message: Any) -> None:
        kind = message.get_text()
        if kind == "exit-signal":
            message.get_boolean()
            channel.exit_signal = message.get_text()
            channel.status_event.set()
            return
        message.rewind()
        message.get_int()  # the channel, which the transport has read already
        handle(channel, message)

    return handler


class _Invoke:
    """Stands for the ``invoke`` module, and imports it when it is used."""

    __spec__ = None

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module("invoke"), name)


@contextlib.contextmanager
def _invoke_deferred() -> Iterator[None]:
    """Let paramiko import a stand-in for ``invoke``.

    It wants it for ``Match exec`` in configuration files, which we never read: that is 40 % of its
    import time.
    """
    if {"invoke", "paramiko"} & set(sys.modules):
        yield
        return
    sys.modules["invoke"] = _Invoke()  # type: ignore[assignment]  # quacks enough
    try:
        yield
    finally:
        del sys.modules["invoke"]
