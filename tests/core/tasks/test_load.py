"""Task files: what is accepted, and what is said about what is not."""

from __future__ import annotations

import json
import textwrap

import pytest

from arb.errors import UsageError
from arb.tasks import Overrides, Task, load_task, load_text, task_from_command


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load a task from text; the file is called ``task.yaml``."""
    monkeypatch.chdir(tmp_path)

    def from_text(text: str, **overrides: object) -> Task:
        from pathlib import Path

        Path("task.yaml").write_text(textwrap.dedent(text))
        return load_task(Path("task.yaml"), Overrides(**overrides))

    return from_text


@pytest.fixture
def fault(load):
    """Load a task that is wrong; return the error."""

    def from_text(text: str, **overrides: object) -> UsageError:
        with pytest.raises(UsageError) as caught:
            load(text, **overrides)
        return caught.value

    return from_text


def test_every_key_of_the_minimal_form_is_read(load):
    task = load(
        """\
        name: train
        workdir: .
        num_nodes: 2
        envs: {A: x, N: 1, F: 1.5, B: true, E: ""}
        secrets: {TOKEN: s3cret}
        setup: pip install torch
        run: |
          python train.py
        resources:
          cloud: local
          region: here
          zone: a
          instance_type: big
          accelerators: H100:8
          cpus: 8+
          memory: 64
          use_spot: true
          ports: [8080, "9000-9010"]
        """
    )
    assert (task.name, task.workdir, task.num_nodes) == ("train", ".", 2)
    assert task.envs == {"A": "x", "N": "1", "F": "1.5", "B": "True", "E": ""}
    assert task.secrets == {"TOKEN": "s3cret"}
    assert (task.setup, task.run) == ("pip install torch", "python train.py\n")
    wanted = task.resources
    assert wanted.place == ("local", "here", "a")
    assert (wanted.instance_type, wanted.use_spot) == ("big", True)
    assert str(wanted.accelerators) == "H100:8"
    assert (wanted.cpus.value, wanted.cpus.at_least) == (8, True)
    assert (wanted.memory.value, wanted.memory.at_least) == (64, False)
    assert wanted.ports == ("8080", "9000-9010")


def test_empty_keys_are_as_if_they_were_not_there(load):
    assert load("run:\nsetup:\nresources:\nenvs:\n") == Task()
    assert load("resources: {cloud: , ports: , image_id: }") == Task()


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "{}", "---\n---\n"])
def test_a_file_without_a_task_is_refused(fault, text):
    assert fault(text).summary == "task.yaml: it holds no task: write at least run"


@pytest.mark.parametrize(
    ("infra", "place"),
    [
        ("local", ("local", "", "")),
        ("AWS/us-east-1", ("aws", "us-east-1", "")),
        ("aws/us-east-1/us-east-1a", ("aws", "us-east-1", "us-east-1a")),
        ("aws/*/us-east-1a", ("aws", "", "us-east-1a")),
        ("*", ("", "", "")),
        ("*/us-east-1", ("", "us-east-1", "")),
    ],
)
def test_infra_names_provider_region_and_zone(load, infra, place):
    assert load(f"resources: {{infra: '{infra}'}}").resources.place == place


@pytest.mark.parametrize(
    ("text", "shown"),
    [("H100", "H100:1"), ("H100:8", "H100:8"), ("{H100: 8}", "H100:8"), ("A100:0.5", "A100:0.5")],
)
def test_accelerators(load, text, shown):
    assert str(load(f"resources: {{accelerators: {text}}}").resources.accelerators) == shown


@pytest.mark.parametrize(
    ("amount", "yes", "no"), [("8", [8], [7, 9]), ("8+", [8, 9], [7]), ("1.5", [1.5], [1, 2])]
)
def test_amounts(load, amount, yes, no):
    cpus = load(f"resources: {{cpus: {amount}}}").resources.cpus
    assert all(cpus.admits(value) for value in yes)
    assert not any(cpus.admits(value) for value in no)


# -- the command line over the file --------------------------------------------------------------


def test_the_command_line_wins(load):
    task = load(
        """\
        name: file
        num_nodes: 1
        envs: {A: file, B: file}
        secrets: {S: file}
        resources: {cloud: aws, region: x, accelerators: A100, use_spot: true, cpus: 4}
        """,
        name="line",
        num_nodes=3,
        workdir="/w",
        infra="local/here",
        gpus="H100:2",
        use_spot=False,
        envs={"A": "line"},
        secrets={"S": "line"},
    )
    assert (task.name, task.num_nodes, task.workdir) == ("line", 3, "/w")
    assert task.envs == {"A": "line", "B": "file"}
    assert task.secrets == {"S": "line"}
    assert task.resources.place == ("local", "here", "")
    assert str(task.resources.accelerators) == "H100:2"
    assert task.resources.use_spot is False
    assert task.resources.cpus.value == 4


def test_a_variable_given_as_a_secret_is_no_plain_one_any_more(load):
    task = load("envs: {TOKEN: null}", secrets={"TOKEN": "s3cret"})
    assert task.envs == {}
    assert task.secrets == {"TOKEN": "s3cret"}


def test_a_command_is_a_task():
    task = task_from_command("nvidia-smi", Overrides(infra="local"))
    assert (task.run, task.setup, task.resources.place[0]) == ("nvidia-smi", "", "local")


# -- what is wrong, and where ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("rum: x", "task.yaml:1:1: unknown key 'rum': did you mean 'run'?"),
        (
            "run: x\nresources:\n  acelerators: H100\n",
            "task.yaml:3:3: unknown key 'acelerators': did you mean 'accelerators'?",
        ),
        ("num_nodes: 0", "task.yaml:1:1: num_nodes: must be at least 1"),
        ("a: 1\na: 2", "task.yaml:2:1: 'a' stands twice"),
        ("envs:\n  A: 1\n  A: 2\n", "task.yaml:3:3: 'A' stands twice"),
        ("- run", "task.yaml:1:1: expected a map of keys, got a list"),
        ("just text", "task.yaml:1:1: expected a map of keys, got a text"),
        ("name: 'a b'", "task.yaml:1:1: name: 'a b' is not a name"),
        ("envs: {1X: y}", "task.yaml:1:1: envs: '1X' is not a variable name"),
        ("secrets: {A: x, s3-cret: }", "task.yaml:1:1: secrets: entry 2 is not a variable name"),
        ("envs: {A: [1]}", "task.yaml:1:1: envs: A: a variable is one value, not a list"),
        ("resources: {cpus: many}", "task.yaml:1:13: resources.cpus: 'many' is not an amount"),
        ("resources: {accelerators: 'H100:x'}", "'H100:x' is not an accelerator"),
        ("resources: {accelerators: 'H100:0'}", "the count must be above 0"),
        ("resources: {accelerators: {H100: 0}}", "the count must be above 0"),
        ("resources: {accelerators: {H100: .inf}}", "the count must be above 0"),
        ("resources: {ports: http}", "'http' is not a port"),
        ('resources: {ports: "\\x1f"}', "is not a port"),
        ("resources: {ports: 99999}", "'99999' is not a port"),
        ("resources: {ports: 9010-9000}", "'9010-9000' is not a port"),
        ("resources: {infra: local, cloud: aws}", "infra excludes cloud, region and zone"),
        ("resources: H100", "task.yaml:1:1: resources: expected a map of keys, got a text"),
        ("resources: [H100]", "task.yaml:1:1: resources: expected a map of keys, got a list"),
        ("secrets: [A]", "task.yaml:1:1: secrets: a list holds names such as secrets:TOKEN"),
        ("run: [a, b]", "task.yaml:1:1: run: expected a text, got a list"),
        ("run: 'x\n", "task.yaml:2:1: not valid YAML"),
        ("a: b: c", "task.yaml:1:5: not valid YAML"),
        ("name: a\nresources:\n\tcpus: 4\n", "task.yaml:3:1: not valid YAML: a tab cannot indent"),
        ("run: !!python/object:os.system x", "task.yaml:1:6: not valid YAML"),
    ],
)
def test_a_fault_is_told_with_its_place(fault, text, summary):
    error = fault(text)
    assert summary in error.summary
    assert error.exit_code == 2


def test_several_faults_are_told_at_once(fault):
    error = fault("nam: x\nnum_nodes: many\nresources:\n  cpus: lots\n  regoin: y\n")
    assert [line.split(": ")[0] for line in sorted(error.summary.splitlines())] == [
        "task.yaml:1:1",
        "task.yaml:2:1",
        "task.yaml:4:3",
        "task.yaml:5:3",
    ]


def test_every_variable_without_a_value_is_named_at_once(fault):
    error = fault("envs: {A: null, B: x}\nsecrets:\n  S:\n  T:\n")
    assert error.summary == "task.yaml:1:8: no value for A\ntask.yaml:3:3: no value for S, T"
    assert error.hint == "--env A=... --secret S --secret T"


def test_a_wrong_kind_in_the_file_is_told_also_when_the_line_adds_to_it(fault):
    assert "envs" in fault("envs: [A]", envs={"B": "x"}).summary


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read .*no\.yaml: No such file"):
        load_task(tmp_path / "no.yaml")


def test_a_folder_is_no_task(tmp_path):
    with pytest.raises(UsageError, match="Is a directory"):
        load_task(tmp_path)


def test_files_of_other_systems_are_read(load):
    assert load("\ufeffname: a\r\nrun: |\r\n  x\r\n  y\r\n").run == "x\ny\n"


def test_characters_that_are_none_are_refused():
    with pytest.raises(UsageError, match="it holds characters that are none"):
        load_text("run: \ud800", "t")


def test_a_message_quotes_no_whole_file(fault):
    told = fault(f"resources: {{cpus: {'many ' * 10_000}}}").summary
    assert len(told) < 1000
    assert told.startswith("task.yaml:1:13: resources.cpus: 'many many")
    assert told.endswith("is not an amount: write 8 or 8+")


def test_a_message_is_one_line(fault):
    assert fault('file_mounts: {"a\\nb": 5}').summary.count("\n") == 0


def test_bytes_are_no_task(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_bytes(b"\xff\xfe\x00run")
    with pytest.raises(UsageError, match="not UTF-8"):
        load_task(path)


def test_nested_aliases_do_not_explode(fault):
    lines = ["a0: &a0 x"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    assert "its aliases make it endless, or too large" in fault("\n".join(lines)).summary


def test_an_alias_of_itself_is_refused(fault):
    assert fault("envs: &e {A: *e}").exit_code == 2


@pytest.mark.parametrize(
    "text",
    [
        "[" * 3000,
        "[" * 1_000_000,
        "{a: " * 100_000,
        "\n" + "- " * 100_000 + "a",
        "[" * 150 + "]" * 150,
    ],
)
def test_a_deep_file_is_refused(fault, text):
    assert "nested too deeply" in fault("envs: " + text).summary


@pytest.mark.parametrize("key", ["workdir", "file_mounts", "setup"])
def test_a_file_that_aliases_make_deep_is_refused(fault, key):
    lines = ["_0: &0 " + "[" * 50 + "]" * 50]
    lines += [f"_{n}: &{n} {'[' * 50}*{n - 1}{']' * 50}" for n in range(1, 30)]
    assert "nested too deeply" in fault("\n".join([*lines, f"{key}: {{a: *29}}"])).summary


def test_a_file_of_very_many_values_is_refused_before_they_are_built(fault):
    told = fault(f"setup: [{'a,' * 150_000}]").summary
    assert "holds more than 100,000 values" in told


def test_a_file_without_end_is_refused(tmp_path):
    path = tmp_path / "t.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UsageError, match=r"larger than 10 MB.*workdir") as caught:
        load_task(path)
    assert caught.value.code == "task-too-large"


# -- secrets ------------------------------------------------------------------------------------

SECRET = "s3cr3t-value"


def test_a_secret_in_the_place_of_its_name_is_not_repeated(fault):
    told = fault(f"secrets:\n  {SECRET}: 1\n  {SECRET}: 2\n").summary
    assert told == "task.yaml:3:3: a name stands twice"


def test_a_secret_is_in_no_dump_and_no_repr(load):
    task = load(f"secrets: {{TOKEN: {SECRET}}}", secrets={"OTHER": SECRET})
    for text in (repr(task), str(task), task.model_dump_json(), str(task.model_dump())):
        assert SECRET not in text
    assert SECRET not in repr(Overrides(secrets={"A": SECRET}))
    assert task.secrets == {"TOKEN": SECRET, "OTHER": SECRET}


@pytest.mark.parametrize(
    ("url", "stored"),
    [
        (f"https://user:{SECRET}@host/x.git", "https://***@host/x.git"),
        (f"https://{SECRET}@host/x.git", "https://***@host/x.git"),
        (f"HTTPS://{SECRET}:x-oauth-basic@host", "HTTPS://***@host"),
        (f"https://user:p@{SECRET}@host", "https://***@host"),
        (f"ssh://git:{SECRET}@host/x", "ssh://***@host/x"),
        ("ssh://git@host/x", "ssh://git@host/x"),
        ("git@host:x.git", "git@host:x.git"),
        ("https://user:$TOKEN@host/x", "https://user:$TOKEN@host/x"),
        ("https://${TOKEN}@host/x", "https://${TOKEN}@host/x"),
        ("https://host/a@b", "https://host/a@b"),
    ],
)
def test_a_password_in_an_address_is_stored_and_shown_nowhere(load, url, stored):
    task = load(f"workdir: {{url: '{url}'}}")
    assert task.workdir.url == url
    assert json.loads(task.model_dump_json())["workdir"]["url"] == stored
    assert SECRET not in f"{task!r} {task}"


@pytest.mark.parametrize(
    "text",
    [
        f"secrets: {SECRET}",
        f"secrets: [{SECRET}]",
        f"secrets: {{A: [{SECRET}]}}",
        f"secrets: {{A: {{B: {SECRET}}}}}",
        f"secrets: {{A: {SECRET}}}\nnum_nodes: 0",
        f"secrets: {{A: {SECRET}, A: {SECRET}}}",
        f"secrets:\n  A: '{SECRET}\n",
        f"secrets: {{A: !!int {SECRET}}}",
        f"secrets: {{A: {SECRET}}}: x",
        f"secrets: {{A: !!timestamp {SECRET}}}",
        f"secrets: {{A: !!float {SECRET}}}",
    ],
)
def test_a_secret_is_in_no_message(fault, text):
    error = fault(text)
    assert SECRET not in f"{error.summary} {error.hint} {error}"
