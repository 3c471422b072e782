"""The SSH server of one machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
from typing import TYPE_CHECKING, Any, Final

import asyncssh  # noqa: TID253 - this module is imported by the launcher alone

from arb_local.room import hostkeys
from arb_local.room.children import Children
from arb_local.room.session import NodeSession

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb_local.room.records import Folder

__all__ = ["serve"]

_RESTRICT: Final = "no-pty,no-port-forwarding,no-agent-forwarding,no-X11-forwarding"


def serve(
    folder: Folder,
    record: Mapping[str, Any],
    environment: Mapping[str, str],
    listener: socket.socket,
) -> None:
    """Serve SSH on a listening socket until the process is killed.

    Args:
        folder: The machine's folder.
        record: Its record.
        environment: What its processes start with.
        listener: Where clients connect.
    """
    os.chdir(folder.home)
    os.umask(0o022)
    os.environ["HOME"] = str(folder.home)  # asyncssh wants one; not every user's is in the system
    asyncio.run(_Node(folder, record, environment).serve(listener))


class _Node:
    """What all connections of one machine share."""

    def __init__(
        self, folder: Folder, record: Mapping[str, Any], environment: Mapping[str, str]
    ) -> None:
        self.folder, self.record, self.environment = folder, record, environment
        self.children = Children()

    async def serve(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self.children.reap)
        listener.setblocking(False)
        key = asyncssh.import_private_key(self.folder.host_key())
        wrong_s = self.record["wrong_host_key_s"]
        shown = asyncssh.import_private_key(hostkeys.generate()) if wrong_s > 0 else key
        acceptor = await asyncssh.listen(
            sock=listener,
            server_factory=lambda: _Connection(self),
            server_host_keys=[shown],
            encoding=None,
            line_editor=False,
            agent_forwarding=False,
            x11_forwarding=False,
            gss_host=None,
            compression_algs=["none"],
        )
        if wrong_s > 0:
            loop.call_later(wrong_s, lambda: acceptor.update(server_host_keys=[key]))
        await asyncio.Event().wait()

    def authorized_keys(self) -> asyncssh.SSHAuthorizedKeys | None:
        """Read the file anew: the keys that are let in change while the machine runs."""
        with contextlib.suppress(OSError, ValueError):
            text = (self.folder.home / ".ssh" / "authorized_keys").read_text()
            return asyncssh.import_authorized_keys(_expand_restrict(text))
        return None


def _expand_restrict(text: str) -> str:
    """Write OpenSSH's ``restrict`` option out, which asyncssh does not know."""
    return re.sub(r"(?m)^((?:[^\s\"#]|\"[^\"]*\")*?)\brestrict\b", rf"\1{_RESTRICT}", text)


class _Connection(asyncssh.SSHServer):
    """One client: keys only, no passwords; sessions, file transfer and TCP forwarding."""

    def __init__(self, node: _Node) -> None:
        self._node = node
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Send every packet at once."""
        self._connection = conn
        sock = conn.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def begin_auth(self, username: str) -> bool:
        """Let the keys of the file in, for the one user that there is."""
        keys = self._node.authorized_keys()
        if keys is not None and username == self._node.record["user"] and self._connection:
            self._connection.set_authorized_keys(keys)
        return True

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        """Open a session."""
        return NodeSession(
            self._node.environment, self._node.children, sftp=self._node.record["sftp"]
        )

    def connection_requested(
        self,
        dest_host: str,  # noqa: ARG002 - every destination is allowed, as sshd does by default
        dest_port: int,  # noqa: ARG002 - the same
        orig_host: str,  # noqa: ARG002 - the same
        orig_port: int,  # noqa: ARG002 - the same
    ) -> bool:
        """Forward to any address: the machine is the user's own."""
        return True

    def server_requested(
        self,
        listen_host: str,  # noqa: ARG002 - every address may be listened on, as on sshd
        listen_port: int,  # noqa: ARG002 - the same
    ) -> bool:
        """Listen for the client on any address."""
        return True
