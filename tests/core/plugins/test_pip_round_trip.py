"""A real wheel, installed and removed by pip between commands."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import arb

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="pip is not installed"),
]

COMMAND = """
import json, os, sys
from pathlib import Path
from arb.plugins import PluginTable
table = PluginTable.load(Path(sys.argv[1]))
print(json.dumps([[e.name, e.version] for e in table.entries("arb.providers")]))
"""


def build_wheel(folder, version):
    """Write a wheel of one module, as a build tool would."""
    info = f"arb_tiny-{version}.dist-info"
    files = {
        "arb_tiny.py": "ARB_API = 1\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: arb-tiny\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[arb.providers]\ntiny = arb_tiny\n",
    }
    record = "".join(
        f"{name},sha256={digest(text)},{len(text.encode())}\n" for name, text in files.items()
    )
    wheel = folder / f"arb_tiny-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(name, text)
    return wheel


def digest(text):
    raw = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.fixture
def environment(tmp_path):
    """Make a virtual environment that sees this project and what it needs."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True
    )
    python = tmp_path / "venv" / "bin" / "python"
    (packages,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    needed = {str(Path(arb.__file__).parents[1])}
    for name in ("importlib_metadata", "pluggy", "zipp"):
        needed.add(str(Path(importlib.util.find_spec(name).origin).parents[1]))
    (packages / "needed.pth").write_text("\n".join(sorted(needed)) + "\n")
    return python


@pytest.fixture
def names(environment, tmp_path):
    """Return a function that lists providers in a new process, as a command does."""

    def listed():
        output = subprocess.check_output(
            [environment, "-c", COMMAND, str(tmp_path / "cache")], text=True, timeout=60
        )
        return [row for row in json.loads(output) if row[0] == "tiny"]

    return listed


@pytest.fixture
def pip(environment):
    """Return a function that runs pip for the environment, offline."""

    def run(*arguments):
        command = [sys.executable, "-m", "pip", "--python", str(environment), *arguments]
        env = dict(os.environ) | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INDEX": "1"}
        subprocess.run(command, env=env, check=True, capture_output=True, timeout=100)

    return run


def test_what_pip_installs_upgrades_and_removes_is_seen_by_the_next_command(tmp_path, names, pip):
    seen = [names()]
    pip("install", "--no-deps", str(build_wheel(tmp_path, "1.0")))
    seen.append(names())
    pip("install", "--no-deps", "--upgrade", str(build_wheel(tmp_path, "1.1")))
    seen.append(names())
    pip("uninstall", "--yes", "arb-tiny")
    seen.append(names())

    assert seen == [[], [["tiny", "1.0"]], [["tiny", "1.1"]], []]


def test_a_stored_table_gives_way_to_what_pip_does(tmp_path, names, pip):
    """The cache is warm before every step: folders are made to look settled."""
    (packages,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")

    def warm():
        os.utime(packages, (1_000_000_000, 1_000_000_000))
        return names()

    before = warm()
    stored = list((tmp_path / "cache").glob("plugins-*.json"))
    pip("install", "--no-deps", str(build_wheel(tmp_path, "1.0")))
    installed = names()
    warm()
    pip("uninstall", "--yes", "arb-tiny")

    assert (before, installed, names()) == ([], [["tiny", "1.0"]], [])
    assert stored, "the cache was never warm"
