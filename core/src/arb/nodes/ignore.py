"""Which files of a folder stay at home: ``.skyignore``, ``.arbignore`` or else ``.gitignore``.

Patterns mean what they mean to git, byte for byte; a test compares the two on random trees. A
library answers for whole paths of files only, which neither nested ignore files nor leaving out a
folder without reading it can be built on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["IgnoreRules", "Patterns", "ignore_rules"]

OWN_FILES: Final = (".skyignore", ".arbignore")
GIT_FILES: Final = (".gitignore",)
GIT_EXCLUDE: Final = ".git/info/exclude"

SPECIAL: Final = re.compile(rb"[*?\[\\]")
CLASSES: Final = {
    b"alnum": rb"0-9A-Za-z",
    b"alpha": rb"A-Za-z",
    b"blank": rb" \t",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"digit": rb"0-9",
    b"graph": rb"!-~",
    b"lower": rb"a-z",
    b"print": rb" -~",
    b"punct": rb"!-/:-@\[-`{-~",
    b"space": rb" \t\n\v\f\r",
    b"upper": rb"A-Z",
    b"xdigit": rb"0-9A-Fa-f",
}


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """Which ignore files count in a tree.

    Attributes:
        names: Looked for in every folder; a later one is stronger, and so is a deeper folder.
        base: Weaker than all of them, relative to the root.
    """

    names: tuple[str, ...] = ()
    base: Patterns | None = None


def ignore_rules(root: Path) -> IgnoreRules:
    """Choose the ignore files of a tree, as SkyPilot does.

    With ``.skyignore`` or ``.arbignore`` in the root these two count, in every folder, and
    ``.gitignore`` does not. Else ``.gitignore`` counts in every folder, and ``.git/info/exclude``.
    The ``.git`` folder itself is uploaded unless a pattern names it. Ignore files above the root
    and the user's global one do not count.

    Args:
        root: The folder to be uploaded.
    """
    if any((root / name).is_file() for name in OWN_FILES):
        return IgnoreRules(OWN_FILES)
    exclude = root / GIT_EXCLUDE
    base = Patterns.parse(exclude.read_bytes()) if exclude.is_file() else None
    return IgnoreRules(GIT_FILES, base)


@dataclass(frozen=True, slots=True)
class _Pattern:
    regex: re.Pattern[bytes]
    ignore: bool
    folders_only: bool


class Patterns:
    """The patterns of one ignore file, for paths relative to its folder."""

    def __init__(self, patterns: Iterable[_Pattern]) -> None:
        """Take the patterns in the file's order: the strongest is the last."""
        self._strongest_first = tuple(patterns)[::-1]
        regexes = (pattern.regex.pattern for pattern in self._strongest_first)
        self._any = re.compile(b"|".join(regexes), re.DOTALL)

    @classmethod
    def parse(cls, text: bytes) -> Patterns | None:
        """Read an ignore file; None when it holds no pattern.

        Args:
            text: Its content.
        """
        lines = text.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        patterns = [p for line in lines if (p := _pattern(line)) is not None]
        return cls(patterns) if patterns else None

    def ignores(self, path: bytes, *, is_dir: bool) -> bool | None:
        """Say whether the strongest matching pattern ignores a path; None when none matches.

        Args:
            path: Relative to the ignore file's folder. No folder on the way to it is ignored.
            is_dir: True for a folder; a link to one is none.
        """
        if not self._any.fullmatch(path):
            return None
        for pattern in self._strongest_first:
            if (is_dir or not pattern.folders_only) and pattern.regex.fullmatch(path):
                return pattern.ignore
        return None


def _pattern(line: bytes) -> _Pattern | None:
    line = _trimmed(line.removesuffix(b"\r"))
    if not line or line.startswith(b"#"):
        return None
    ignore = not line.startswith(b"!")
    glob = line if ignore else line[1:]
    folders_only = glob.endswith(b"/")
    glob = glob.removesuffix(b"/")
    anchored = b"/" in glob
    body = _regex(glob.removeprefix(b"/"), crossing=anchored)
    if not body:
        return None
    start = b"" if anchored else b"(?:.*/)?"
    regex = re.compile(b"(?:" + start + body + b")", re.DOTALL)
    return _Pattern(regex, ignore=ignore, folders_only=folders_only)


