"""Removing what machines left, whatever they did with it."""

from __future__ import annotations

import os
import shutil

import pytest

from arb_local.room.files import remove_tree


def test_a_file_that_is_written_while_a_folder_is_removed_is_removed_too(tmp_path, monkeypatch):
    folder = tmp_path / "machine"
    folder.mkdir()
    original = shutil.rmtree
    late = [folder / "home", folder / "run"]

    def remove(path, **options):
        original(path, **options)
        if late:  # somebody was in the middle of making it
            late.pop().mkdir(parents=True)

    monkeypatch.setattr(shutil, "rmtree", remove)
    remove_tree(folder)
    assert not folder.exists()


@pytest.mark.skipif(os.getuid() == 0, reason="no folder is read-only for root")
def test_folders_that_a_machine_made_read_only_are_removed(tmp_path):
    cache = tmp_path / "machine" / "home" / "go" / "pkg"
    cache.mkdir(parents=True)
    (cache / "file").touch()
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o555)
    (cache / "link").symlink_to(outside)
    for folder in (cache, cache.parent):
        folder.chmod(0o555)
    remove_tree(tmp_path / "machine")
    assert not (tmp_path / "machine").exists()
    assert outside.stat().st_mode & 0o777 == 0o555


def test_what_a_link_leads_to_stays_as_it_is(tmp_path):
    inside = tmp_path / "elsewhere" / "inside"
    inside.mkdir(parents=True, mode=0o755)
    inside.chmod(0o755)
    link = tmp_path / ".link"
    link.symlink_to(inside.parent)
    remove_tree(link)
    assert inside.stat().st_mode & 0o777 == 0o755


def test_a_file_that_the_system_put_there_is_left_alone(tmp_path):
    file = tmp_path / ".DS_Store"
    file.touch(mode=0o600)
    remove_tree(file)
    assert file.stat().st_mode & 0o777 == 0o600
