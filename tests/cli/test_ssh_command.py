"""``arb ssh`` hands over to the system's OpenSSH with our own configuration."""

from __future__ import annotations

import pytest

from arb.cli import ssh


@pytest.fixture
def session(mocker, tmp_path):
    mocker.patch("arb.clusters.sshaccess.write_config", return_value=tmp_path / "config")
    return mocker.Mock()


@pytest.mark.parametrize(
    ("words", "on_terminal", "expected"),
    [("", True, []), ("htop", True, ["-t"]), ("ls -l", False, [])],
    ids=["shell", "command-on-a-terminal", "command-in-a-pipe"],
)
def test_a_command_gets_a_terminal_where_we_have_one(
    mocker, session, tmp_path, words, on_terminal, expected
):
    mocker.patch.object(ssh.sys.stdin, "isatty", return_value=on_terminal)
    mocker.patch.object(ssh.sys.stdout, "isatty", return_value=on_terminal)
    arguments = ssh._openssh(session, "train-0", words)
    assert arguments[:3] == ["ssh", "-F", str(tmp_path / "config")]
    assert arguments[3:] == [*expected, "--", "train-0", *([words] if words else [])]
