"""What an account may do, what goes to nodes, and buckets."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from clouds.gcp.customer import Customer
from clouds.gcp.permissions import NEEDED

from arb.errors import CredentialsError, ProviderUnavailable, UsageError
from arb.types import CheckStatus, Instance, InstanceState
from arb_gcp import plugin, stores
from arb_gcp.access import self_terminate
from arb_gcp.check import PERMISSIONS


def check(account):
    return plugin.arb_check(account.context())


# -- arb check ---------------------------------------------------------------------------------


def test_a_good_account_is_named_with_what_it_may(account):
    result = check(account)
    assert result.status is CheckStatus.OK
    assert result.summary == "arb@arb-test.iam.gserviceaccount.com in project arb-test"
    assert result.may == (*PERMISSIONS, "live prices")
    assert result.missing == ()
    assert result.source.startswith("GOOGLE_APPLICATION_CREDENTIALS=")
    assert account.cloud.ledger().entries == []


def test_missing_permissions_are_named_with_a_role_to_copy(account):
    account.cloud.deny("compute.firewalls.create", "compute.instances.stop")
    result = check(account)
    assert result.status is CheckStatus.LIMITED
    assert result.missing == (
        "stop and start: compute.instances.stop",
        "open ports: compute.firewalls.create",
    )
    create, bind = result.policy.splitlines()
    assert create.startswith(
        "gcloud iam roles create arbLauncher --project arb-test --permissions "
    )
    wanted = sorted(p for group in PERMISSIONS.values() for p in group)
    assert create.rpartition(" ")[2].split(",") == wanted
    member = "--member serviceAccount:arb@arb-test.iam.gserviceaccount.com"
    assert bind == (
        f"gcloud projects add-iam-policy-binding arb-test {member}"
        " --role projects/arb-test/roles/arbLauncher"
    )


def test_the_role_is_enough_for_everything_that_is_done(account):
    """Whatever is not in the role is taken away, and a machine's whole life goes well."""
    granted = {p for group in PERMISSIONS.values() for p in group}
    account.cloud.deny(*({p for group in NEEDED.values() for p in group} - granted))
    request, result, machines = account.buy(account.offer("e2-standard-4"), ports=("80",), count=2)
    named = [account.ref(m, result) for m in machines]
    cluster = account.cluster(request, result, machines)
    plugin.arb_open_ports(account.context(), cluster, ("81",))
    plugin.arb_stop(account.context(), named)
    account.cloud.advance(5)
    plugin.arb_start(account.context(), named)
    account.cloud.advance(5)
    account.list(owner="ownerabc")
    for reference in named:
        account.terminate(reference)
    account.cloud.advance(5)
    assert all(account.terminate(reference).gone for reference in named)
    plugin.arb_cleanup(account.context(), cluster)
    assert account.cloud.ledger().alive() == []


def test_settings_change_what_is_needed(account):
    account.options |= {"firewall": False, "external_ip": False, "service_account": "vm@x.y"}
    account.cloud.deny("compute.firewalls.create", "compute.subnetworks.useExternalIp")
    assert check(account).status is CheckStatus.OK
    account.cloud.deny("iam.serviceAccounts.actAs")
    assert check(account).missing == ("launch: iam.serviceAccounts.actAs",)


def test_rights_on_a_shared_network_are_needed_where_it_is(account):
    account.options["network"] = "projects/arb-host/global/networks/shared"
    account.cloud.deny("compute.firewalls.create")
    result = check(account)
    assert result.missing == ("open ports: compute.firewalls.create",)
    create, bind, create_there, bind_there = result.policy.splitlines()
    assert "--project arb-test " in create
    assert "compute.instances.create" in create
    assert "compute.firewalls.create" not in create
    assert "--project arb-host " in create_there
    assert "compute.firewalls.create" in create_there
    assert "compute.subnetworks.use" in create_there
    assert "compute.instances.create" not in create_there
    assert bind.endswith("projects/arb-test/roles/arbLauncher")
    assert bind_there.endswith("projects/arb-host/roles/arbLauncher")


def test_no_quota_for_accelerators_is_told(account):
    account.cloud.set_quota("GPUS_ALL_REGIONS", 0)
    result = check(account)
    assert result.status is CheckStatus.LIMITED
    assert "GPUS_ALL_REGIONS is 0" in result.missing[0]
    assert "quotas" in result.hint


