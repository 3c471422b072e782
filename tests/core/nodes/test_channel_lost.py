"""A connection that breaks while a command runs, as paramiko tells it from either of its threads."""

from __future__ import annotations

import pytest

from arb.errors import NodeUnreachable
from arb.nodes.channel import SshChannel


class _Gone:
    """The connection broke a moment ago."""

    exit_status = -1

    def __init__(self, error: Exception) -> None:
        self._error = error

    def settimeout(self, _timeout: float) -> None: ...

    def close(self) -> None:
        raise self._error

    def send(self, _data: bytes) -> int:
        raise self._error

    def shutdown_write(self) -> None:
        raise self._error


@pytest.mark.parametrize("error", [EOFError(), OSError("Socket is closed")], ids=repr)
def test_closing_what_is_gone_already_is_no_error(error):
    SshChannel(_Gone(error), "10.0.0.7").close()


def test_sending_into_a_socket_that_broke_tells_the_node():
    """The sender meets the broken socket before paramiko's reader thread does."""
    with pytest.raises(NodeUnreachable, match=r"connection to 10\.0\.0\.7 was lost"):
        SshChannel(_Gone(EOFError()), "10.0.0.7").send(b"x")


def test_ending_the_input_of_a_socket_that_broke_tells_the_node():
    with pytest.raises(NodeUnreachable, match=r"connection to 10\.0\.0\.7 was lost"):
        SshChannel(_Gone(EOFError()), "10.0.0.7").send_eof()
