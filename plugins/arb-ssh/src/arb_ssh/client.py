"""One SSH connection to a host. Nothing else talks to the network."""

from __future__ import annotations

import contextlib
import functools
import logging
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any, Final, Self

from arb.errors import ArbError, CredentialsError, ProviderUnavailable
from arb_ssh.hostkeys import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import paramiko

    from arb_ssh.access import Access
    from arb_ssh.hostkeys import Trust
    from arb_ssh.hosts import Host
    from arb_ssh.limits import Limit

__all__ = ["Connection", "NoAnswer", "WrongHostKey"]

_COMMAND: Final = "exec /bin/sh -s"
"""Whatever the login shell is; the script is its standard input, so no argument tells anything."""
_LOG: Final = "arb_ssh.transport"
_MOST_BYTES: Final = 256 * 1024
_STEP_S: Final = 10.0
_NO_NAME: Final = "write its address into the list: names out of ~/.ssh/config are not known here"
_RSA: Final = ("rsa-sha2-512", "rsa-sha2-256")


class NoAnswer(ProviderUnavailable):
    """A host could not be asked, or did not answer.

    Args:
        summary: As ever.
        sent: Whether the script was sent: then it may have been carried out.
    """

    def __init__(self, summary: str, *, sent: bool = False, hint: str = "") -> None:
        super().__init__(summary, code="ssh-lost-answer" if sent else "ssh-silent", hint=hint)
        self.sent = sent


class WrongHostKey(ProviderUnavailable):
    """A host showed another key than the one that is trusted; nothing was sent to it."""


