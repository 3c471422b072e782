"""``$NAME`` in the parts of a task file that are no shell."""

from __future__ import annotations

import json
import traceback

import pytest

from arb.errors import UsageError
from arb.tasks import Overrides, examine, load_text, reveal

EVERYWHERE = """\
envs: {A: a, B: b, EMPTY: ""}
workdir: ./$A
file_mounts:
  /data/${A}: s3://$B/x
  /store: {source: "s3://${B}", mode: COPY}
secret_mounts: {~/.key: ~/$A.key}
volumes: {/v: $B}
service:
  readiness_probe: {path: /$A, post_data: {model: "$A${B}", n: [1, $B]}, headers: {X: "${EMPTY}"}}
checkpoint: /ckpt/$A
name: plain
resources: {labels: {x: $A}, image_id: $A}
setup: echo $A
run: echo ${B}
event_callback: echo $A
"""


def load(text, **over):
    return load_text(text, "task.yaml", Overrides(**over))


def test_variables_are_filled_in_where_no_shell_reads():
    task = load(EVERYWHERE)
    assert task.workdir == "./a"
    assert task.file_mounts["/data/a"] == "s3://b/x"
    assert task.file_mounts["/store"].source == "s3://b"
    assert task.secret_mounts == {"~/.key": "~/a.key"}
    assert task.volumes == {"/v": "b"}
    probe = task.service.readiness_probe
    assert (probe.path, probe.post_data) == ("/a", {"model": "ab", "n": [1, "b"]})
    assert probe.headers == {"X": ""}
    assert task.checkpoint.path == "/ckpt/a"


def test_shell_and_resources_keep_their_dollars():
    task = load(EVERYWHERE)
    assert (task.setup, task.run, task.event_callback) == ("echo $A", "echo ${B}", "echo $A")
    assert task.resources.labels == {"x": "$A"}
    assert dict(task.resources.image_id.by_region) == {"": "$A"}


@pytest.mark.parametrize(
    ("written", "filled"),
    [
        ("$A", "1"),
        ("${A}", "1"),
        ("x$A-y", "x1-y"),
        ("$AB", "$AB"),
        ("${AB}", "${AB}"),
        ("${A}B", "1B"),
        ("$$A", "$1"),
        ("${A", "${A"),
        ("${A:-x}", "${A:-x}"),
        ("$", "$"),
        ("$(A)", "$(A)"),
    ],
)
def test_only_names_that_are_known_are_references(written, filled):
    assert load(f"envs: {{A: 1}}\nworkdir: '{written}'").workdir == filled


def test_the_command_line_is_filled_in_too():
    task = load("envs: {A: file, B: }\nworkdir: $A/$B", envs={"A": "line", "B": "b"})
    assert task.workdir == "line/b"


def test_what_is_filled_in_is_not_read_again():
    assert load("envs: {A: $B, B: b}\nworkdir: $A").workdir == "$B"


def test_a_fault_below_a_key_with_a_variable_keeps_its_place():
    with pytest.raises(UsageError) as caught:
        load("envs: {A: a}\nfile_mounts:\n  /x/$A:\n    source: s3://x\n    mod: COPY\n")
    assert caught.value.summary == "task.yaml:5:5: unknown key 'mod': did you mean 'mode'?"


def test_two_keys_that_become_one_are_refused():
    with pytest.raises(UsageError, match=r"'/\$A' becomes '/x', which stands there already"):
        load("envs: {A: x}\nfile_mounts: {/x: ., /$A: .}")


# -- secrets: in their place for who uses them, and nowhere else ----------------------------------

SECRET = "s3cr3t-value"
WITH_SECRETS = """\
envs: {TOKEN: not-this-one}
secrets: {TOKEN: s3cr3t-value, LATER: }
file_mounts: {/d: "s3://bucket-$TOKEN"}
service: {readiness_probe: {path: /, headers: {Authorization: Bearer $TOKEN}}}
"""


def test_a_secret_stays_a_reference_in_what_is_stored_and_shown():
    task = load(WITH_SECRETS, secrets={"LATER": "x"})
    assert SECRET not in f"{task!r} {task.model_dump_json()}"
    assert task.file_mounts == {"/d": "s3://bucket-$TOKEN"}


def test_a_secret_is_put_in_its_place_for_who_uses_it():
    task = reveal(load(WITH_SECRETS, secrets={"LATER": "x"}))
    assert task.file_mounts == {"/d": f"s3://bucket-{SECRET}"}
    assert task.service.readiness_probe.headers == {"Authorization": f"Bearer {SECRET}"}


def test_revealing_without_secrets_changes_nothing():
    task = load("envs: {A: a}\nworkdir: $A")
    assert reveal(task) is task


@pytest.mark.parametrize(
    "text",
    [
        f"file_mounts: {{/d/$A: x, /d/{SECRET}: y}}",
        "service: {readiness_probe: $A}",
        "workdir: x\nfile_mounts: {$B: x}",
    ],
)
def test_a_secret_that_makes_the_task_wrong_is_not_told(text):
    task = load(f"secrets: {{A: {SECRET}, B: ~/sky_workdir}}\n{text}\nrun: x")
    with pytest.raises(UsageError, match=r"a secret \(A, B\) in its place") as caught:
        reveal(task)
    told = "".join(traceback.format_exception(caught.value))
    assert SECRET not in told


def test_a_secret_that_stands_elsewhere_too_is_masked_in_messages():
    with pytest.raises(UsageError) as caught:
        load(f"secrets: {{A: {SECRET}}}\nresources: {{cpus: {SECRET}}}")
    assert SECRET not in str(caught.value)
    assert "'***' is not an amount" in caught.value.summary


@pytest.mark.parametrize(
    "secret", ["pa'ss\"word", "pass\\word", "pass  word", "pass\nword", "p\tw x"]
)
def test_a_secret_is_masked_as_messages_write_it(secret):
    with pytest.raises(UsageError) as caught:
        load(json.dumps({"secrets": {"A": secret}, "resources": {"cpus": secret}}))
    assert "'***' is not an amount" in caught.value.summary


# -- variables that have no value yet --------------------------------------------------------------

WAITING = """\
envs: {MODE: , STORE: , PATH: }
file_mounts:
  /a: {name: b, mode: $MODE, store: $STORE}
  5: {source: s3://x, mode: $MODE}
service: {readiness_probe: {path: "${PATH}", post_data: "{$MODE}"}}
run: x
"""


def test_what_waits_for_a_value_is_no_fault(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(WAITING)
    found = examine(path)
    assert found.faults == ()
    assert [m.name for m in found.missing] == ["MODE", "STORE", "PATH"]
    assert found.value.file_mounts["/a"].mode == "MOUNT"


def test_other_faults_beside_it_are_told(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(WAITING + "num_nodes: x\nresources: {cpus: $MODE}\n")
    assert [fault.message for fault in examine(path).faults] == [
        "num_nodes: expected a whole number, got a text",
        "resources.cpus: '$MODE' is not an amount: write 8 or 8+",
    ]


def test_a_value_that_was_given_is_judged():
    with pytest.raises(UsageError, match="unknown value 'MOVE'"):
        load(WAITING, envs={"MODE": "MOVE", "STORE": "s3", "PATH": "/"})
