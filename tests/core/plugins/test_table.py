from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from arb.plugins import _cache
from arb.plugins.table import GROUPS, PluginEntry, PluginTable

PLUGIN = "ARB_API = 1\n"


@pytest.fixture
def only_site(site, monkeypatch):
    """Make the site the only folder that is looked into."""
    import importlib_metadata  # noqa: F401 - while it can still be imported

    monkeypatch.setattr(sys, "path", [str(site.folder)])
    return site


def settle(folder, age_s=60.0):
    """Give a folder a modification time that is not recent."""
    then = time.time() - age_s
    os.utime(folder, (then, then))


def stored(cache_dir):
    return list(cache_dir.glob("plugins-*.json")) if cache_dir.exists() else []


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_is_read(only_site, tmp_path, group):
    only_site.install("arb-x", PLUGIN, group=group, name="x", summary="Does x")

    table = PluginTable.load(tmp_path / "cache")

    assert table.entries(group) == (PluginEntry(group, "x", "arb_x", "arb-x", "1.0", "Does x"),)


def test_nothing_is_imported(only_site, tmp_path):
    only_site.install("arb-x", "raise SystemExit('imported')")

    assert PluginTable.load(tmp_path).names("arb.providers") == ("x",)


def test_a_settled_table_is_stored_and_read_back(only_site, tmp_path, monkeypatch):
    only_site.install("arb-x", PLUGIN)
    settle(only_site.folder)
    first = PluginTable.load(tmp_path / "cache")
    monkeypatch.setattr("arb.plugins.table._scan", lambda: pytest.fail("scanned again"))

    assert PluginTable.load(tmp_path / "cache").all_entries() == first.all_entries()


def test_a_table_of_a_recent_change_is_not_stored(only_site, tmp_path):
    only_site.install("arb-x", PLUGIN)

    PluginTable.load(tmp_path / "cache")

    assert stored(tmp_path / "cache") == []


def test_a_folder_from_the_future_is_not_stored(only_site, tmp_path):
    only_site.install("arb-x", PLUGIN)
    settle(only_site.folder, age_s=-3600)

    PluginTable.load(tmp_path / "cache")

    assert stored(tmp_path / "cache") == []


def test_a_change_while_reading_is_not_stored(only_site, tmp_path, monkeypatch):
    settle(only_site.folder)
    scan = PluginTable([])

    def slow_scan():
        only_site.install("arb-late", PLUGIN)
        settle(only_site.folder, age_s=30)
        return scan

    monkeypatch.setattr("arb.plugins.table._scan", slow_scan)
    PluginTable.load(tmp_path / "cache")

    assert stored(tmp_path / "cache") == []


def test_a_plugin_installed_and_removed_within_one_second_is_seen_and_gone(only_site, tmp_path):
    cache = tmp_path / "cache"
    settle(only_site.folder)
    assert PluginTable.load(cache).names("arb.providers") == ()
    coarse = float(int(time.time()))  # a file system that counts whole seconds

    only_site.install("arb-x", PLUGIN)
    os.utime(only_site.folder, (coarse, coarse))
    seen = PluginTable.load(cache).names("arb.providers")
    for file in (only_site.folder / "arb_x-1.0.dist-info").iterdir():
        file.unlink()
    (only_site.folder / "arb_x-1.0.dist-info").rmdir()
    os.utime(only_site.folder, (coarse, coarse))

    assert (seen, PluginTable.load(cache).names("arb.providers")) == (("x",), ())


def test_entry_points_written_after_the_folder_are_seen(only_site, tmp_path):
    cache = tmp_path / "cache"
    only_site.install("arb-x", PLUGIN)
    points = only_site.folder / "arb_x-1.0.dist-info" / "entry_points.txt"
    text = points.read_text()
    points.unlink()
    assert PluginTable.load(cache).names("arb.providers") == ()

    points.write_text(text)  # does not change the time of the site's own folder

    assert PluginTable.load(cache).names("arb.providers") == ("x",)


