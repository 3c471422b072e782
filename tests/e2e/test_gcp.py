"""Launches of the installed command on the simulated Google, whose machines are real SSH nodes.

Time is the cloud's: where ``arb`` would sleep it passes at once, for both.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from clouds.command import CloudArb
from clouds.fixtures import gcp as cloud  # noqa: F401 - a fixture, used by name
from clouds.ledger import claims
from support.command import eventually

from arb.state.store import open_store

A100 = ("--infra", "gcp", "--gpus", "A100:1")
SAY = "nvidia=1; echo ran here"
INSERT = "compute.instances.insert"


@pytest.fixture
def arb(cloud):  # noqa: F811 - the fixture above
    """A home with a key; at the end everything is given back, and the cloud must agree."""
    cloud.configure(operation_s=0.1, boot_delay_s=0.1, end_delay_s=0.1)
    root = Path(tempfile.mkdtemp(prefix="arb-e2e-"))
    where = {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}": f"{cloud.url}{path}" for api, path in APIS}
    command = CloudArb(root, cloud.clock.path, "gcp", **where, NO_GCE_CHECK="true")
    command.env["GOOGLE_APPLICATION_CREDENTIALS"] = cloud.write_key(str(root / "key.json"))
    command.home.mkdir()
    options = f"{{ssh_port: {cloud.nodes.port}, endpoints: {{metadata: {cloud.url}}}}}"
    (command.home / "config.yaml").write_text(f"provider_options: {{gcp: {options}}}\n")
    yield command
    command.close()
    command("down", "--all", "--yes")
    assert cloud.ledger().alive() == []
    assert cloud.ledger().harmed() == []
    shutil.rmtree(root)


APIS = (
    ("COMPUTE", "/compute/v1/"),
    ("CLOUDBILLING", "/"),
    ("CLOUDRESOURCEMANAGER", "/"),
)


def launch(arb, name, *wish, job=SAY, code=0):
    return arb("launch", "-y", "-c", name, *wish, job, code=code)


def inserts(cloud):  # noqa: F811 - not the fixture
    """Return the zones in which machines were ordered."""
    calls = [call for call in cloud.ledger().calls if call.operation == INSERT]
    return [call.path.partition("/zones/")[2].partition("/")[0] for call in calls]


@pytest.mark.slow
def test_no_stock_in_one_zone_falls_through_to_another(arb, cloud):  # noqa: F811
    cloud.add_foreign("web-1")
    cloud.add_foreign("web", "firewall")
    cloud.set_capacity("a2-highgpu-1g@us-central1/us-central1-a", 0)
    done = launch(arb, "x", *A100)
    assert "currently unavailable in the us-central1-a zone" in done.stderr
    assert "trusted from now on" not in done.stderr  # its host key was known
    assert inserts(cloud) == ["us-central1-a", "us-central1-b"]
    (view,) = arb.json("status")
    assert view["offer"]["zone"] == "us-central1-b"
    assert "here" in arb("exec", "x", "echo here").stdout
    arb("down", "-y", "x")
    assert cloud.ledger().alive() == []
    minute = cloud.ledger().of("machine")[0].price_usd_hour / 60  # the least that Google bills
    assert arb.json("cost")["usd"] == pytest.approx(minute, rel=0.05)


@pytest.mark.slow
def test_quotas_block_what_they_count_and_nothing_else(arb, cloud):  # noqa: F811
    cloud.set_quota("NVIDIA_A100_GPUS@us-central1", 0)
    told = launch(arb, "x", *A100).stderr
    assert "Quota 'NVIDIA_A100_GPUS' exceeded" in told
    assert inserts(cloud) == ["us-central1-a", "europe-west4-a"]
    cloud.set_quota("GPUS_ALL_REGIONS", 1)
    task = arb.write(
        "t.yaml", "resources: {infra: gcp, accelerators: {V100: 1, L4: 1}}\nrun: echo no\n"
    )
    refused = arb("launch", "-y", "-c", "y", task, code=3)
    assert "Quota 'GPUS_ALL_REGIONS' exceeded" in refused.stderr
    assert len(inserts(cloud)) == 3  # no other accelerator, nowhere


@pytest.mark.slow
def test_a_preempted_machine_is_recognised_and_replaced(arb, cloud):  # noqa: F811
    launch(arb, "x", *A100, "--use-spot")
    (machine,) = cloud.machines()
    assert machine["spot"]
    cloud.preempt(machine["id"], notice_s=30)
    home = cloud.nodes.home(machine["node"]) / ".arb" / "events.jsonl"
    eventually(lambda: home.exists() and '"notice"' in home.read_text(), what="the notice")
    cloud.advance(40)
    told = arb.notes("status", "--refresh")
    assert "x is gone" in told
    again = launch(arb, "x", *A100, "--use-spot")
    assert again.stdout == "ran here\n"
    assert len(cloud.ledger().of("machine")) == 2
    assert [e.reason for e in cloud.ledger().of("machine")] == ["preempted", ""]


@pytest.mark.slow
def test_a_gang_reaches_its_peers_and_leaves_nothing(arb, cloud):  # noqa: F811
    cloud.fault("drop", match=INSERT, count=3)  # answers are lost: the order is found by its name
    done = launch(arb, "x", *A100, "--num-nodes", "2", job="nvidia=1; echo rank $ARB_NODE_RANK")
    assert sorted(done.stdout.splitlines()) == ["(rank 0) rank 0", "(rank 1) rank 1"]
    names = {e.name.rpartition("-")[2] for e in cloud.ledger().alive("firewall")}
    assert names == {"ssh", "peers"}
    assert len(cloud.ledger().alive("machine")) == 2


@pytest.mark.slow
def test_without_credentials_prices_are_shown_and_buying_says_what_to_do(arb, cloud):  # noqa: F811
    del arb.env["GOOGLE_APPLICATION_CREDENTIALS"]
    assert "a3-highgpu-8g" in arb("gpus", "H100:8").stdout
    assert "not-configured" in arb("check", "gcp", code=4).stdout
    refused = launch(arb, "x", *A100, code=4)
    assert "gcloud auth application-default login" in refused.stderr
    assert inserts(cloud) == []
    assert arb.json("status") == []


@pytest.mark.slow
def test_a_gang_with_a_sold_out_third_machine_ends_whole(arb, cloud):  # noqa: F811
    cloud.set_capacity("a2-highgpu-1g@us-central1", 2)
    done = launch(arb, "x", *A100, "--num-nodes", "3")
    (view,) = arb.json("status")
    assert view["offer"]["region"] == "europe-west4"
    assert "currently unavailable" in done.stderr
    assert len(cloud.ledger().alive("machine")) == 3
    assert cloud.ledger().unclaimed(claimed(arb)) == []


@pytest.mark.slow
def test_a_missing_permission_names_the_role_to_give(arb, cloud):  # noqa: F811
    cloud.deny("compute.instances.create")
    refused = launch(arb, "x", *A100, code=4)
    assert "compute.instances.create" in refused.stderr
    checked = arb("check", "gcp", "--policy").stdout
    assert "gcloud iam roles create" in checked
    assert cloud.ledger().alive() == []


def claimed(arb):
    store = open_store(f"sqlite:///{arb.home / 'state.db'}")
    try:
        return claims(store)
    finally:
        store.close()
