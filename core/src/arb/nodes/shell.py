"""An interactive shell over our own SSH connection, for systems without an ssh client."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
from typing import TYPE_CHECKING, Final

from arb.errors import NodeUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import paramiko

    from arb.nodes.ssh import SshNode

__all__ = ["run_shell"]

_CHUNK: Final = 32 * 1024
_STATUS_S: Final = 5.0
"""How long the exit code may come after the output's end."""


def run_shell(node: SshNode, command: str = "") -> int:
    """Connect this process's standard streams to a shell, or to one command, and wait for its end.

    A terminal here gives a terminal there, whose size follows ours.

    Args:
        node: Where.
        command: For the user's login shell there; empty starts a shell.

    Returns:
        The exit code.

    Raises:
        NodeUnreachable, HostKeyError, NodeError: As ``SshNode.connect``, or the connection broke.
    """
    session = node.open_session()
    on_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    with contextlib.closing(session):
        if on_terminal:
            columns, rows = shutil.get_terminal_size()
            session.get_pty(os.environ.get("TERM", "vt100"), columns, rows)
        if command:
            session.exec_command(command)
        else:
            session.invoke_shell() if on_terminal else session.exec_command("exec $SHELL -l")
        with _raw_terminal(session) if on_terminal else contextlib.nullcontext():
            _relay(session)
        if not session.status_event.wait(_STATUS_S) or session.exit_status < 0:
            raise NodeUnreachable(f"the connection to {node.name} was lost", code="connection-lost")
        return session.exit_status


def _relay(session: paramiko.Channel) -> None:
    """Copy both ways until the remote side has ended. Threads, because each way blocks alone."""
    threading.Thread(target=_send_input, args=(session,), daemon=True).start()
    errors = threading.Thread(
        target=_copy, args=(session.recv_stderr, sys.stderr.fileno()), daemon=True
    )
    errors.start()
    _copy(session.recv, sys.stdout.fileno())
    errors.join()


def _send_input(session: paramiko.Channel) -> None:
    """Copy our input until it ends or our terminal is gone; the other side may be gone before."""
    with contextlib.suppress(OSError):
        while data := os.read(sys.stdin.fileno(), _CHUNK):
            session.sendall(data)
    with contextlib.suppress(OSError):
        session.shutdown_write()


def _copy(receive: Callable[[int], bytes], handle: int) -> None:
    while data := receive(_CHUNK):
        while data:
            data = data[os.write(handle, data) :]


@contextlib.contextmanager
def _raw_terminal(session: paramiko.Channel) -> Iterator[None]:
    """Hand every key to the other side, and tell it when our window changes."""
    import termios
    import tty

    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    resized = signal.signal(signal.SIGWINCH, lambda *_: _resize(session))
    try:
        tty.setraw(handle, termios.TCSADRAIN)  # what was typed already is for the shell
        yield
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, resized)


def _resize(session: paramiko.Channel) -> None:
    columns, rows = shutil.get_terminal_size()
    session.resize_pty(columns, rows)
