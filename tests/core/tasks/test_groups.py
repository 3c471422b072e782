"""Files of several tasks."""

from __future__ import annotations

import pytest

from arb.errors import UsageError
from arb.tasks import (
    JobGroup,
    Overrides,
    Pipeline,
    Task,
    examine,
    load_document,
    load_task,
    load_text,
)

PIPELINE = "name: steps\n---\nname: a\nenvs: {X: }\nrun: a\n---\nrun: b\nenvs: {X: file}\n"
GROUP = """\
name: rl
execution: parallel
primary_tasks: [learner]
termination_delay: {default: 30s, buffer: 2m}
inter_connection: false
---
name: learner
run: learn
---
name: buffer
run: buffer
---
name: actor
run: act
"""


def load(text, **over):
    return load_text(text, "f.yaml", Overrides(**over))


def test_a_pipeline_keeps_its_order():
    found = load(PIPELINE, envs={"X": "line"})
    assert isinstance(found, Pipeline)
    assert (found.name, [task.run for task in found.tasks]) == ("steps", ["a", "b"])


def test_variables_of_the_command_line_count_for_every_task():
    assert [t.envs for t in load(PIPELINE, envs={"X": "l"}).tasks] == [{"X": "l"}, {"X": "l"}]


def test_a_pipeline_may_go_without_a_header():
    found = load("run: a\n---\nrun: b\n")
    assert (found.name, len(found.tasks)) == ("", 2)


def test_empty_documents_are_no_tasks():
    assert isinstance(load("---\nrun: a\n---\n# nothing\n---\n"), Task)


def test_a_name_alone_is_a_task_and_no_header():
    assert load("name: desk\n").name == "desk"


def test_a_group_says_who_decides_and_how_long_others_go_on():
    found = load(GROUP)
    assert isinstance(found, JobGroup)
    assert (found.name, found.primary_tasks, found.inter_connection) == ("rl", ("learner",), False)
    assert [found.delay_s(name) for name in ("learner", "buffer", "actor")] == [30, 120, 30]


def test_a_group_without_a_delay_ends_at_once():
    assert load("name: g\nexecution: parallel\n---\nname: a\nrun: a\n").delay_s("a") == 0


def test_faults_of_all_documents_are_told_at_once():
    with pytest.raises(UsageError) as caught:
        load("name: g\n---\nrum: a\n---\nrun: b\nresources: {cpus: x}\n")
    assert caught.value.summary.splitlines() == [
        "f.yaml:3:1: unknown key 'rum': did you mean 'run'?",
        "f.yaml:6:13: resources.cpus: 'x' is not an amount: write 8 or 8+",
    ]


def test_variables_without_a_value_are_named_once_for_all_tasks():
    with pytest.raises(UsageError) as caught:
        load("envs: {A: }\n---\nenvs: {A: , B: }\nsecrets: {S: }\n")
    assert caught.value.hint == "--env A=... --env B=... --secret S"


def test_a_name_on_the_command_line_is_the_groups():
    assert load(GROUP, name="other").name == "other"
    found = load(PIPELINE, name="other", envs={"X": "x"})
    assert (found.name, found.tasks[0].name) == ("other", "a")


def test_options_about_one_task_do_not_count_for_several(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_text(PIPELINE)
    found = examine(path, Overrides(infra="local", num_nodes=2, envs={"X": "x"}))
    assert {task.num_nodes for task in found.tasks} == {1}
    assert [note.message for _, note in found.notes] == [
        "--num-nodes, --infra: left out of account, as the file has several tasks"
    ]


def test_unknown_names_are_told_at_the_key_that_has_them():
    with pytest.raises(UsageError) as caught:
        load(
            "name: g\nexecution: parallel\nprimary_tasks: [x]\ntermination_delay: {y: 1}\n---\nname: a\n"
        )
    assert [line.split(": ")[0] for line in caught.value.summary.splitlines()] == [
        "f.yaml:3:1",
        "f.yaml:4:1",
    ]


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text):
        path = tmp_path / "f.yaml"
        path.write_text(text)
        return path.relative_to(tmp_path)

    return write


@pytest.mark.parametrize(
    ("text", "how"),
    [("run: a\n---\nrun: b\n", "one after the other"), (GROUP, "at the same time")],
    ids=["pipeline", "group"],
)
def test_what_runs_one_task_names_what_runs_several(file, text, how):
    path = file(text)
    with pytest.raises(UsageError) as caught:
        load_task(path)
    assert caught.value.summary.startswith("f.yaml holds ")
    assert f"to run {how}; this runs one" in caught.value.summary
    assert caught.value.hint == "several tasks are run by arb-jobs: arb jobs launch f.yaml"
    assert len(load_document(path).tasks) > 1


def test_a_pipeline_of_one_is_run_under_the_pipelines_name(file):
    assert load_task(file("name: only\n---\nname: a\nrun: x\n")).name == "only"
    assert load_task(file("name: only\nexecution: serial\n---\nrun: x\n")).name == "only"
