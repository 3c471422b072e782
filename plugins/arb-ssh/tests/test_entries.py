"""Lists of hosts in every form, and what is wrong with them."""

from __future__ import annotations

import pytest

from arb.errors import CredentialsError, UsageError
from arb_ssh.entries import read_hosts
from arb_ssh.hosts import Gpus, Hardware, Host
from arb_ssh.settings import need_fleet, read_fleet

WHERE = "provider_options.ssh.hosts"
DEFAULTS = {"user": "me"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbc"


def read(value, **defaults):
    return read_hosts(value, WHERE, {**DEFAULTS, **defaults})


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("10.0.0.5", ("me", "10.0.0.5", 22)),
        ("bob@gpu.example.org:2222", ("bob", "gpu.example.org", 2222)),
        ("[fe80::1]:2222", ("me", "fe80::1", 2222)),
        ("fe80::1", ("me", "fe80::1", 22)),
        ("bob@[fe80::1]", ("bob", "fe80::1", 22)),
    ],
)
def test_a_host_may_be_one_text(text, facts):
    (host,) = read([text])
    assert host.where == facts
    assert host.pool == "default"


def test_a_host_is_named_after_its_address_and_an_unusual_port():
    one, other = read(["10.0.0.5", "10.0.0.5:2222"])
    assert (one.name, other.name) == ("10.0.0.5", "10.0.0.5:2222")


def test_a_host_tells_everything_of_itself():
    facts = {
        "name": "gpu01",
        "address": "10.0.0.5",
        "user": "bob",
        "port": 2222,
        "identity_file": "~/.ssh/team",
        "host_key": KEY,
        "private_address": "192.168.0.5",
        "pool": "lab/rack-1",
        "accelerators": "H100:8",
        "accelerator_gib": 80,
        "vcpus": 128,
        "memory_gib": 1024,
        "arch": "arm64",
        "price_usd_hour": 1.5,
        "labels": {"rack": 12},
    }
    (host,) = read([facts])
    wanted = {k: v for k, v in facts.items() if not k.startswith("accelerator")}
    wanted |= {"gpus": Gpus("H100", 8, 80), "labels": {"rack": "12"}}
    assert host == Host(**wanted)
    assert host.told() == Hardware(128, 1024, Gpus("H100", 8, 80), "arm64")


def test_pools_tell_what_holds_for_all_their_hosts():
    pools = {
        "lab": {
            "user": "bob",
            "identity_file": "~/keys/lab",
            "hosts": ["10.0.0.5", {"ip": "10.0.0.6", "user": "eve"}],
        },
        "old": ["10.0.1.5"],
        "empty": {"hosts": None},
    }
    one, two, three = read(pools, identity_file="~/keys/all")
    assert (one.pool, one.user, one.identity_file) == ("lab", "bob", "~/keys/lab")
    assert (two.pool, two.user, two.identity_file) == ("lab", "eve", "~/keys/lab")
    assert (three.pool, three.user, three.identity_file) == ("old", "me", "~/keys/all")


@pytest.mark.parametrize(
    ("written", "gpus"),
    [
        ("H100:8", Gpus("H100", 8)),
        ("RTX 4090", Gpus("RTX 4090", 1)),
        ({"A100": 4}, Gpus("A100", 4)),
        ("", Gpus()),
        ("none", Gpus()),
    ],
)
def test_accelerators_are_written_as_in_a_task(written, gpus):
    (host,) = read([{"address": "h", "accelerators": written}])
    assert host.gpus == gpus


def test_what_is_told_counts_more_than_what_was_measured():
    measured = Hardware(64, 500.1, Gpus("NVIDIA H100 80GB HBM3", 8, 79.6), "arm64")
    (host,) = read([{"address": "h", "vcpus": 32, "accelerators": "H100:8"}])
    assert host.hardware(measured) == Hardware(32, 500.1, Gpus("H100", 8, 79.6), "arm64")
    assert host.hardware(None) is None


