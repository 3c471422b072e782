"""What one process has locked, others wait for, but not for ever."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from support.processes import start
from support.sellers import Street

from arb import config
from arb.catalog import refresh
from arb.config import read_config, write_value
from arb.errors import StateError
from arb.locks import locked
from arb.nodes import sshconfig
from arb.nodes.keys import generate_key
from arb.nodes.sshconfig import add_include, write_ssh_config

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

_HOLD = """
import sys, time
from pathlib import Path
from arb.locks import locked

with locked(Path(sys.argv[1]), "testing", wait_s=0):
    print("ready", flush=True)
    time.sleep(600)
"""
SHORT_S = 0.05


@pytest.fixture
def stopped() -> Iterator[Callable[[Path], int]]:
    """Return a function that has a file locked by a process that stands still; gives its number."""
    processes: list[subprocess.Popen[str]] = []

    def hold(path: Path) -> int:
        path.parent.mkdir(parents=True, exist_ok=True)
        process = start(_HOLD, str(path))
        processes.append(process)
        process.send_signal(signal.SIGSTOP)
        return process.pid

    yield hold
    for process in processes:
        process.kill()
        process.communicate()


def test_who_stands_still_with_a_lock_is_named_and_not_waited_for_for_ever(
    tmp_path: Path, stopped: Callable[[Path], int]
) -> None:
    pid = stopped(tmp_path / "lock")

    with pytest.raises(StateError) as caught, locked(tmp_path / "lock", "writing", wait_s=SHORT_S):
        pass
    assert caught.value.code == "file-locked"
    assert caught.value.summary == f"process {pid} has been writing for 0.05 s"
    assert "end it" in caught.value.hint


def test_a_lock_ends_with_its_process(tmp_path: Path, stopped: Callable[[Path], int]) -> None:
    os.kill(stopped(tmp_path / "lock"), signal.SIGKILL)

    with locked(tmp_path / "lock", "writing", wait_s=10):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_lock_ends_with_its_block_and_holds_between_threads(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path, "writing", wait_s=0), pytest.raises(StateError), locked(path, "x", wait_s=0):
        pass
    with locked(path, "writing", wait_s=0):
        pass
    assert path.stat().st_mode & 0o777 == 0o600


def test_settings_are_not_waited_for_for_ever(
    tmp_path: Path, stopped: Callable[[Path], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "_WAIT_S", SHORT_S)
    stopped(tmp_path / ".config.yaml.lock")

    with pytest.raises(StateError, match="has been changing settings for"):
        write_value(tmp_path / "config.yaml", "objective", "value")
    assert read_config(tmp_path / "config.yaml").objective == "", "reading needs no lock"


def test_ssh_settings_are_not_waited_for_for_ever(
    tmp_path: Path, stopped: Callable[[Path], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sshconfig, "WAIT_S", SHORT_S)
    generated = write_ssh_config(tmp_path / "ssh", generate_key(), list)
    stopped(tmp_path / "ssh" / "lock")

    with pytest.raises(StateError, match="has been writing the SSH settings for"):
        write_ssh_config(tmp_path / "ssh", generate_key(), list)
    with pytest.raises(StateError, match="has been writing the SSH settings for"):
        add_include(tmp_path / "user" / "config", generated)


def test_price_lists_are_not_waited_for_for_ever(
    tmp_path: Path, stopped: Callable[[Path], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "WRITE_S", SHORT_S)
    street = Street(tmp_path)
    street.add("east", {})
    stopped(tmp_path / f".{street.path.name}.lock")

    with pytest.raises(StateError, match="has been writing price lists for"):
        refresh.refresh(street.plugins, street.path, clock=street.clock)
    street.close()