def test_entry_points_that_setuptools_wrote_anew_in_place_are_seen(only_site, tmp_path):
    cache = tmp_path / "cache"
    egg = only_site.folder / "arb_x.egg-info"
    egg.mkdir()
    (egg / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: arb-x\nVersion: 1.0\n")
    points = egg / "entry_points.txt"
    points.write_text("[arb.providers]\nx = arb_x\n")
    for place in (points, only_site.folder):
        settle(place)
    assert PluginTable.load(cache).names("arb.providers") == ("x",)
    assert stored(cache)

    points.write_text("[arb.providers]\ny = arb_x\n")
    settle(only_site.folder)

    assert PluginTable.load(cache).names("arb.providers") == ("y",)


def test_a_folder_with_an_old_time_and_one_distribution_more_is_read_again(only_site, tmp_path):
    cache = tmp_path / "cache"
    then = time.time() - 60
    os.utime(only_site.folder, (then, then))
    PluginTable.load(cache)

    only_site.install("arb-x", PLUGIN)
    os.utime(only_site.folder, (then, then))

    assert PluginTable.load(cache).names("arb.providers") == ("x",)


def test_rescan_ignores_the_cache(only_site, tmp_path):
    cache = tmp_path / "cache"
    only_site.install("arb-x", PLUGIN)
    settle(only_site.folder)
    PluginTable.load(cache)
    points = only_site.folder / "arb_x-1.0.dist-info" / "entry_points.txt"
    points.write_text("[arb.providers]\nrenamed = arb_x\n")

    assert PluginTable.load(cache).names("arb.providers") == ("x",)
    assert PluginTable.load(cache, rescan=True).names("arb.providers") == ("renamed",)


def test_another_search_path_is_read_again(only_site, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    only_site.install("arb-x", PLUGIN)
    settle(only_site.folder)
    PluginTable.load(cache)
    empty = tmp_path / "empty"
    empty.mkdir()
    settle(empty)

    monkeypatch.setattr(sys, "path", [str(empty)])

    assert PluginTable.load(cache).names("arb.providers") == ()


def test_interpreters_have_a_file_each(only_site, tmp_path, monkeypatch):
    settle(only_site.folder)
    PluginTable.load(tmp_path / "cache")

    monkeypatch.setattr(sys, "prefix", "/another/environment")
    PluginTable.load(tmp_path / "cache")

    assert len(stored(tmp_path / "cache")) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "null",
        lambda text: json.dumps(json.loads(text) | {"format": 99}),
        lambda text: json.dumps(json.loads(text) | {"entries": [["only", "two"]]}),
        lambda text: json.dumps(json.loads(text) | {"entries": [[1, 2, 3, 4, 5, 6]]}),
        lambda text: json.dumps(json.loads(text) | {"entries": 7}),
        lambda text: "[" * 100_000,
    ],
    ids=["empty", "half", "null", "format", "width", "numbers", "no-list", "deep"],
)
def test_a_damaged_cache_is_ignored(only_site, tmp_path, damage):
    only_site.install("arb-x", PLUGIN)
    settle(only_site.folder)
    PluginTable.load(tmp_path / "cache")
    (file,) = stored(tmp_path / "cache")
    file.write_text(damage(file.read_text()))

    assert PluginTable.load(tmp_path / "cache").names("arb.providers") == ("x",)


def test_a_cache_folder_that_cannot_be_written_only_costs_time(only_site, tmp_path):
    only_site.install("arb-x", PLUGIN)
    settle(only_site.folder)
    blocked = tmp_path / "file"
    blocked.write_text("a file where the folder should be")

    assert PluginTable.load(blocked / "cache").names("arb.providers") == ("x",)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_cache_folder_only_costs_time(only_site, tmp_path):
    only_site.install("arb-x", PLUGIN)
    settle(only_site.folder)
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o500)

    assert PluginTable.load(cache).names("arb.providers") == ("x",)


def test_writing_leaves_no_other_file(only_site, tmp_path):
    settle(only_site.folder)

    PluginTable.load(tmp_path / "cache")

    assert [f.suffix for f in (tmp_path / "cache").iterdir()] == [".json"]


def test_a_failed_write_leaves_the_old_file(only_site, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    only_site.install("arb-x", PLUGIN)
    settle(only_site.folder)
    PluginTable.load(cache)
    (file,) = stored(cache)
    before = file.read_bytes()

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_cache.json, "dump", full)
    PluginTable.load(cache, rescan=True)

    assert file.read_bytes() == before
    assert list(cache.iterdir()) == [file]


def test_a_shadowed_distribution_does_not_count(only_site, tmp_path, monkeypatch):
    only_site.install("arb-x", PLUGIN, version="2.0")
    older = type(only_site)(tmp_path / "older")
    older.folder.mkdir()
    older.install("arb-x", PLUGIN, version="1.0")
    monkeypatch.setattr(sys, "path", [str(only_site.folder), str(older.folder)])

    (entry,) = PluginTable.load(tmp_path / "cache").entries("arb.providers")

    assert entry.version == "2.0"


