"""Progress: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from arb.cli.progress import PlainProgress, TerminalProgress, open_progress

CLEAR = "\r\033[K"

SCRIPT = """
import time
from arb.cli.progress import open_progress
with open_progress() as progress:
    progress.step("first step")
    progress.state("waiting for something")
    time.sleep(0.4)
    progress.step("second step")
    progress.warn("look here")
    progress.state("x" * 500)
    time.sleep(0.2)
    progress.state("")
"""


def on_a_terminal(script: str, **variables: str) -> tuple[str, str]:
    """Run Python text with a terminal as standard error; return what it shows, and stdout."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=slave,
        env={**os.environ, "TERM": "xterm", **variables},
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not data:
            break
        shown += data
    out, _ = process.communicate(timeout=20)
    os.close(master)
    assert process.returncode == 0
    return shown.decode(), out.decode()


def lines_left(shown: str) -> list[str]:
    """Return what is on the screen at the end, as a terminal draws it."""
    lines = []
    for line in shown.replace("\r\n", "\n").split("\n"):
        text = line.rpartition("\r\033[K")[2]
        lines.append(re.sub(r"\033\[[0-9;]*m", "", text))
    return lines


def test_a_terminal_shows_a_live_line_and_keeps_the_steps():
    shown, out = on_a_terminal(SCRIPT, COLUMNS="80")
    assert out == ""
    assert lines_left(shown) == ["first step", "second step", "warning: look here", ""]
    frames = re.findall(r"\r\033\[K([|/\\-]) waiting for something", shown)
    assert len(set(frames)) >= 2, "it moves"


def test_the_live_line_is_cut_to_the_width():
    shown, _ = on_a_terminal(SCRIPT)
    longest = max(len(text) for text in re.findall(r"[|/\\-] (x+)", shown))
    assert longest < 80


def test_a_dumb_terminal_gets_plain_lines():
    shown, _ = on_a_terminal(SCRIPT, TERM="dumb")
    assert "\033" not in shown
    assert shown.replace("\r\n", "\n").startswith("first step\nwaiting for something\nsecond")


def test_no_colour_keeps_the_live_line():
    shown, _ = on_a_terminal(SCRIPT, NO_COLOR="1")
    assert CLEAR in shown
    assert "\033[33m" not in shown


def test_a_pipe_gets_each_state_once(capsys):
    with open_progress() as progress:
        assert isinstance(progress, PlainProgress)
        for text in ("a", "a", "b", "", "b"):
            progress.state(text)
        progress.step("s")
        progress.warn("w")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "a\nb\nb\ns\nwarning: w\n")


def test_an_error_leaves_a_clean_line(capsys):
    def work() -> None:
        with TerminalProgress() as progress:
            progress.state("busy")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert capsys.readouterr().err.endswith(CLEAR)


def test_a_terminal_with_nothing_to_show_is_left_alone(capsys):
    with TerminalProgress():
        pass
    assert capsys.readouterr().err == ""