class Connection:
    """A connection on which one script after the other runs.

    Args:
        host: Who it is to.
        transport: Authenticated.
    """

    def __init__(self, host: Host, transport: paramiko.Transport) -> None:
        self._host = host
        self._transport = transport

    @classmethod
    def open(cls, host: Host, access: Access, limit: Limit) -> Self:
        """Connect, verify the host key, then log in.

        Raises:
            NoAnswer: Nobody there, or no SSH server.
            WrongHostKey: Another key than the trusted one; nothing was sent.
            CredentialsError: There is no key to log in with, or it was refused.
        """
        with access.identities.of(host) as keys, contextlib.ExitStack() as undo:
            sock = undo.enter_context(_connect(host, limit))
            transport = _transport(sock)
            undo.callback(transport.close)
            _handshake(host, transport, access, limit)
            _log_in(host, transport, keys, limit)
            undo.pop_all()
        return cls(host, transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        self._transport.close()

    def run(self, script: str, limit: Limit) -> str:
        """Run a script in the user's home and return what it printed.

        How it ended is not told: a script says itself what it did.

        Raises:
            NoAnswer: No end in time, or the connection was lost.
        """
        sent = False
        try:
            with contextlib.closing(self._transport.open_session(timeout=_step(limit))) as channel:
                channel.settimeout(_step(limit))
                with _given_up_at(limit, self._transport):
                    channel.exec_command(_COMMAND)
                sent = True
                with contextlib.suppress(OSError):  # it reads no more: what it said tells why
                    channel.sendall(script.encode())
                    channel.shutdown_write()
                said = self._read(channel, limit)
        except _broken() as error:
            raise NoAnswer(f"{self._host.name} {_reason(error)}", sent=sent) from error
        if not self._transport.is_active():
            raise NoAnswer(f"{self._host.name} broke the connection off", sent=True)
        return said

    def _read(self, channel: paramiko.Channel, limit: Limit) -> str:
        said = b""
        while len(said) < _MOST_BYTES:
            if limit.over:
                raise TimeoutError
            channel.settimeout(limit.left_s())
            data = channel.recv(65536)
            if not data:
                break
            said += data
        return said.decode("utf-8", "replace")


@contextlib.contextmanager
def _given_up_at(limit: Limit, transport: paramiko.Transport) -> Iterator[None]:
    """Close a connection at the limit: paramiko waits for some answers without any."""
    watchdog = threading.Timer(_step(limit), transport.close)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


def _connect(host: Host, limit: Limit) -> socket.socket:
    try:
        sock = socket.create_connection((host.address, host.port), timeout=_step(limit))
    except OSError as error:
        where = f"{host.address} port {host.port}"
        summary = f"{host.name} does not answer ({where}: {_why(error)})"
        hint = _NO_NAME if isinstance(error, socket.gaierror) else ""
        raise NoAnswer(summary, hint=hint) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return _PromptSocket(fileno=sock.detach())


class _PromptSocket(socket.socket):
    """Acknowledges at once what it receives.

    Servers hold their next small packet back until the last one is acknowledged, which Linux delays
    by 40 ms: longer than the rest of a short session takes.
    """

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        data = super().recv(size, flags)
        if hasattr(socket, "TCP_QUICKACK"):
            with contextlib.suppress(OSError):  # reset, or closed by another thread
                self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data


def _transport(sock: socket.socket) -> paramiko.Transport:
    import paramiko

    _keep_log_quiet()
    transport = paramiko.Transport(sock)
    transport.set_log_channel(_LOG)
    return transport


@functools.cache
def _keep_log_quiet() -> None:
    """Drop what paramiko logs: a traceback for every server that hangs up. We raise instead."""
    logging.getLogger(_LOG).addHandler(logging.NullHandler())
    logging.getLogger(_LOG).propagate = False


def _handshake(host: Host, transport: paramiko.Transport, access: Access, limit: Limit) -> None:
    trust = access.trust(host)
    _prefer(transport, trust)
    transport.banner_timeout = transport.handshake_timeout = _step(limit)
    try:
        transport.start_client(timeout=_step(limit))
        if not transport.initial_kex_done:  # it returns all the same when time is over
            raise TimeoutError("timed out")
        key = transport.get_remote_server_key()
    except _broken() as error:
        raise NoAnswer(f"{host.name} does not answer as an SSH server: {_why(error)}") from error
    line = f"{key.get_name()} {key.get_base64()}"
    if not access.accept(host, line, trust):
        raise _wrong_key(host, line, trust)


def _prefer(transport: paramiko.Transport, trust: Trust) -> None:
    """Ask for the types of the keys that are known: a host has several, and shows one."""
    options = transport.get_security_options()
    known: list[str] = []
    for kind in trust.types:
        known += _RSA if kind == "ssh-rsa" else (kind,)
    first = [kind for kind in known if kind in options.key_types]
    if first:
        rest = [kind for kind in options.key_types if kind not in first]
        options.key_types = (*first, *rest)


def _log_in(
    host: Host, transport: paramiko.Transport, keys: Sequence[paramiko.PKey], limit: Limit
) -> None:
    transport.auth_timeout = _step(limit)
    for key in keys:
        try:
            transport.auth_publickey(host.user, key)
        except _broken() as error:  # a refusal among them
            if not transport.is_active() or limit.over:
                raise NoAnswer(f"{host.name} {_reason(error)}") from error
        if transport.is_authenticated():
            return
    summary = f"{host.name} refused the key for user {host.user}"
    hint = f"see that this works: ssh {_flags(host)}{host.user}@{host.address}"
    raise CredentialsError(summary, code="ssh-refused", hint=hint)


def _flags(host: Host) -> str:
    port = "" if host.port == 22 else f"-p {host.port} "  # noqa: PLR2004 - the usual one
    return f"-i {host.identity_file} {port}" if host.identity_file else port


def _wrong_key(host: Host, line: str, trust: Trust) -> ArbError:
    if line in trust.revoked:
        why = f"which {trust.source or 'known_hosts'} calls revoked"
    else:
        why = f"not the one of {trust.source}"
    summary = f"{host.name} shows the host key {fingerprint(line)}, {why}; nothing was sent to it"
    hint = "if it was set up anew, put its new key into host_key of the host"
    return WrongHostKey(summary, code="ssh-host-key", hint=hint)


def _step(limit: Limit) -> float:
    return max(0.01, limit.left_s(_STEP_S))


def _broken() -> tuple[type[Exception], ...]:
    """Return what paramiko raises when a connection or the other side is broken."""
    import paramiko

    return (paramiko.SSHException, OSError, EOFError, ValueError, LookupError, struct.error)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "did not answer in time"
    return f"broke the connection off ({_why(error)})"


def _why(error: Any) -> str:
    lines = str(getattr(error, "strerror", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
