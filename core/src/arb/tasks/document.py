"""YAML with positions: every value remembers the line and column that it was written at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from arb.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import yaml

__all__ = ["Document", "Path", "read_document"]

Path = tuple[str | int, ...]

_STR_TAG: Final = "tag:yaml.org,2002:str"
_PLAIN_TAGS: Final = frozenset({"tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"})


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document.

    Attributes:
        name: File name for messages.
        value: Plain Python values.
        marks: Path of keys -> (line, column), both from 1. A mapping's entry is marked at its key.
    """

    name: str
    value: Any
    marks: Mapping[Path, tuple[int, int]] = field(default_factory=dict)

    def where(self, path: Path) -> str:
        """Return ``file:line:column`` of a path, or of the closest parent that has one."""
        for length in range(len(path), -1, -1):
            if mark := self.marks.get(path[:length]):
                return f"{self.name}:{mark[0]}:{mark[1]}"
        return self.name


def read_document(text: str, name: str) -> Document:
    """Read one YAML document.

    Raises:
        UsageError: Not YAML, a key that stands twice in one mapping, a tag other than ``!!str``, or
            more than one document. No value is part of the message: it may be a secret.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return Document(name, {})
        reader = _Reader(name, loader)
        reader.collect(node, ())
        return Document(name, loader.construct_document(node), reader.marks)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise _not_yaml(where, error.problem or error.context or "") from error
    except yaml.YAMLError as error:
        raise _not_yaml(name, str(error)) from error
    except RecursionError as error:
        raise _not_yaml(name, "it is nested too deeply") from error
    finally:
        loader.dispose()


class _Reader:
    """Goes once over the nodes of a document, before any of them becomes a value."""

    def __init__(self, name: str, loader: Any) -> None:
        self.marks: dict[Path, tuple[int, int]] = {}
        self._name = name
        self._loader = loader
        self._seen: set[int] = set()

    def collect(self, node: yaml.Node, path: Path) -> None:
        """Note the positions below a node. An alias is followed once: its first place counts."""
        import yaml

        position = _position(node)
        self.marks.setdefault(path, position)
        if id(node) in self._seen:
            return
        self._seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            self._check_scalar(node)
        elif node.tag not in _PLAIN_TAGS:
            raise self._refused_tag(node)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.collect(item, (*path, index))
        elif isinstance(node, yaml.MappingNode):
            self._collect_entries(node, path)

    def _collect_entries(self, node: yaml.MappingNode, path: Path) -> None:
        keys = set()
        for key, value in node.value:
            inner = (*path, str(key.value))
            position = _position(key)
            if inner in keys:
                where = self._where(position)
                raise UsageError(f"{where}: {key.value!r} stands twice", code="task-duplicate-key")
            keys.add(inner)
            self.marks[inner] = position
            self.collect(key, inner)
            self.collect(value, inner)

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


def _position(node: yaml.Node) -> tuple[int, int]:
    return (node.start_mark.line + 1, node.start_mark.column + 1)


def _not_yaml(where: str, reason: str) -> UsageError:
    return UsageError(f"{where}: not valid YAML: {reason}", code="task-yaml")
