from __future__ import annotations

import pytest

from arb.nodes.channel import SshChannel


class Gone:
    """A channel whose connection ended a moment ago, as paramiko tells it."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def close(self) -> None:
        raise self._error


@pytest.mark.parametrize("error", [EOFError(), OSError("Socket is closed")], ids=repr)
def test_closing_what_is_gone_already_is_no_error(error):
    channel = object.__new__(SshChannel)
    channel._channel = Gone(error)
    channel.close()
