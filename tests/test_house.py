"""The core names no provider, and every module keeps the rules of the house."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "core" / "src" / "arb"
PROVIDER = re.compile(r"(?i)(?<![a-z])(aws|gcp|lambda|spheron|arb[-_]local)(?![a-z])")
# The zipapp of a node has a package of its own with the rules of that: no import is shared.
LONGEST_MODULE = 400


def modules() -> list[Path]:
    return sorted(CORE.rglob("*.py"))


def names_in_code(path: Path) -> list[str]:
    """Return the code's string literals that name a provider.

    Docstrings and comments may give a provider as an example, as style.md does: they decide
    nothing. Everything that the program can compare, print or look up is a literal or a name.
    """
    tree = ast.parse(path.read_text())
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    } | {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    return [
        f"{node.lineno}: {node.value!r}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in documentation
        and PROVIDER.search(node.value)
    ]


def identifiers(path: Path) -> list[str]:
    """Return names in the code that are made of a provider's; the keyword ``lambda`` is none."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    named = [t for t in tokens if t.type == tokenize.NAME and t.string != "lambda"]
    words = [(t, re.split(r"_|(?<=[a-z])(?=[A-Z])", t.string)) for t in named]
    return [
        f"{t.start[0]}: {t.string}" for t, parts in words if any(map(PROVIDER.fullmatch, parts))
    ]


def test_the_core_names_no_provider_in_its_literals() -> None:
    found = {str(p.relative_to(CORE)): names for p in modules() if (names := names_in_code(p))}
    assert found == {}


def test_the_core_names_no_provider_in_its_identifiers() -> None:
    found = {str(p.relative_to(CORE)): names for p in modules() if (names := identifiers(p))}
    assert found == {}


def test_the_core_depends_on_no_provider_package() -> None:
    manifest = (ROOT / "core" / "pyproject.toml").read_text()
    assert not re.search(r"arb[-_](local|aws|gcp|lambda|spheron|ssh)", manifest)


@pytest.mark.parametrize(
    ("text", "caught"),
    [
        ('if name == "aws": pass', True),
        ('x = f"{y} on Lambda"', True),
        ("key = lambda row: row.price", False),
        ('"""For instance ``aws``."""', False),
        ('laws = "laws"', False),
    ],
    ids=["literal", "f-string", "keyword", "docstring", "part of a word"],
)
def test_the_search_finds_names_and_only_names(tmp_path: Path, text: str, caught: bool) -> None:
    module = tmp_path / "module.py"
    module.write_text(text)
    assert bool(names_in_code(module)) is caught


def test_no_module_is_longer_than_one_screenful_of_thought() -> None:
    sources = [*modules(), *ROOT.glob("plugins/*/src/**/*.py")]
    long = {p.name: n for p in sources if (n := p.read_text().count("\n")) > LONGEST_MODULE}
    assert long == {}


def test_every_distribution_has_what_a_distribution_needs() -> None:
    projects = [
        p.parent
        for p in [*ROOT.glob("core/pyproject.toml"), *ROOT.glob("plugins/*/pyproject.toml")]
    ]
    wanted = ("README.md", "LICENSE", "CHANGELOG.md", "src/*/py.typed", "src/*/__init__.py")
    missing = [f"{p.name}/{name}" for p in projects for name in wanted if not [*p.glob(name)]]
    assert missing == []
