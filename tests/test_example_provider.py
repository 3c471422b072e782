"""The provider that CONTRIBUTING.md tells people to copy: built, installed and used."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from arb.errors import CredentialsError
from arb.testing import FakeClock
from arb.types import (
    CheckStatus,
    InstanceRef,
    ListQuery,
    NodeSetup,
    Offer,
    ProviderContext,
    ProvisionRequest,
    Termination,
)

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
OWNER = "abcdefgh"
TOKEN = f"arb-{OWNER}-clusterx-000"
KEY = {"EXAMPLE_API_KEY": "not a secret"}
DROPPED_IN = """\
instance_name,vcpus,memory_gb,accelerator_name,accelerator_count,price,spot_price,region
acme-h100-sxm5-1,12,60,H100,1,3.90,1.66,global
acme-h100-sxm5-8,96,480,H100,8,31.20,13.28,global
acme-l40s-1,12,48,L40S,1,0.75,,global
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the example as pip installs it from its wheel."""
    folder = tmp_path_factory.mktemp("example")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation"]
    source = ROOT / "examples" / "arb-example"
    subprocess.run([*pip, "wheel", *offline, "-w", folder, source], check=True)
    (wheel,) = folder.glob("*.whl")
    target = folder / "site"
    subprocess.run([*pip, "install", *offline, "--target", target, wheel], check=True)
    return target


@pytest.fixture
def plugin(site: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(site)
    from arb_example import plugin

    return plugin


def context(tmp_path: Path, **env: str) -> ProviderContext:
    return ProviderContext(
        provider="example",
        owner=OWNER,
        options={},
        cache_dir=tmp_path,
        data_dir=tmp_path,
        env=env,
        home=tmp_path,
        clock=FakeClock(),
        limiter=None,
        deadline=1e9,
    )


def request(plugin: ModuleType, count: int = 2) -> ProvisionRequest:
    row = plugin.arb_catalog().frame.to_dict("records")[0]
    offer = Offer("example", row["offer_id"], row["region"], row["instance_type"], 0.20)
    setups = tuple(
        NodeSetup(f"{TOKEN}-{rank:04}", rank, "ssh-ed25519 AAAA") for rank in range(count)
    )
    return ProvisionRequest("mine", TOKEN, offer, count, setups)


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


def test_two_orders_under_one_token_make_one_machine(plugin: ModuleType, tmp_path: Path) -> None:
    account = context(tmp_path, **KEY)
    first = plugin.arb_provision(account, request(plugin))
    again = plugin.arb_provision(account, request(plugin))
    assert first == again
    assert [machine.token for machine in first.instances] == [f"{TOKEN}-0000", f"{TOKEN}-0001"]


def test_machines_are_listed_by_owner_and_token(plugin: ModuleType, tmp_path: Path) -> None:
    account = context(tmp_path, **KEY)
    made = plugin.arb_provision(account, request(plugin)).instances
    mine = plugin.arb_list_instances(account, ListQuery(owner=OWNER))
    one = plugin.arb_list_instances(account, ListQuery(tokens=frozenset({made[1].token})))
    others = plugin.arb_list_instances(account, ListQuery(owner="zzzzzzzz"))
    assert [set(mine.instances), one.instances, others.instances] == [set(made), (made[1],), ()]
    assert mine.covers("anywhere", "team-1")


def test_a_terminated_machine_is_no_longer_listed(plugin: ModuleType, tmp_path: Path) -> None:
    account = context(tmp_path, **KEY)
    (machine,) = plugin.arb_provision(account, request(plugin, count=1)).instances
    reference = InstanceRef("example", machine.id, machine.region, machine.token, account="team-1")
    answers = [plugin.arb_terminate(account, reference) for _ in range(2)]
    assert answers == [Termination.GONE, Termination.GONE]
    assert plugin.arb_list_instances(account, ListQuery(owner=OWNER)).instances == ()


def test_a_machine_of_another_account_is_not_called_gone(
    plugin: ModuleType, tmp_path: Path
) -> None:
    reference = InstanceRef("example", "x", "north", f"{TOKEN}-0000", account="team-2")
    with pytest.raises(CredentialsError, match="team-2"):
        plugin.arb_terminate(context(tmp_path, **KEY), reference)


def test_without_a_key_the_check_says_what_to_do(plugin: ModuleType, tmp_path: Path) -> None:
    result = plugin.arb_check(context(tmp_path))
    assert result.status is CheckStatus.NOT_CONFIGURED
    assert "EXAMPLE_API_KEY" in result.hint
