"""What is sent: a function of the order alone, and what Google takes."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from clouds.gcp import discovery

from arb.types import HostKey, NodeFile, NodeSetup, Offer, ProvisionRequest
from arb_gcp.bodies import firewall_bodies, instance_body, labels_of, startup_script
from arb_gcp.images import boot_disk_type, default_image, image_path
from arb_gcp.settings import Settings

DATA = Path(__file__).parent / "data"
H100 = Offer(
    provider="gcp",
    offer_id="us-central1-a/a3-highgpu-8g",
    region="us-central1",
    zone="us-central1-a",
    instance_type="a3-highgpu-8g",
    price_usd_hour=88,
    accelerator="H100",
)
TOKEN = "arb-ownerabc-clusterx-000"
SETUP = NodeSetup(
    f"{TOKEN}-0000",
    0,
    "ssh-ed25519 AAAA arb",
    HostKey("ssh-ed25519 BBBB", "PRIVATE"),
    (NodeFile("/etc/x", "PRIVATE\n"),),
    ("echo up",),
)
ORDER = ProvisionRequest("mine", TOKEN, H100, 1, (SETUP,))


def body(settings=None, **changes):
    order = replace(ORDER, **changes)
    return instance_body(order, order.setups[0], Settings.of(settings or {}))


def items(sent):
    return {item["key"]: item["value"] for item in sent["metadata"]["items"]}


def test_the_body_is_the_recorded_one_but_for_our_own_names():
    sent = body(offer=replace(H100, spot=True), disk_gib=200)
    wanted = json.loads((DATA / "insert-request.json").read_text())
    del wanted["scheduling"]["maxRunDuration"]
    wanted["name"] = SETUP.token
    wanted["labels"] = {
        "arb-owner": "ownerabc",
        "arb-attempt": TOKEN,
        "arb-cluster": "mine",
    }
    wanted["tags"] = {"items": [TOKEN]}
    wanted["disks"][0]["initializeParams"]["diskType"] = "zones/us-central1-a/diskTypes/pd-balanced"
    assert sent | {"metadata": 0} == wanted | {"metadata": 0}


def test_every_body_is_what_googles_description_says():
    pytest.importorskip("googleapiclient")
    api = discovery.load("compute.v1")
    guest = json.dumps({"guest": {"type": "nvidia-tesla-t4", "count": 2}})
    options = {"service_account": "a@b.iam.gserviceaccount.com", "subnetwork": "s", "image": "i"}
    bodies = [
        body(),
        body(options, offer=replace(H100, instance_type="n1-standard-8", payload=guest)),
    ]
    for sent in bodies:
        assert api.fault_of_value("Instance", sent) == ""
    for rule in firewall_bodies(replace(ORDER, count=2, ports=("80",)), Settings()):
        assert api.fault_of_value("Firewall", rule) == ""


def test_keys_come_by_metadata_and_os_login_is_off_on_this_machine():
    sent = items(body({"ssh_user": "me"}))
    assert sent["ssh-keys"] == "me:ssh-ed25519 AAAA arb"
    assert sent["enable-oslogin"] == "FALSE"
    assert sent["block-project-ssh-keys"] == "TRUE"
    assert sent["user-data"] == SETUP.user_data()
    assert "startup-script" not in sent


def test_an_image_of_the_users_is_set_up_without_cloud_init_too():
    assert "startup-script" in items(
        body(image="projects/debian-cloud/global/images/family/debian-12")
    )
    assert "startup-script" in items(body({"image": "our-own"}))


def test_on_demand_machines_move_if_they_can():
    assert body()["scheduling"]["onHostMaintenance"] == "TERMINATE"
    plain = body(offer=replace(H100, accelerator="", instance_type="e2-standard-4"))["scheduling"]
    assert plain == {
        "provisioningModel": "STANDARD",
        "onHostMaintenance": "MIGRATE",
        "automaticRestart": True,
    }


def test_accelerators_are_asked_for_where_they_are_added_only():
    assert "guestAccelerators" not in body()
    guest = json.dumps({"guest": {"type": "nvidia-tesla-t4", "count": 2}})
    sent = body(offer=replace(H100, instance_type="n1-standard-8", payload=guest))
    kind = "zones/us-central1-a/acceleratorTypes/nvidia-tesla-t4"
    assert sent["guestAccelerators"] == [{"acceleratorType": kind, "acceleratorCount": 2}]


def test_networks_and_accounts_are_as_configured():
    sent = body(
        {
            "network": "projects/host/global/networks/n",
            "subnetwork": {"us-central1": "s"},
            "external_ip": False,
            "service_account": "a@b",
            "disk_type": "pd-ssd",
            "disk_gib": 50,
        }
    )
    assert sent["networkInterfaces"] == [
        {
            "network": "projects/host/global/networks/n",
            "subnetwork": "projects/host/regions/us-central1/subnetworks/s",
        }
    ]
    assert sent["serviceAccounts"][0]["email"] == "a@b"
    assert sent["disks"][0]["initializeParams"]["diskType"].endswith("/pd-ssd")
    assert sent["disks"][0]["initializeParams"]["diskSizeGb"] == "50"
    assert body(disk_gib=33.5)["disks"][0]["initializeParams"]["diskSizeGb"] == "34"


def test_the_same_order_makes_the_same_body():
    assert body() == body()


def test_labels_are_made_fit_and_ours_win():
    labels = {
        "Cost Center": "R&D / Team 12",
        "Ünï": "Ä",
        "1st": "x",
        "---": "gone",
        "arb-owner": "mallory",
        "long": "y" * 99,
        "goog-terraform": "x",
    }
    made = labels_of(replace(ORDER, labels=labels, cluster="My_Cluster"))
    assert made == {
        "cost-center": "r-d-team-12",
        "n": "",
        "x1st": "x",
        "long": "y" * 63,
        "arb-owner": "ownerabc",
        "arb-attempt": TOKEN,
        "arb-cluster": "my_cluster",
    }
    many = {f"k{number}": "v" for number in range(99)}
    assert len(labels_of(replace(ORDER, labels=many))) <= 64


def test_rules_are_named_after_the_attempt_and_meet_its_machines_only():
    order = replace(ORDER, count=2, ports=("8080", "8000-8010", "8080"))
    ssh, ports, peers = firewall_bodies(order, Settings.of({"ssh_source_ranges": ["10.0.0.0/8"]}))
    assert [r["name"] for r in (ssh, ports, peers)] == [
        f"{TOKEN}-{k}" for k in ("ssh", "ports", "peers")
    ]
    assert all(r["targetTags"] == [TOKEN] for r in (ssh, ports, peers))
    assert (ssh["sourceRanges"], ssh["allowed"]) == (
        ["10.0.0.0/8"],
        [{"IPProtocol": "tcp", "ports": ["22"]}],
    )
    assert ports["allowed"][0]["ports"] == ["8000-8010", "8080"]
    assert ports["sourceRanges"] == ["0.0.0.0/0"]
    assert peers["sourceTags"] == [TOKEN]
    assert len(firewall_bodies(ORDER, Settings())) == 1


@pytest.mark.parametrize(
    ("offer", "family"),
    [
        (H100, "ubuntu-accelerator-2404-amd64-with-nvidia-570"),
        (
            replace(H100, accelerator="RTX-PRO-6000"),
            "ubuntu-accelerator-2404-amd64-with-nvidia-580",
        ),
        (
            replace(H100, accelerator="GB200", arch="arm64"),
            "ubuntu-accelerator-2404-arm64-with-nvidia-570",
        ),
        (replace(H100, accelerator=""), "ubuntu-2404-lts-amd64"),
        (replace(H100, accelerator="", arch="arm64"), "ubuntu-2404-lts-arm64"),
    ],
)
def test_the_image_fits_the_machine(offer, family):
    assert default_image(offer).rpartition("/")[2] == family


@pytest.mark.parametrize(
    ("named", "path"),
    [
        ("mine", "global/images/mine"),
        ("family/mine", "global/images/family/mine"),
        ("projects/p/global/images/i", "projects/p/global/images/i"),
        (
            "https://www.googleapis.com/compute/v1/projects/p/global/images/i",
            "projects/p/global/images/i",
        ),
    ],
)
def test_images_are_named_as_people_do(named, path):
    assert image_path(named) == path


@pytest.mark.parametrize(
    ("kind", "disk"),
    [
        ("a3-highgpu-8g", "pd-balanced"),
        ("a3-ultragpu-8g", "hyperdisk-balanced"),
        ("a4-highgpu-8g", "hyperdisk-balanced"),
        ("a4x-highgpu-4g", "hyperdisk-balanced"),
        ("g4-standard-48", "hyperdisk-balanced"),
        ("n1-standard-8", "pd-balanced"),
    ],
)
def test_the_boot_disk_fits_the_machine(kind, disk):
    assert boot_disk_type(kind) == disk


def test_the_startup_script_does_the_setup_once(tmp_path):
    """It is run for real, with its paths below a folder and without a cloud-init in sight."""
    content = "line one\n'quotes' $HOME\nARB\nlast"
    target, done = tmp_path / "etc" / "x y", tmp_path / "done"
    setup = replace(
        SETUP,
        files=(NodeFile(str(target), content, "0640", f"{os.getuid()}:{os.getgid()}"),),
        commands=(f"echo \"it's\" up >>'{tmp_path}/log'", "exit 0"),
    )
    script = startup_script(setup).replace("/var/lib/arb-setup-done", str(done))
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("base64", "chmod", "chown", "dirname", "mkdir", "sh"):
        (tools / name).symlink_to(subprocess.check_output(["which", name], text=True).strip())
    for _ in range(2):
        subprocess.run(["/bin/sh", "-c", script], env={"PATH": str(tools)}, check=True)
    assert target.read_text() == content
    assert target.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "log").read_text() == "it's up\n"
    (tools / "cloud-init").symlink_to("/bin/true")
    done.unlink()
    subprocess.run(["/bin/sh", "-c", script], env={"PATH": str(tools)}, check=True)
    assert not done.exists()  # cloud-init does it there