def _trimmed(line: bytes) -> bytes:
    """Cut spaces off the end, but for one that a backslash keeps."""
    bare = line.rstrip(b" ")
    backslashes = len(bare) - len(bare.rstrip(b"\\"))
    return line[: len(bare) + 1] if backslashes % 2 else bare


def _regex(glob: bytes, *, crossing: bool) -> bytes | None:
    """Translate a glob; None when git would never match it. ``crossing``: ``**`` crosses folders."""
    parts: list[bytes] = []
    at = 0
    while at < len(glob):
        char = glob[at : at + 1]
        if char == b"*":
            part, at = _stars(glob, at, crossing=crossing)
        elif char == b"?":
            part, at = b"[^/]", at + 1
        elif char == b"[":
            found = _bracket(glob, at + 1)
            if found is None:
                return None
            part, at = found
        else:
            at += char == b"\\"
            if at == len(glob):
                return None
            part, at = re.escape(glob[at : at + 1]), at + 1
        parts.append(part)
    return b"".join(parts)


def _stars(glob: bytes, at: int, *, crossing: bool) -> tuple[bytes, int]:
    """Translate a run of stars: two or more between slashes cross folders.

    Plain text before them stands for a slash: git has compared it already, and sees stars at the
    beginning.
    """
    end = at
    while glob[end : end + 1] == b"*":
        end += 1
    starts = glob[at - 1 : at] == b"/" or not SPECIAL.search(glob, 0, at)
    if end - at == 1 or not (starts and crossing):
        return b"[^/]*", end
    if end == len(glob):
        return b".*", end
    if glob[end : end + 1] == b"/":
        return b"(?:.*/)?", end + 1
    return (b".*" if glob[end : end + 2] == b"\\/" else b"[^/]*"), end


def _bracket(glob: bytes, at: int) -> tuple[bytes, int] | None:
    """Translate ``[...]`` from behind the bracket; None when it is not closed."""
    negated = glob[at : at + 1] in {b"!", b"^"}
    at += negated
    items: list[bytes] = []
    previous = b""
    first = True
    while first or glob[at : at + 1] != b"]":
        first = False
        char = glob[at : at + 1]
        if char == b"[" and glob[at + 1 : at + 2] == b":":
            named = _named_class(glob, at)
            if named is None:
                return None
            item, at = named
            previous = b"" if item else b"["
            items.append(item or rb"\[")
            continue
        if char == b"-" and previous and glob[at + 1 : at + 2] not in {b"", b"]"}:
            last, at = _literal(glob, at + 1)
            if previous <= last:
                items.append(_code(previous) + b"-" + _code(last))
            previous = b""
        else:
            previous, at = _literal(glob, at)
            items.append(_code(previous))
        if at > len(glob):
            return None
    body = b"".join(items)
    if negated:
        return b"[^/" + body + b"]", at + 1
    return (b"(?!/)[" + body + b"]" if body else b"(?!)"), at + 1


def _named_class(glob: bytes, at: int) -> tuple[bytes, int] | None:
    """Translate ``[:name:]``; an empty item stands for a plain bracket."""
    end = glob.find(b"]", at + 2)
    if end < 0:
        return None
    if end - at < 3 or glob[end - 1 : end] != b":":  # noqa: PLR2004 - "[:" and ":"
        return b"", at + 1
    chars = CLASSES.get(glob[at + 2 : end - 1])
    return None if chars is None else (chars, end + 1)


def _literal(glob: bytes, at: int) -> tuple[bytes, int]:
    """Return a byte, perhaps behind a backslash, and the place behind it (past the end: none)."""
    at += glob[at : at + 1] == b"\\"
    return glob[at : at + 1], at + 1


def _code(byte: bytes) -> bytes:
    return b"\\x%02x" % byte[0] if byte else b""
