"""YAML with positions: every value remembers the line and column that it was written at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from arb.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import yaml

__all__ = ["Document", "Path", "read_document"]

Path = tuple[str | int, ...]


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
        UsageError: Not YAML, a key that stands twice in one mapping, or more than one document.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return Document(name, {})
        marks: dict[Path, tuple[int, int]] = {}
        _collect(node, (), marks, name)
        return Document(name, loader.construct_document(node), marks)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        summary = f"{where}: not valid YAML: {error.problem or error.context}"
        raise UsageError(summary, code="task-yaml") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{name}: not valid YAML: {error}", code="task-yaml") from error
    finally:
        loader.dispose()


def _collect(node: yaml.Node, path: Path, marks: dict[Path, tuple[int, int]], name: str) -> None:
    import yaml

    marks.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _collect(item, (*path, index), marks, name)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            position = (key.start_mark.line + 1, key.start_mark.column + 1)
            if inner in marks:
                summary = f"{name}:{position[0]}:{position[1]}: {key.value!r} stands twice"
                raise UsageError(summary, code="task-duplicate-key")
            marks[inner] = position
            _collect(value, inner, marks, name)