BAD = [
    (["a b"], r"hosts\[0\] must be \[user@\]address\[:port\], not 'a b'"),
    ("10.0.0.5", "must be a list of hosts, not '10.0.0.5'"),
    ([7], "must be an address or the facts of a host, not 7"),
    ([{"user": "me"}], r"hosts\[0\] has no address"),
    ([{"adress": "h"}], "unknown key 'adress': did you mean 'address'"),
    ([{"address": "h", "password": "x"}], "has a password: hosts are entered with keys"),
    ([{"address": "h", "ProxyJump": "b"}], "has ProxyJump: hosts are reached directly"),
    ({"p": {"proxy_command": "x", "hosts": ["h"]}}, "has proxy_command: hosts are reached"),
    ([{"address": "-oProxyCommand=x"}], "must be an address"),
    ([{"address": "h", "user": "-x"}], "must be the name of a user"),
    ([{"address": "h", "port": 0}], "must be a port from 1 to 65535, not 0"),
    ([{"address": "h", "port": "22"}], "must be a port"),
    ([{"address": "h", "identity_file": "key"}], "must be an absolute path, or begin with ~/"),
    ([{"address": "h", "identity_file": ""}], "must be a text"),
    ([{"address": "h", "vcpus": 0}], "vcpus must be above 0"),
    ([{"address": "h", "memory_gib": -1}], "must be a number from 0 up"),
    ([{"address": "h", "price_usd_hour": float("nan")}], "must be a number"),
    ([{"address": "h", "accelerators": "H100:x"}], "must be NAME:COUNT"),
    ([{"address": "h", "accelerators": ["H100"]}], "must be NAME:COUNT"),
    ([{"address": "h", "accelerator_gib": 80}], "accelerator_gib without accelerators"),
    ([{"address": "h", "host_key": "ABC"}], "must be 'TYPE BASE64' or 'SHA256:...'"),
    ([{"address": "h", "pool": "a b"}], "must be the name of a pool"),
    ([{"address": "h", "labels": ["x"]}], "must be names with values"),
    ({"a b": []}, "must be the name of a pool"),
    ({"lab": {"hosts": [], "address": "h"}}, "unknown key 'address'"),
    ({"lab": {"hosts": "h"}}, "lab.hosts must be a list"),
    (["h", "me@h"], "has the host me@h:22 2 times"),
    ([{"address": "a", "name": "x"}, {"address": "b", "name": "x"}], "has the name x 2 times"),
]


@pytest.mark.parametrize(("value", "told"), BAD)
def test_a_wrong_list_is_an_error_that_names_the_place(value, told):
    with pytest.raises(UsageError, match=told) as caught:
        read(value)
    assert caught.value.summary.startswith(WHERE)
    assert "10.0.0.5" in str(value) or caught.value.hint


def test_a_host_needs_a_user():
    with pytest.raises(UsageError, match="names no user"):
        read_hosts(["h"], WHERE, {})


def test_without_a_list_there_is_nothing(make_client):
    context = make_client("c", {}).context()
    assert read_fleet(context).hosts == ()
    with pytest.raises(CredentialsError, match="no hosts are configured") as caught:
        need_fleet(context)
    assert "arb config set provider_options.ssh.hosts" in caught.value.hint


def test_the_user_is_that_of_the_option_else_of_this_computer(make_client):
    client = make_client("c", {"hosts": ["h"]})
    assert read_fleet(client.context()).hosts[0].user == "alice"
    client.options["user"] = "bob"
    assert read_fleet(client.context()).hosts[0].user == "bob"


def test_a_file_holds_the_same_in_yaml(make_client, tmp_path):
    client = make_client("c", {"hosts": "~/hosts.yaml"})
    path = client.folder / "home" / "hosts.yaml"
    path.write_text("lab:\n  hosts: [h1, {ip: h2}]\n")
    fleet = read_fleet(client.context())
    assert [host.address for host in fleet.hosts] == ["h1", "h2"]
    assert (fleet.file, fleet.source) == (path, str(path))
    assert fleet.known_hosts == client.folder / "home" / ".ssh" / "known_hosts"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("hosts.yaml", None, "cannot be read: No such file"),
        ("hosts.yaml", b"\xff", "not UTF-8"),
        ("hosts.yaml", b"a: [", "not valid YAML"),
        ("hosts.yaml", b"- {address: h, port: x}\n", "hosts.yaml[0].port must be a port"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(make_client, name, text, told):
    client = make_client("c", {"hosts": f"~/{name}"})
    if text is not None:
        (client.folder / "home" / name).write_bytes(text)
    with pytest.raises(UsageError) as caught:
        read_fleet(client.context())
    assert told in caught.value.summary


@pytest.mark.parametrize("option", ["hosts", "known_hosts"])
def test_a_path_that_depends_on_the_folder_is_refused(make_client, option):
    client = make_client("c", {"hosts": ["h"], option: "here/hosts"})
    with pytest.raises(UsageError, match=rf"ssh\.{option} must be an absolute path"):
        read_fleet(client.context())
