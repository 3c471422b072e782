"""Folders in which others write while they are copied."""

from __future__ import annotations

import contextlib
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from arb.nodes.ignore import IgnoreRules
from arb.nodes.tarstream import TarWriter
from arb.nodes.tree import Entry, read_file_entry, walk

if TYPE_CHECKING:
    from pathlib import Path

OLD = 1_600_000_000


def _put(path: Path, text: str, mtime: float = OLD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (mtime, mtime))
    return path


def _archived(folder: Path, entries: list[Entry]) -> tuple[TarWriter, Path]:
    sent: list[bytes] = []
    writer = TarWriter(sent.append)
    writer.write(entries, OLD + 10)
    archive = folder / "tar"
    archive.write_bytes(b"".join(sent))
    return writer, archive


CHANGES = {
    "shrunk": lambda path: _put(path, "be"),
    "grown": lambda path: _put(path, "before and after"),
    "rewritten": lambda path: _put(path, "BEFORE", OLD + 5),
    "folder": lambda path: [path.unlink(), path.mkdir()],
    "pipe": lambda path: [path.unlink(), os.mkfifo(path)],
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("how", CHANGES)
def test_file_that_changes_before_it_is_read_is_named_and_stops_nothing(tmp_path, how):
    path = _put(tmp_path / "a", "before")
    entries = [read_file_entry(path, "a"), read_file_entry(_put(tmp_path / "b", "whole"), "b")]
    CHANGES[how](path)
    writer, archive = _archived(tmp_path, entries)
    assert writer.changed == ([] if how == "gone" else ["a"]), "what is gone needs no second look"
    assert writer.unreadable == []
    with tarfile.open(archive) as file:
        assert file.extractfile("b").read() == b"whole"


def test_what_is_gone_before_it_is_looked_at_is_no_fault(tmp_path, monkeypatch):
    for name in ("f", "kept"):
        _put(tmp_path / "s" / name, name)
    _put(tmp_path / "s" / "sub" / "x", "x")
    real = os.scandir

    def scandir(path):
        with real(path) as found:
            items = list(found)
        for name in ("f", "sub/x"):  # between the look at the folder and that at what is in it
            (tmp_path / "s" / name).unlink(missing_ok=True)
        (tmp_path / "s" / "sub").rmdir() if (tmp_path / "s" / "sub").exists() else None
        return contextlib.nullcontext(items)

    monkeypatch.setattr("arb.nodes.tree.os.scandir", scandir)
    tree = walk(tmp_path / "s", IgnoreRules())
    assert [entry.name for entry in tree.entries] == ["kept"]
    assert tree.unreadable == []
