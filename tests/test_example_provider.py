"""The provider that CONTRIBUTING.md tells people to copy: built, installed and used."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.acme import installed, renamed

ROOT = Path(__file__).resolve().parent.parent
KEY = {"EXAMPLE_API_KEY": "team-1:not-a-secret"}
DROPPED_IN = """\
instance_name,vcpus,memory_gb,accelerator_name,accelerator_count,price,spot_price,region
acme-h100-sxm5-1,12,60,H100,1,3.90,1.66,global
acme-h100-sxm5-8,96,480,H100,8,31.20,13.28,global
acme-l40s-1,12,48,L40S,1,0.75,,global
"""
MARKET = """
provider_options:
  local:
    simulated:
      - {{instance_type: sim, accelerator: H100, accelerator_count: 8, price_usd_hour: {price}}}
"""
TASK = """
resources:
  accelerators: H100:8
  any_of:
    - infra: local
    - infra: example
run: "true"
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the example as pip installs it from its wheel."""
    folder = tmp_path_factory.mktemp("example")
    return installed(ROOT / "examples" / "arb-example", folder)


def arb(site: Path, home: Path, *arguments: str) -> str:
    env = {"PYTHONPATH": str(site), "HOME": str(home), "ARB_HOME": str(home / "arb"), **KEY}
    command = [sys.executable, "-c", "from arb.cli import main; main()", *arguments]
    return subprocess.run(
        command, env=env, stdout=subprocess.PIPE, text=True, check=True, timeout=60
    ).stdout


def test_arb_lists_the_installed_example(site: Path, tmp_path: Path) -> None:
    listed = json.loads(arb(site, tmp_path, "plugins", "--json"))
    (example,) = [plugin for plugin in listed if plugin["name"] == "example"]
    assert (example["distribution"], example["state"]) == ("arb-example", "ok")


def test_a_launch_is_planned_on_its_offers(site: Path, tmp_path: Path) -> None:
    plan = arb(site, tmp_path, "launch", "--infra", "example", "--dryrun", "--json", "hostname")
    assert json.loads(plan)["offers"][0]["instance_type"] == "small"


def test_its_price_list_is_listed_with_its_age(site: Path, tmp_path: Path) -> None:
    listed = json.loads(arb(site, tmp_path, "gpus", "H100:8", "--infra", "example", "--json"))
    offers = [(o["instance_type"], o["spot"], o["price_usd_hour"]) for o in listed["offers"]]
    assert offers == [("h100x8", True, 11.6), ("h100x8", False, 22.4)]
    (example,) = [row for row in listed["providers"] if row["provider"] == "example"]
    assert (example["source"], example["as_of"], example["offers"]) == ("bundled", 1778889600, 6)


def test_a_price_list_is_dropped_in_unchanged(site: Path, tmp_path: Path) -> None:
    own = tmp_path / "site"
    shutil.copytree(site, own)
    (own / "arb_example" / "data" / "catalog.csv").write_text(DROPPED_IN)
    listed = json.loads(arb(own, tmp_path, "gpus", "--infra", "example", "--json"))
    found = {each["accelerator"]: each for each in listed["accelerators"]}
    assert (found["H100"]["counts"], found["L40S"]["spot"]) == ([1, 8], None)
    assert found["H100"]["on_demand"]["usd_gpu_hour"] == 3.9
    assert found["H100"]["spot"]["usd_gpu_hour"] == 1.66


@pytest.mark.parametrize(("price", "winner"), [(30, "example"), (20, "local")])
def test_it_wins_a_launch_when_it_is_cheapest(
    site: Path, tmp_path: Path, price: int, winner: str
) -> None:
    (tmp_path / "arb").mkdir()
    (tmp_path / "arb" / "config.yaml").write_text(MARKET.format(price=price))
    (tmp_path / "task.yaml").write_text(TASK)
    task = str(tmp_path / "task.yaml")
    plan = json.loads(arb(site, tmp_path, "launch", "--dryrun", "--json", task))
    assert plan["offers"][0]["provider"] == winner


@pytest.mark.slow
def test_a_renamed_copy_passes_its_own_tests(tmp_path: Path) -> None:
    copy = renamed(tmp_path)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy / "src")},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=100,
    )
    assert ran.returncode == 0, ran.stdout
    assert "TestAcmeContract: " in ran.stdout