def test_a_shadowed_distribution_without_successor_does_not_count(only_site, tmp_path, monkeypatch):
    """The newer release of the distribution is no plugin any more."""
    only_site.install("arb-x", PLUGIN, version="2.0")
    (only_site.folder / "arb_x-2.0.dist-info" / "entry_points.txt").unlink()
    older = type(only_site)(tmp_path / "older")
    older.folder.mkdir()
    older.install("arb-x", PLUGIN, version="1.0")
    monkeypatch.setattr(sys, "path", [str(only_site.folder), str(older.folder)])

    assert PluginTable.load(tmp_path / "cache").names("arb.providers") == ()


def test_duplicate_names_are_refused_and_name_both(only_site, tmp_path):
    only_site.install("one", PLUGIN, name="x")
    only_site.install("two", PLUGIN, name="x")
    only_site.install("three", PLUGIN, name="y")

    table = PluginTable.load(tmp_path / "cache")

    assert table.names("arb.providers") == ("y",)
    (duplicate,) = table.duplicates("arb.providers")
    assert duplicate.describe() == (
        "one 1.0 and two 1.0 both provide 'x' in arb.providers: neither is used, uninstall one"
    )


def test_the_canonical_distribution_keeps_its_name(only_site, tmp_path):
    only_site.install("a-stranger", PLUGIN, name="x")
    only_site.install("Arb_X", PLUGIN, name="x")

    table = PluginTable.load(tmp_path / "cache")

    assert [e.distribution for e in table.entries("arb.providers")] == ["Arb_X"]
    assert table.duplicates()[0].describe().endswith("Arb_X is used, uninstall one")


def test_the_same_name_in_two_groups_is_no_duplicate(only_site, tmp_path):
    only_site.install("arb-x", PLUGIN)
    only_site.install("x-command", PLUGIN, name="x", group="arb.commands")

    assert PluginTable.load(tmp_path / "cache").duplicates() == ()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("entry_points.txt", b"[arb.providers]\nx = \xff\xfe\n"),
        ("METADATA", b"Version: 1.0\n"),
    ],
    ids=["not-utf-8", "no-name"],
)
def test_an_unreadable_distribution_is_named_and_costs_no_other(only_site, tmp_path, file, content):
    only_site.install("arb-bad", PLUGIN)
    (only_site.folder / "arb_bad-1.0.dist-info" / file).write_bytes(content)
    only_site.install("arb-good", PLUGIN)

    table = PluginTable.load(tmp_path / "cache")

    assert table.names("arb.providers") == ("good",)
    assert len(table.broken) == 1
    assert re.search("arb[-_]bad", table.broken[0].distribution)
    assert "its metadata cannot be read" in table.broken[0].reason


def test_reading_the_cache_imports_no_metadata_library_and_no_pluggy(site, tmp_path):
    site.install("arb-x", PLUGIN)
    code = (
        "import sys, pathlib\n"
        "from arb.plugins.table import PluginTable\n"
        "table = PluginTable.load(pathlib.Path(sys.argv[1]))\n"
        "heavy = {'importlib_metadata', 'importlib.metadata', 'pluggy'}\n"
        "print(sorted(heavy & set(sys.modules)), 'x' in table.names('arb.providers'))\n"
    )
    settle(site.folder)
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path = {path_for(site)}\n{code}"]

    outputs = [
        subprocess.run(
            [*command, str(tmp_path / "cache")], capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    ]

    assert outputs[1] == "[] True"
    assert "importlib_metadata" in outputs[0], "the first run had nothing to read"


def path_for(site):
    """Return a search path of settled folders: everything of ours but the test's own."""
    import importlib_metadata
    import pluggy
    import zipp

    import arb

    roots = {str(Path(m.__file__).parents[1]) for m in (arb, importlib_metadata, pluggy, zipp)}
    standard = [p for p in sys.path if p and "site-packages" not in p and "python" in p]
    return [str(site.folder), *sorted(roots), *standard]


def test_reading_the_cache_costs_less_than_5_ms(tmp_path, monkeypatch):
    monkeypatch.setattr(_cache, "_is_moving", lambda key: False)
    PluginTable.load(tmp_path)
    assert stored(tmp_path), "nothing was stored"

    times = []
    for _ in range(9):
        start = time.process_time()  # of waiting for a turn nothing is said
        PluginTable.load(tmp_path)
        times.append(time.process_time() - start)

    assert statistics.median(times) < 0.005
