"""The command line over ``resources``, alternatives included."""

from __future__ import annotations

import pytest

from arb.errors import UsageError
from arb.tasks import Overrides, SpotUse, load_text, task_from_command

FILE = """\
run: x
resources:
  accelerators: {H100: 8, A100: 8}
  use_spot: true
  disk_size: 100
  any_of:
    - {infra: aws/us-east-1, cpus: 8+}
    - {cloud: gcp, region: us-central1, use_spot: false}
    - {infra: azure, accelerators: "V100:1", memory: 64}
"""


def alternatives(**over):
    return load_text(FILE, "task.yaml", Overrides(**over)).resources.alternatives()


def test_without_overrides_the_file_counts():
    found = [(a.place, a.accelerator, a.spot) for a in alternatives()]
    assert found == [
        ("aws/us-east-1", "H100", SpotUse.ALWAYS),
        ("aws/us-east-1", "A100", SpotUse.ALWAYS),
        ("gcp/us-central1", "H100", SpotUse.NEVER),
        ("gcp/us-central1", "A100", SpotUse.NEVER),
        ("azure", "V100", SpotUse.ALWAYS),
    ]


def test_a_place_replaces_that_of_every_entry():
    assert {a.place for a in alternatives(infra="local/here")} == {"local/here"}


def test_accelerators_replace_those_of_every_entry():
    found = alternatives(gpus="L4:2")
    assert [(a.place, f"{a.accelerator}:{a.count}") for a in found] == [
        ("aws/us-east-1", "L4:2"),
        ("gcp/us-central1", "L4:2"),
        ("azure", "L4:2"),
    ]


def test_entries_that_become_the_same_are_one():
    found = alternatives(infra="local", gpus="L4", cpus="4", memory="16", use_spot=False)
    assert len(found) == 1


@pytest.mark.parametrize(
    ("said", "meant"),
    [(True, SpotUse.ALWAYS), (False, SpotUse.NEVER), ("prefer", SpotUse.PREFER)],
    ids=str,
)
def test_spot_is_overridden_in_every_entry(said, meant):
    assert {a.spot for a in alternatives(use_spot=said)} == {meant}


def test_none_takes_the_files_value_away():
    found = alternatives(gpus="none", infra="NONE", disk_size="none", cpus="none")
    assert {(a.place, a.accelerator, a.disk_gib, a.cpus) for a in found} == {("", "", 0, None)}


def test_every_key_of_resources_can_be_said():
    task = task_from_command(
        "x",
        Overrides(
            infra="aws",
            gpus="T4",
            cpus="4+",
            memory="2x",
            instance_type="g4",
            use_spot="prefer",
            disk_size="1TB",
            disk_tier="best",
            network_tier="best",
            local_disk="nvme",
            max_hourly_cost=2.5,
            ports=("80", "443"),
            image_id="ami-1",
            priority=5,
        ),
    )
    (only,) = task.resources.alternatives()
    assert (only.place, only.accelerator, str(only.cpus)) == ("aws", "T4", "4+")
    assert (only.memory_per_cpu, only.instance_type, only.spot) == (2, "g4", SpotUse.PREFER)
    assert (only.disk_gib, only.disk_tier, only.network_tier) == (1024, "best", "best")
    assert (only.local_disk, only.max_price_usd_hour) == ("nvme:100+", 2.5)
    assert (only.ports, only.images) == (("80", "443"), {"": "ami-1"})
    assert task.resources.priority == 5


@pytest.mark.parametrize(
    ("over", "summary"),
    [
        ({"cpus": "x"}, "--cpus: 'x' is not an amount: write 8 or 8+"),
        ({"gpus": "H100:x"}, "--gpus: 'H100:x' is not an accelerator"),
        ({"infra": "a/b/c/d"}, "--infra: 'a/b/c/d' is not a place"),
        ({"ports": ("http",)}, "--ports: 'http' is not a port"),
        ({"name": "a b"}, "--name: 'a b' is not a name"),
        ({"num_nodes": 0}, "--num-nodes: must be at least 1"),
        ({"use_spot": "maybe"}, "--use-spot: expected true, false or prefer"),
    ],
    ids=str,
)
def test_a_fault_of_the_command_line_names_the_option(over, summary):
    with pytest.raises(UsageError) as caught:
        load_text(FILE, "task.yaml", Overrides(**over))
    assert caught.value.summary.startswith(summary)


def test_secrets_of_the_list_form_are_given_by_name():
    text = 'secrets: ["secrets:workspace.TOKEN"]\nrun: x'
    task = load_text(text, "t", Overrides(secrets={"TOKEN": "v"}))
    assert task.secrets == {"TOKEN": "v"}


def test_secrets_that_are_kept_elsewhere_must_be_given():
    text = "secrets: {'secrets:A': }\nmanaged_secrets: [B, {global.C: {mount_path: /c}}]\nrun: x"
    with pytest.raises(UsageError) as caught:
        load_text(text, "t")
    assert caught.value.hint == "--secret B --secret C --secret A"
