"""The core names no provider, and every module keeps the rules of the house."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "core" / "src" / "arb"
PROVIDER = re.compile(r"(?i)(?<![a-z])(aws|gcp|lambda|spheron|arb[-_]local)(?![a-z])")
LONGEST_MODULE = 400
MAPPED = ["catalog", "clusters", "nodes", "optimizer", "provision", "state", "tasks"]
IMPORT_NAMES = {"pyyaml": "yaml", "arb_core": "arb", "google_auth": "google"}


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


def test_declared_dependencies_are_what_is_imported() -> None:
    for manifest in sorted(ROOT.glob("*/pyproject.toml")) + sorted(
        ROOT.glob("plugins/*/pyproject.toml")
    ):
        project = tomllib.loads(manifest.read_text())["project"]
        extras = project.get("optional-dependencies", {}).values()
        lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
        names = {re.match(r"[A-Za-z0-9-]+", line)[0].replace("-", "_") for line in lines}
        declared = {IMPORT_NAMES.get(name, name) for name in names}
        assert declared == outside_imports(manifest.parent / "src"), manifest


def outside_imports(source: Path) -> set[str]:
    """Return top-level packages that are neither the standard library's nor the source's own."""
    found = set()
    for path in source.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module)
    own = {path.name for path in source.iterdir()}
    return {name.partition(".")[0] for name in found} - set(sys.stdlib_module_names) - own


@pytest.mark.parametrize("package", MAPPED)
def test_a_large_package_says_what_each_of_its_modules_is_for(package: str) -> None:
    folder = CORE / package
    tree = ast.parse((folder / "__init__.py").read_text())
    told = set(re.findall(r"``(\w+)``", ast.get_docstring(tree) or ""))
    inside = [p for p in folder.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()]
    assert {path.stem for path in inside} - {"__init__"} - told == set()


def test_every_plugin_package_is_held_to_the_import_contracts() -> None:
    packages = {path.parent.name for path in ROOT.glob("plugins/*/src/*/py.typed")}
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    contracts = {contract["name"]: contract for contract in rules["contracts"]}
    held = {
        "root_packages": set(rules["root_packages"]) - {"arb"},
        "core": set(contracts["The core imports no plugin package"]["forbidden_modules"]),
        "each other": set(contracts["No plugin package imports another"]["modules"]),
    }
    assert held == dict.fromkeys(held, packages)