def test_a_network_that_is_not_there_is_told(account):
    account.cloud.engine.firewalls.networks.clear()  # as where a policy keeps the default one out
    result = check(account)
    assert (result.status, result.missing) == (
        CheckStatus.LIMITED,
        ("launch: there is no network 'default'",),
    )
    assert "provider_options.gcp.network" in result.hint
    account.cloud.deny("compute.networks.get")  # the least role does not need it
    assert check(account).status is CheckStatus.OK


def test_an_image_of_ones_own_takes_one_permission_more(account):
    account.options["image"] = "our-own"
    account.cloud.deny("compute.images.useReadOnly")
    assert check(account).missing == ("launch: compute.images.useReadOnly",)


def test_bundled_prices_are_a_limit(account):
    account.cloud.switch_api("cloudbilling.googleapis.com", on=False)
    result = check(account)
    assert result.status is CheckStatus.LIMITED
    assert "gcloud services enable cloudbilling.googleapis.com --project arb-test" in result.hint


def test_permissions_that_cannot_be_tested_are_no_fault(account):
    account.cloud.switch_api("cloudresourcemanager.googleapis.com", on=False)
    result = check(account)
    assert (result.status, result.may) == (CheckStatus.OK, ("list", "live prices"))
    assert "could not be tested" in result.hint


