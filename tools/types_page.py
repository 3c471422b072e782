"""The page of what hooks take, return and raise, read from the sources of ``arb.types`` and ``arb.errors``."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

__all__ = ["types_page"]

Paragraphs = Callable[[str], Iterator[str]]


def types_page(paragraphs: Paragraphs) -> str:
    """Return the page.

    Args:
        paragraphs: Turns a docstring into Markdown blocks.
    """
    from arb import errors, types

    parts = ["# Types and errors", *paragraphs(inspect.getdoc(types) or "")]
    for module, names in types._MODULES.items():  # noqa: SLF001 - its modules, in their order
        home = importlib.import_module(f"arb.types.{module}")
        parts += [f"## {module.capitalize()}", *paragraphs(inspect.getdoc(home) or "")]
        parts += [part for name in names for part in _parts(getattr(types, name), name, paragraphs)]
    parts += ["## Errors", *paragraphs(inspect.getdoc(errors) or "")]
    for name in sorted(errors.__all__, key=lambda name: _line(getattr(errors, name))):
        parts += _parts(getattr(errors, name), name, paragraphs)
    return "\n\n".join(parts) + "\n"


def _line(value: Any) -> int:
    return inspect.getsourcelines(value)[1]


def _parts(value: Any, name: str, paragraphs: Paragraphs) -> Iterator[str]:
    """Yield heading, outline and documentation of one public name; a constant is its value."""
    yield f"### `{name}`"
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        yield f"```python\n{name} = {value!r}\n```"
        return
    node: Any = ast.parse(inspect.getsource(value)).body[0]
    told = ast.get_docstring(node) or ""
    members = "\n".join(_documented(node))
    yield f"```python\n{ast.unparse(_outline(node))}\n```"
    yield from paragraphs(told)
    if members:
        yield members


def _documented(node: Any) -> Iterator[str]:
    """Yield a list item for each member of an enumeration that has words of its own."""
    for member, words in pairwise(node.body):
        if isinstance(member, ast.Assign) and _is_text(words):
            text = " ".join(words.value.value.split()).replace("``", "`")
            yield f"* `{ast.unparse(member.targets[0])}`: {text}"


def _is_text(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str)


def _outline(node: Any) -> Any:
    """Return a class or function without what only its author needs to see."""
    node.decorator_list = [d for d in node.decorator_list if "dataclass" in ast.unparse(d)]
    node.body = node.body[1:] if ast.get_docstring(node) else node.body
    if isinstance(node, ast.FunctionDef):
        node.body = [ast.Expr(ast.Constant(...))]
    else:
        shown = [_member(m) for m in node.body if _is_public(m) and not _is_text(m)]
        node.body = shown or [ast.Expr(ast.Constant(...))]
    return node


def _member(member: Any) -> Any:
    if not isinstance(member, ast.FunctionDef):
        return member
    summary = (ast.get_docstring(member) or "").partition("\n")[0]
    member.body = [ast.Expr(ast.Constant(summary))] if summary else [ast.Expr(ast.Constant(...))]
    return member


def _is_public(member: Any) -> bool:
    name = getattr(member, "name", "")
    return not name.startswith("_") or name == "__init__"
