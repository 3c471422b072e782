"""Files that are named on the command line: pipes, too."""

from __future__ import annotations

import os
import threading
import time

import pytest

from arb.errors import UsageError
from arb.tasks import load_task, read_env_file, reading
from arb.tasks.reading import is_task_file, read_file


@pytest.fixture
def pipe(tmp_path):
    path = tmp_path / "task.pipe"
    os.mkfifo(path)
    return path


def write_later(path, *parts):
    def write():
        with path.open("wb", buffering=0) as file:
            for part in parts:
                time.sleep(0.05)
                file.write(part)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("task.yaml", True),
        ("task.yml", True),
        ("/dev/fd/63", True),
        ("/dev/stdin", True),
        ("train.py", False),
        ("python train.py", False),
        ("\0", False),
    ],
)
def test_a_task_file_is_told_from_a_command(word, expected):
    assert is_task_file(word) is expected


def test_a_pipe_is_a_task_file_by_any_name(pipe):
    assert is_task_file(str(pipe))


def test_a_writer_that_comes_late_and_writes_in_parts_is_read_whole(pipe):
    thread = write_later(pipe, b"run: ec", b"ho hi\n")
    assert load_task(pipe).run == "echo hi"
    thread.join()


def test_a_large_task_comes_through_a_pipe(pipe):
    text = b"# " + b"x" * 300_000 + b"\nrun: echo hi\n"
    thread = write_later(pipe, text)
    assert read_file(pipe, 1_000_000) == text
    thread.join()


def test_a_pipe_that_nobody_writes_into_is_given_up(pipe, monkeypatch):
    monkeypatch.setattr(reading, "_PATIENCE_S", 0.1)
    with pytest.raises(UsageError, match=r"cannot read .*: nobody has written into this pipe"):
        load_task(pipe)


def test_what_a_pipe_held_can_be_asked_for_again(pipe):
    thread = write_later(pipe, b"run: echo hi\n")
    assert read_file(pipe, 100) == read_file(pipe, 100) == b"run: echo hi\n"
    thread.join()


def test_variables_come_through_a_pipe(pipe):
    thread = write_later(pipe, b"A=1\n")
    assert read_env_file(pipe) == {"A": "1"}
    thread.join()


def test_no_more_is_read_than_makes_clear_that_it_is_too_much(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"x" * 100)
    assert read_file(path, 10) == b"x" * 11
