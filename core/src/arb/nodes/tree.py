"""Reads a folder: every file that is not ignored, with what is needed to send it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from arb.nodes.ignore import IgnoreRules, Patterns

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Entry", "Tree", "read_file_entry", "walk"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder or symbolic link.

    Attributes:
        name: Relative to the root, without a slash at the end; bytes that are no UTF-8 are kept as
            ``os.fsdecode`` does.
        path: Where it is here.
        mode: Type and permissions as in ``stat``.
        size: Bytes of a file, else 0.
        mtime: Seconds since the epoch.
        target: What a symbolic link says, else empty.
    """

    name: str
    path: str
    mode: int
    size: int = 0
    mtime: float = 0
    target: str = ""

    @property
    def is_dir(self) -> bool:
        """True for a folder."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        """True for a symbolic link."""
        return stat.S_ISLNK(self.mode)


@dataclass(slots=True)
class Tree:
    """What ``walk`` found.

    Attributes:
        entries: Folders come after what is in them, so that a read-only one can be filled.
        unreadable: Names that could not be read.
        special: Names of sockets, pipes and devices, which are left out.
    """

    entries: list[Entry] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    special: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries)


def walk(root: str | Path, rules: IgnoreRules) -> Tree:
    """Read a folder; ignored folders are not entered, symbolic links not followed.

    Args:
        root: The folder, itself not among the entries. It may be a link to one.
        rules: Which ignore files count.
    """
    tree = Tree()
    weakest = [("", rules.base)] if rules.base else []
    _walk(str(root), "", rules, weakest, tree)
    return tree


def read_file_entry(path: str | Path, name: str) -> Entry:
    """Return the entry of one file, links followed, under another name.

    Raises:
        OSError: It cannot be read.
    """
    info = Path(path).stat()
    return Entry(name, str(path), info.st_mode, info.st_size, info.st_mtime)


def _walk(
    path: str,
    prefix: str,
    rules: IgnoreRules,
    stack: list[tuple[str, Patterns]],
    tree: Tree,
) -> None:
    stack = [*stack, *_ignore_files(path, prefix, rules, tree)]
    try:
        with os.scandir(path) as found:
            items = sorted(found, key=lambda item: item.name)
    except OSError as error:
        if not (prefix and isinstance(error, FileNotFoundError)):  # removed since it was listed
            tree.unreadable.append(prefix or ".")
        return
    for item in items:
        name = prefix + item.name
        is_dir = item.is_dir(follow_symlinks=False)
        if _is_ignored(name, stack, is_dir=is_dir):
            continue
        if is_dir:
            _walk(item.path, name + "/", rules, stack, tree)
        _note(item, name, tree)


def _ignore_files(
    path: str, prefix: str, rules: IgnoreRules, tree: Tree
) -> Iterator[tuple[str, Patterns]]:
    for name in rules.names:
        file = Path(path, name)
        try:
            # git does not follow links here, and a folder of that name is just a folder.
            if not stat.S_ISREG(file.lstat().st_mode):
                continue
            patterns = Patterns.parse(file.read_bytes())
        except FileNotFoundError:
            continue
        except OSError:
            tree.unreadable.append(prefix + name)
            continue
        if patterns is not None:
            yield prefix, patterns


def _is_ignored(name: str, stack: list[tuple[str, Patterns]], *, is_dir: bool) -> bool:
    for prefix, patterns in reversed(stack):
        verdict = patterns.ignores(os.fsencode(name[len(prefix) :]), is_dir=is_dir)
        if verdict is not None:
            return verdict
    return False


def _note(item: os.DirEntry[str], name: str, tree: Tree) -> None:
    try:
        info = item.stat(follow_symlinks=False)
        is_link = stat.S_ISLNK(info.st_mode)
        target = os.readlink(item.path) if is_link else ""  # noqa: PTH115 - Path tidies it
    except FileNotFoundError:
        return  # removed since it was listed
    except OSError:
        tree.unreadable.append(name)
        return
    kind = stat.S_IFMT(info.st_mode)
    if kind not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        tree.special.append(name)
        return
    size = info.st_size if kind == stat.S_IFREG else 0
    tree.entries.append(Entry(name, item.path, info.st_mode, size, info.st_mtime, target))