@pytest.mark.parametrize(
    ("what", "status", "hint"),
    [
        (
            lambda c: c.switch_api("compute.googleapis.com", on=False),
            CheckStatus.REFUSED,
            "services enable",
        ),
        (lambda c: c.switch_billing(on=False), CheckStatus.REFUSED, "billing"),
        (lambda c: c.deny("compute.projects.get"), CheckStatus.REFUSED, "least role"),
        (lambda c: c.revoke(), CheckStatus.REFUSED, "new key"),
        (lambda c: c.fault("status", count=99, status=503), CheckStatus.UNREACHABLE, ""),
    ],
    ids=["api off", "billing off", "permission", "revoked", "silent"],
)
def test_what_is_wrong_is_told_with_what_to_do(account, what, status, hint, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    what(account.cloud)
    result = check(account)
    assert result.status is status
    assert hint in result.hint


def test_no_credentials_and_no_project_are_not_configured(anybody, paper_gcp, tmp_path):
    assert check(anybody).status is CheckStatus.NOT_CONFIGURED
    user = Customer(paper_gcp, tmp_path / "user", key="user")
    path = Path(user.env["GOOGLE_APPLICATION_CREDENTIALS"])
    document = json.loads(path.read_text()) | {"token_uri": f"{paper_gcp.url}/token"}
    del document["quota_project_id"]
    path.write_text(json.dumps(document))
    result = check(user)
    assert (result.status, result.hint) == (
        CheckStatus.NOT_CONFIGURED,
        "run: gcloud config set project PROJECT",
    )
    with pytest.raises(CredentialsError, match="no project"):
        user.list()


def test_a_google_machine_buys_in_its_own_project_as_its_own_account(anybody):
    anybody.env["GCE_METADATA_HOST"] = anybody.cloud.url.removeprefix("http://")
    anybody.cloud.deny("compute.instances.stop")
    result = check(anybody)
    assert result.summary == "arb@arb-test.iam.gserviceaccount.com in project arb-test"
    assert "--member serviceAccount:arb@arb-test.iam.gserviceaccount.com" in result.policy
    assert anybody.list().account == "arb-test"
    anybody.env["GOOGLE_CLOUD_PROJECT"] = "somebody-elses"
    assert check(anybody).status is CheckStatus.REFUSED  # what is named comes first


def test_a_metadata_server_that_is_silent_names_no_project(anybody):
    anybody.env["GCE_METADATA_HOST"] = anybody.cloud.url.removeprefix("http://")
    anybody.cloud.fault("status", match="metadata*", status=404, count=9)
    result = check(anybody)
    assert result.status is CheckStatus.NOT_CONFIGURED
    assert "no project is named" in result.summary


def test_a_project_that_is_not_ours_is_refused(account):
    account.options["project"] = "somebody-elses"
    result = check(account)
    assert result.status is CheckStatus.REFUSED
    assert "compute.projects.get" in result.summary


# -- nodes -------------------------------------------------------------------------------------


def test_ssh_is_where_the_image_has_it(account):
    machine = Instance("gcp", "i", "r", InstanceState.RUNNING, address="192.0.2.1")
    account.options |= {"ssh_port": 2200, "ssh_user": "me"}
    endpoint = plugin.arb_ssh_ports(account.context(), machine)
    assert (endpoint.host, endpoint.port, endpoint.user) == ("192.0.2.1", 2200, "me")
    nowhere = Instance("gcp", "i", "r", InstanceState.RUNNING)
    with pytest.raises(ProviderUnavailable):
        plugin.arb_ssh_ports(account.context(), nowhere)


def test_the_credentials_file_is_what_nodes_would_need(account, anybody):
    mounts = plugin.arb_credential_mounts(account.context())
    key = account.env["GOOGLE_APPLICATION_CREDENTIALS"]
    assert mounts == {"~/.config/gcloud/application_default_credentials.json": key}
    assert plugin.arb_credential_mounts(anybody.context()) == {}
    Path(key).write_text("{")
    assert plugin.arb_credential_mounts(account.context()) == {}


def test_the_notice_is_the_flag_of_the_metadata_server(account):
    account.options.pop("endpoints")
    probe = plugin.arb_preemption_notice(account.context())
    assert probe.url == "http://169.254.169.254/computeMetadata/v1/instance/preempted"
    assert (probe.headers, probe.match) == ({"Metadata-Flavor": "Google"}, "TRUE")


@pytest.mark.parametrize("as_root", [True, False])
def test_a_node_powers_itself_off_with_the_rights_that_it_has(tmp_path, as_root):
    """The line is run for real, with commands that only say who was called."""
    tools = {
        "id": f"echo {0 if as_root else 1000}",
        "sudo": 'echo "sudo $*"',
        "shutdown": 'echo "shutdown $*"',
    }
    for name, line in tools.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    recipe = self_terminate()
    done = subprocess.run(
        ["/bin/sh", "-c", recipe.command],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == (
        "shutdown -h now" if as_root else f"sudo -n {tmp_path}/shutdown -h now"
    )
    assert (recipe.needs_account_key, recipe.leaves) == (False, "the boot disk")


# -- buckets -----------------------------------------------------------------------------------


def store(account, uri="gs://weights/llama/3"):
    return stores.arb_store_config(account.context(), uri)


def test_a_bucket_is_opened_by_a_token_for_it_alone(account):
    account.cloud.add_bucket("weights", {"llama/3/a": "x"})
    account.cloud.add_bucket("other", {})
    remote = store(account)
    assert (remote.type, remote.root) == ("google cloud storage", "weights/llama/3")
    token = json.loads(remote.secrets["token"])["access_token"]
    grant = account.cloud.accounts._tokens[token]
    assert grant.bucket == "weights"
    assert 3500 < grant.until - account.cloud.clock.now() <= 3600
    assert token not in repr(remote)


def test_a_bucket_with_access_by_object_is_told_what_to_change(account):
    account.cloud.add_bucket("weights", {}, uniform=False)
    with pytest.raises(UsageError, match="limited") as raised:
        store(account)
    assert "--uniform-bucket-level-access" in raised.value.hint


def test_buckets_that_are_not_there_or_not_ours_are_told(account):
    with pytest.raises(UsageError, match="no bucket"):
        store(account)
    account.cloud.add_bucket("weights", {})
    account.cloud.deny("storage.objects.list")
    with pytest.raises(CredentialsError):
        store(account)


@pytest.mark.parametrize("uri", ["s3://x/y", "gs://", "gs://A", "gs:/x", "weights"])
def test_an_address_that_is_none_is_a_usage_error(account, uri):
    with pytest.raises(UsageError, match="not the address"):
        store(account, uri)


def test_a_token_server_that_does_not_limit_is_told(account):
    account.cloud.add_bucket("weights", {})
    account.cloud.fault("status", match="sts.token", status=403)
    with pytest.raises(CredentialsError, match="would not limit"):
        store(account)
    account.cloud.fault("drop", match="sts.token")
    with pytest.raises(ProviderUnavailable):
        store(account)


@pytest.mark.skipif(not shutil.which("rclone"), reason="rclone is not installed")
def test_rclone_takes_the_remote_as_it_is(account, tmp_path):
    account.cloud.add_bucket("weights", {"llama/3/a": "x", "llama/3/b": "yy", "z": ""})
    account.cloud.advance(max(0, time.time() - account.cloud.clock.now()))  # rclone has its own
    remote = store(account)
    lines = {**remote.options, **remote.secrets, "type": remote.type}
    config = tmp_path / "rclone.conf"
    config.write_text("[gs]\n" + "".join(f"{k} = {v}\n" for k, v in lines.items()))
    done = subprocess.run(
        ["rclone", "--config", str(config), "--retries", "1", "lsf", f"gs:{remote.root}"],
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin:/usr/local/bin"},
        timeout=30,
    )
    assert (done.stdout.split(), done.returncode) == (["a", "b"], 0), done.stderr
