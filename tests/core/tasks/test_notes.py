"""What is said of keys that are read and that nobody acts on."""

from __future__ import annotations

import pytest

from arb.tasks import Task, load_text, notes
from arb.tasks.acted import ACTED, commands_for
from arb.tasks.resources import Resources


def told(text, command=""):
    return [note.message for note in notes(load_text(text, "t"), command)]


def test_a_task_that_uses_what_works_costs_no_note():
    text = "name: a\nworkdir: .\nnum_nodes: 2\nsetup: s\nrun: r\nenvs: {A: b}\nsecrets: {S: t}\n"
    text += "resources: {infra: x, accelerators: T4, cpus: 4, ports: 80, labels: {a: b}}\n"
    assert told(text) == told(text, "launch") == told(text, "exec") == told(text, "plan") == []


def test_each_idle_key_costs_one_note_wherever_it_stands():
    text = (
        "resources:\n  priority: 1\n  any_of: [{priority: 2}, {priority: 3}]\npool: {workers: 1}\n"
    )
    assert told(text, "launch") == [
        "pool: accepted, and not acted upon yet",
        "resources.priority: accepted, and not acted upon yet",
    ]


def test_parts_of_a_key_can_be_idle():
    text = "workdir: {url: https://x}\nresources: {image_id: 'docker:x'}\n"
    assert told(text) == [
        "workdir.url: accepted, and not acted upon yet",
        "resources.image_id.docker: accepted, and not acted upon yet",
    ]


def test_a_key_that_another_command_acts_on_names_it():
    assert told("estimated_duration: 2h", "exec") == [
        "estimated_duration: only arb launch and arb plan act on it"
    ]


def test_what_is_beside_the_point_of_a_command_is_not_worth_a_note():
    text = "setup: s\nresources: {priority: 1}\nfile_mounts: {/a: .}\n"
    assert told(text, "exec") == []
    assert len(told(text, "launch")) == 2


@pytest.mark.parametrize(
    ("service", "remark"),
    [
        ("{replicas: 1, max_replicas: 2}", "without target_qps_per_replica there are never more"),
        (
            "{replicas: 1, target_qps_per_replica: 2}",
            "without max_replicas, target_qps_per_replica",
        ),
        (
            "{replicas: 1, max_replicas: 2, target_qps_per_replica: {T4: 1}}",
            "rates for each accelerator need instance_aware_least_load",
        ),
        (
            "{replicas: 1, load_balancing_policy: instance_aware_least_load}",
            "instance_aware_least_load needs target_qps_per_replica",
        ),
    ],
    ids=["no rate", "no maximum", "rates without policy", "policy without rates"],
)
def test_a_service_that_cannot_do_what_it_says_is_told(service, remark):
    assert any(remark in line for line in told(f"service: {service}"))


def test_every_key_is_in_the_table_or_below_one_that_is():
    assert {key.partition(".")[0] for key in ACTED} == set(Task.model_fields)
    below = {key.split(".")[1] for key in ACTED if key.startswith("resources.")}
    assert below <= set(Resources.model_fields)


def test_a_key_that_is_not_in_the_table_is_as_the_one_above_it():
    assert commands_for("resources.cpus") == commands_for("resources")
    assert commands_for("no.such") == ()
