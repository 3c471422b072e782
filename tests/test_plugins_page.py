"""What the pages for plugin authors tell to type: it is typed here, and works."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.acme import installed

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(?:toml|python)\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KEY = "team-1:not-a-secret"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package of the page is installed, beside the example provider."""
    source = tmp_path_factory.mktemp("house")
    for name, text in BLOCK.findall((ROOT / "docs" / "plugins.md").read_text()):
        file = source / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (source / "src" / "arb_house" / "__init__.py").write_text("")
    site = installed(source, tmp_path_factory.mktemp("house-wheel"))
    example = installed(ROOT / "examples" / "arb-example", tmp_path_factory.mktemp("example"))
    shutil.copytree(example, site, dirs_exist_ok=True)
    return site


def arb(site: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {"PYTHONPATH": str(site), "HOME": str(home), "ARB_HOME": str(home / "arb")}
    command = [sys.executable, "-c", "from arb.cli import main; main()", *arguments]
    return subprocess.run(
        command,
        env=env | {"EXAMPLE_API_KEY": KEY},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_plugin_of_the_page_is_in_order(site: Path, tmp_path: Path) -> None:
    done = arb(site, tmp_path, "plugins", "--json")
    (rules,) = [row for row in json.loads(done.stdout) if row["group"] == "arb.plugins"]
    assert (rules["name"], rules["state"]) == ("house", "ok")
    assert rules["hooks"] == [
        "arb_adjust_offers",
        "arb_event",
        "arb_provision",
        "arb_validate_task",
    ]


def test_the_discount_of_the_page_ranks(site: Path, tmp_path: Path) -> None:
    done = arb(site, tmp_path, "plan", "--infra", "example", "--gpus", "H100:8", "true")
    assert re.search(r"h100x8 .* 22\.40 +17\.92\n", done.stdout), done.stdout + done.stderr


def test_the_policy_of_the_page_refuses(site: Path, tmp_path: Path) -> None:
    words = ["launch", "--infra", "example", "--num-nodes", "9", "-y", "true"]
    done = arb(site, tmp_path, *words)
    assert done.returncode != 0
    assert done.stderr.endswith("error: 9 nodes are too many\n  ask for at most 8 nodes\n")


def test_the_command_of_the_page_prints(site: Path, tmp_path: Path) -> None:
    done = arb(site, tmp_path, "house", "--json")
    assert json.loads(done.stdout)["discounts"]["example"] == 0.2
    assert arb(site, tmp_path, "house").stdout.startswith("provider  discount\n")


def test_the_first_step_of_contributing_copies_the_example(tmp_path: Path) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    step = text[text.index("1. **Copy it**") : text.index("2. **Say what it is**")]
    typed = re.findall(r"^ {7}((?:cp|mv|sed) .*)$", step, re.MULTILINE)
    shutil.copytree(ROOT / "examples", tmp_path / "arb" / "examples")

    subprocess.run(["sh", "-ec", "\n".join(typed)], cwd=tmp_path / "arb", check=True)

    copy = tmp_path / "arb-acme"
    assert 'acme = "arb_acme.plugin"' in (copy / "pyproject.toml").read_text()
    sources = [copy / "pyproject.toml", *copy.rglob("*.py")]
    assert not [file for file in sources if "example" in file.read_text().lower()]
    assert (copy / "LICENSE").read_text() == (ROOT / "examples/arb-example/LICENSE").read_text()
