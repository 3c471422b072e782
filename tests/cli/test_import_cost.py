"""What a command may import: nothing heavy where nothing heavy is needed."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from arb.cli.commands import COMMANDS

if TYPE_CHECKING:
    from pathlib import Path

# pydantic is not among them: typer itself imports it.
HEAVY = {
    "asyncssh", "boto3", "cryptography", "google", "numpy", "pandas", "paramiko", "psycopg",
    "requests", "sqlalchemy", "yaml",
}  # fmt: skip
PLUGINS = {"arb_local"}
LIGHT_COMMANDS = [
    ["--help"],
    ["--version"],
    ["status"],
    ["status", "--json"],
    ["cost"],
    *([name, "--help"] for name in COMMANDS),
]


def imported_by(arguments: list[str], home: Path) -> set[str]:
    code = (
        "import sys\nfrom arb.cli.app import run\n"
        f"code = run({arguments!r})\n"
        "print('\\nmodules:', *sys.modules)\nsys.exit(code)"
    )
    env = {"HOME": str(home), "ARB_HOME": str(home / "arb"), "PATH": "/usr/bin:/bin"}
    output = subprocess.check_output([sys.executable, "-c", code], text=True, env=env)
    names = output.rpartition("modules:")[2].split()
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("arguments", LIGHT_COMMANDS, ids=" ".join)
def test_command_imports_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    assert (HEAVY | PLUGINS) & imported_by(arguments, tmp_path) == set()


@pytest.mark.parametrize(
    "module", ["arb", "arb.types", "arb.errors", "arb.hookspecs", "arb.cli", "arb_local.plugin"]
)
def test_module_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    output = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert HEAVY & {name.partition(".")[0] for name in output.split()} == set()


def test_the_provider_contract_costs_pluggy_and_nothing_else_of_others() -> None:
    code = "import sys; before = set(sys.modules); import arb.hookspecs, arb.types, arb.errors; "
    code += "print(*(set(sys.modules) - before))"
    output = subprocess.check_output([sys.executable, "-c", code], text=True)
    outsiders = {name.partition(".")[0] for name in output.split()} - set(sys.stdlib_module_names)
    assert {name for name in outsiders if not name.startswith("_")} == {"arb", "pluggy"}
