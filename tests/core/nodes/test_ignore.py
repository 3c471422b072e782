from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st
from support.examples import examples

from arb.nodes.ignore import Patterns, ignore_rules
from arb.nodes.tree import walk


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def kept(root: Path) -> set[str]:
    return {e.name for e in walk(root, ignore_rules(root)).entries if not e.is_dir}


def test_gitignore_counts_in_every_folder_and_deeper_ones_are_stronger(tmp_path):
    root = tree(
        tmp_path,
        {
            ".gitignore": "*.log\n",
            "a.log": "",
            "deep/.gitignore": "!kept.log\n/only-here\n",
            "deep/kept.log": "",
            "deep/b.log": "",
            "deep/only-here": "",
            "only-here": "",
        },
    )
    assert kept(root) == {".gitignore", "deep/.gitignore", "deep/kept.log", "only-here"}


@pytest.mark.parametrize("name", [".skyignore", ".arbignore"])
def test_own_ignore_file_replaces_gitignore(tmp_path, name):
    root = tree(tmp_path, {".gitignore": "a\n", name: "b\n", "a": "", "b": "", "d/b": ""})
    assert kept(root) == {".gitignore", name, "a"}


def test_skyignore_and_arbignore_count_together_and_arbignore_wins(tmp_path):
    files = {".skyignore": "a\nb\n", ".arbignore": "!a\nc\n", "a": "", "b": "", "c": ""}
    assert kept(tree(tmp_path, files)) == {".skyignore", ".arbignore", "a"}


def test_git_folder_is_uploaded_and_its_exclude_file_counts(tmp_path):
    files = {".git/info/exclude": "secret\n", ".git/HEAD": "ref", "secret": "", "a": ""}
    assert kept(tree(tmp_path, files)) == {".git/info/exclude", ".git/HEAD", "a"}


def test_whitelist_idiom_keeps_files_in_folders(tmp_path):
    files = {".gitignore": "*\n!*/\n!*.py\n", "a.txt": "", "d/x.py": "", "d/y.txt": ""}
    assert kept(tree(tmp_path, files)) == {"d/x.py"}


def test_file_below_an_ignored_folder_cannot_come_back(tmp_path):
    files = {".gitignore": "build/\n!build/keep\n", "build/keep": "", "a": ""}
    assert kept(tree(tmp_path, files)) == {".gitignore", "a"}


def test_byte_order_mark_and_carriage_returns_do_not_matter(tmp_path):
    root = tree(tmp_path, {"a": "", "b": ""})
    (root / ".gitignore").write_bytes(b"\xef\xbb\xbfa\r\n")
    assert kept(root) == {".gitignore", "b"}


@pytest.mark.parametrize("text", [b"", b"\n\n", b"# only\n", b"[\n", b"!\n", b"/\n", b"a\\\n"])
def test_file_without_a_pattern_that_can_match_ignores_nothing(text):
    assert Patterns.parse(text) is None


NAMES = ["a", "b", "ab", "a.b", ".a", "a b", "[a]", "!a", "#a", "a\\", "*", "é", "a-b", "a ", "]"]
PARTS = st.sampled_from(
    [
        *"ab.*?[]!-^/\\ #é",
        *("**", "/", "/**/", "**/", "/**", "***", "a/", "*/", "a", "b", "\\ ", "[ab]", "[!a]"),
        *("[a-", "[[:alpha:]]", "[[:x:]]", "[[:", "[]-a]", "[\\]", "[b-a]", "[^.]"),
    ]
)
LINES = st.builds(
    lambda bang, parts: bang + "".join(parts),
    st.sampled_from(["", "", "!"]),
    st.lists(PARTS, min_size=1, max_size=5),
)
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3)
IGNORE = st.lists(LINES, max_size=5)


def git(root: Path, *arguments: str, data: bytes = b"") -> bytes:
    environment = {"HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1", "PATH": "/usr/bin:/bin"}
    command = [shutil.which("git"), "-C", str(root), *arguments]
    return subprocess.run(
        command, input=data, env=environment, check=False, capture_output=True
    ).stdout


@pytest.mark.skipif(shutil.which("git") is None, reason="git is the yardstick")
@examples(100, suppress_health_check=list(HealthCheck))
@example(paths=[["a", "b", "a"]], ignores=[([], ["a/a**/a", "/a**/a", "!a/b**"])])
@example(paths=[["a", "a"]], ignores=[([], ["*", "!*/", "!a"])])
@example(paths=[["a", "b"]], ignores=[([], ["a/**", "!a/b"]), (["a"], ["*"])])
@given(
    paths=st.lists(PATHS, min_size=1, max_size=12),
    ignores=st.lists(
        st.tuples(st.lists(st.sampled_from(NAMES[:3]), max_size=2), IGNORE), max_size=3
    ),
)
def test_same_files_as_git(paths, ignores):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        git(root, "init", "-q")
        shutil.rmtree(root / ".git" / "info", ignore_errors=True)
        for path in paths:
            _make(root.joinpath(*path))
        for place, lines in ignores:
            _make(root.joinpath(*place, ".gitignore"), "\n".join(lines))
        found = {e.name for e in walk(root, ignore_rules(root)).entries if not e.is_dir}
        found = {name for name in found if not name.startswith(".git/")}
        all_files = {
            str(p.relative_to(root))
            for p in root.rglob("*")
            if p.is_file() and ".git" not in p.relative_to(root).parts
        }
        asked = "\0".join(sorted(all_files)).encode()
        ignored = git(root, "check-ignore", "--no-index", "-z", "--stdin", data=asked)
        expected = all_files - set(ignored.decode().split("\0"))
        assert found == expected


def _make(path: Path, text: str = "") -> None:
    for parent in reversed(path.parents):
        if parent.is_file():
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_dir():
        path.write_text(text)
