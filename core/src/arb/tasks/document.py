"""YAML with positions: every value remembers the line and column that it was written at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from arb.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import yaml

__all__ = ["Document", "Path", "read_documents"]

Path = tuple[str | int, ...]

_STR_TAG: Final = "tag:yaml.org,2002:str"
_MERGE_TAG: Final = "tag:yaml.org,2002:merge"
_MOST_VALUES: Final = 100_000
_ENDLESS: Final = _MOST_VALUES + 1
_DEEPEST: Final = 100
"""Far above any task, and far below what the parser and whoever goes over values can take."""
_TOO_DEEP: Final = "it is nested too deeply"
_PLAIN_TAGS: Final = frozenset({"tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"})


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document.

    Attributes:
        name: File name for messages.
        value: Plain Python values.
        marks: Path of keys -> (line, column), both from 1. A mapping's entry is marked at its key.
        options: Path of keys -> the option of the command line that said what stands there.
    """

    name: str
    value: Any
    marks: Mapping[Path, tuple[int, int]] = field(default_factory=dict)
    options: Mapping[Path, str] = field(default_factory=dict)

    def where(self, path: Path) -> str:
        """Return ``file:line:column`` of a path, or of the closest parent that has one.

        What an option of the command line said is there.
        """
        for length in range(len(path), -1, -1):
            if option := self.options.get(path[:length]):
                return option
            if mark := self.marks.get(path[:length]):
                return f"{self.name}:{mark[0]}:{mark[1]}"
        return self.name

    def mark(self, path: Path) -> tuple[int, int]:
        """Return line and column of a path or of the closest parent; (0, 0) without any."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.options:
                break
            if mark := self.marks.get(path[:length]):
                return mark
        return (0, 0)


def read_documents(text: str, name: str) -> list[Document]:
    """Read all documents of a file; those that hold nothing are left out.

    Raises:
        UsageError: Not YAML, a key that stands twice in one mapping, or a tag other than ``!!str``.
            No value is part of the message: it may be a secret.
    """
    import yaml

    parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = text.removeprefix("\ufeff")
    try:
        loader = parser(text)
    except (UnicodeError, yaml.YAMLError) as error:
        raise _not_yaml(name, "it holds characters that are none") from error
    found = []
    try:
        _check_extent(yaml.parse(text, parser), name)
        while loader.check_node():
            node = loader.get_node()
            reader = _Reader(name, loader)
            reader.collect(node, ())
            value = loader.construct_document(node)
            if value is not None:
                found.append(Document(name, value, reader.marks))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise _not_yaml(where, _problem(text, error)) from error
    except yaml.YAMLError as error:
        raise _not_yaml(name, " ".join(str(error).split())) from error
    finally:
        loader.dispose()
    return found


def _check_extent(events: Iterable[Any], name: str) -> None:
    """Refuse what no task holds while it is a stream: a deep tree ends libyaml with the process."""
    depth = values = 0
    for event in events:
        kind = type(event).__name__
        values = 0 if kind == "DocumentStartEvent" else values + (not kind.endswith("EndEvent"))
        depth += kind.endswith("StartEvent") - kind.endswith("EndEvent")
        if depth > _DEEPEST:
            raise _too_deep(f"{name}:{event.start_mark.line + 1}:{event.start_mark.column + 1}")
        if values > _MOST_VALUES:
            raise _not_yaml(name, f"it holds more than {_MOST_VALUES:,} values")


class _Reader:
    """Goes once over the nodes of a document, before any of them becomes a value."""

    def __init__(self, name: str, loader: Any) -> None:
        self.marks: dict[Path, tuple[int, int]] = {}
        self._name = name
        self._loader = loader
        self._sizes: dict[int, int] = {}
        self._heights: dict[int, int] = {}

    def collect(self, node: yaml.Node, path: Path) -> int:
        """Note the positions below a node; return how many values it is when aliases are followed.

        An alias is gone into once: its first place counts.
        """
        self.marks.setdefault(path, _position(node))
        if id(node) not in self._sizes:
            self._sizes[id(node)] = _ENDLESS  # an alias of what it stands in meets this
            self._sizes[id(node)] = self._inside(node, path)
            self._heights[id(node)] = 1 + max(map(self._height, _children(node)), default=0)
        if self._sizes[id(node)] > _MOST_VALUES:
            where = self._where(_position(node))
            raise _not_yaml(where, "its aliases make it endless, or too large")
        if len(path) + self._height(node) > _DEEPEST:
            raise _too_deep(self._where(_position(node)))
        return self._sizes[id(node)]

    def _height(self, node: yaml.Node) -> int:
        return self._heights.get(id(node), 0)

    def _inside(self, node: yaml.Node, path: Path) -> int:
        import yaml

        if isinstance(node, yaml.ScalarNode):
            self._check_scalar(node)
            return 1
        if node.tag not in _PLAIN_TAGS:
            raise self._refused_tag(node)
        if isinstance(node, yaml.SequenceNode):
            items = enumerate(node.value)
            return 1 + sum(self.collect(item, (*path, index)) for index, item in items)
        return self._collect_entries(node, path)

    def _collect_entries(self, node: Any, path: Path) -> int:
        import yaml

        keys = set()
        size = 1
        # What a merge brings comes first, so that the entry's own keys have the last word.
        for key, value in sorted(node.value, key=lambda entry: entry[0].tag != _MERGE_TAG):
            position = _position(key)
            if not isinstance(key, yaml.ScalarNode):
                raise _not_yaml(self._where(position), "a key must be a text")
            inner = (*path, str(key.value))
            if inner in keys:
                # Where a secret's name should be its value may stand.
                shown = "a name" if path and path[0] == "secrets" else repr(key.value)
                told = f"{self._where(position)}: {shown} stands twice"
                raise UsageError(told, code="task-duplicate-key")
            keys.add(inner)
            self.marks[inner] = position
            if key.tag == _MERGE_TAG:
                size += self.collect(value, path)
            else:
                size += self.collect(key, inner) + self.collect(value, inner)
        return size

    def _check_scalar(self, node: yaml.ScalarNode) -> None:
        """Refuse tags, and what looks like a number or a date and is none."""
        plain = not node.style
        expected = self._loader.resolve(type(node), node.value, (plain, not plain))
        if node.tag not in {expected, _STR_TAG}:
            raise self._refused_tag(node)
        try:
            self._loader.construct_object(node)
        except (ValueError, ArithmeticError) as error:
            kind = node.tag.rpartition(":")[2]
            told = f"this reads as a {kind}, and is none; quote it"
            raise _not_yaml(self._where(_position(node)), told) from error

    def _refused_tag(self, node: yaml.Node) -> UsageError:
        return _not_yaml(self._where(_position(node)), "tags such as !!int cannot be used")

    def _where(self, position: tuple[int, int]) -> str:
        return f"{self._name}:{position[0]}:{position[1]}"


def _children(node: yaml.Node) -> list[yaml.Node]:
    """Return what stands in a node, without the keys of a map: those are texts."""
    import yaml

    if isinstance(node, yaml.MappingNode):
        return [value for _, value in node.value]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _position(node: yaml.Node) -> tuple[int, int]:
    return (node.start_mark.line + 1, node.start_mark.column + 1)


def _problem(text: str, error: yaml.MarkedYAMLError) -> str:
    """Return what is wrong; the parser does not say that it met a tab."""
    mark = error.problem_mark
    if mark and "any token" in (error.problem or ""):
        line = text.split("\n")[mark.line]
        if line[mark.column : mark.column + 1] == "\t":
            return "a tab cannot indent: write blanks"
    if "nesting depth" in (error.problem or ""):  # newer parsers have a limit of their own
        return _TOO_DEEP
    return error.problem or error.context or ""


def _too_deep(where: str) -> UsageError:
    return _not_yaml(where, _TOO_DEEP)


def _not_yaml(where: str, reason: str) -> UsageError:
    return UsageError(f"{where}: not valid YAML: {reason}", code="task-yaml")
