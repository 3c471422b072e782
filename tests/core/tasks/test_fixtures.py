"""Whole task files: one a key or form, good ones and, in ``bad``, ones with a single fault."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import jsonschema
import pytest
import yaml  # noqa: TID253 - what an editor reads with

from arb.tasks import Overrides, Task, examine, load_text
from arb.tasks.schema import task_schema
from arb.tasks.show import as_documents, as_yaml

DATA = Path(__file__).parent / "data"
GOOD = sorted(DATA.glob("*.yaml"))
BAD = sorted(DATA.glob("bad/*.yaml"))

# Faults that lie between keys, between documents, in numbers behind a text, or in the YAML itself.
BEYOND_A_SCHEMA = {
    "both-places-in-an-entry",
    "disk-fraction",
    "duration",
    "group-same-name",
    "group-task-without-name",
    "group-unknown-task",
    "group-without-name",
    "header-alone",
    "key-of-a-kind",
    "mount-over-workdir",
    "network-disk",
    "place-too-deep",
    "probe-json",
    "replicas-backwards",
    "secret-with-value",
    "storage-preset",
    "tag",
    "twice",
    "two-images",
}
# A header's unknown keys cost a note: only the file as a whole shows that it is a header.
STRICTER_SCHEMA = {"group-small"}


@pytest.fixture(scope="module")
def validator():
    schema = task_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture
def here(monkeypatch):
    monkeypatch.chdir(DATA)


def documents(path):
    """Return the documents as an editor sees them: times are texts."""
    return [_as_json(document) for document in yaml.safe_load_all(path.read_text()) if document]


def _as_json(value):
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    return str(value) if isinstance(value, dt.date) else value


def tasks(loaded):
    return [loaded] if isinstance(loaded, Task) else loaded.tasks


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_file_is_good(path, here):
    assert examine(Path(path.name)).faults == ()


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_the_schema_takes_a_good_file(path, validator):
    good = all(validator.is_valid(document) for document in documents(path))
    assert good is (path.stem not in STRICTER_SCHEMA)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_what_is_shown_of_a_file_means_the_same(path, here):
    first = examine(Path(path.name)).value
    shown = as_yaml(as_documents(first))
    assert "not-a-real-one" not in shown
    given = {m.name: "x" for m in examine(Path(path.name)).missing}
    envs = {name: "x" for task in tasks(first) for name in given if name in task.envs}
    secrets = {n: "x" for n in given if n not in envs}
    again = load_text(shown, "shown.yaml", Overrides(envs=envs, secrets=secrets))
    for one, other in zip(tasks(first), tasks(again), strict=True):
        assert one.model_dump(exclude={"envs"}) == other.model_dump(exclude={"envs"})
        assert one.resources.alternatives() == other.resources.alternatives()
        assert one.secrets.keys() == other.secrets.keys()


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_loaded_task_comes_back_from_the_state_store(path, here):
    for task in tasks(examine(Path(path.name)).value):
        again = Task.model_validate_json(task.model_dump_json())
        assert again == task.model_copy(update={"secrets": {}})
        assert again.resources.alternatives() == task.resources.alternatives()


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_its_one_fault(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    expected = path.read_text().rpartition("# fault: ")[2].strip()
    told = "\n".join(map(str, examine(Path(path.name)).faults))
    assert expected in told
    assert told.count("\n") == 0
    assert told.startswith(f"{path.name}:")


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_the_schema_refuses_what_a_schema_can_tell(path, validator):
    try:
        found = documents(path)
    except yaml.YAMLError:
        found = []
    refused = any(not validator.is_valid(document) for document in found)
    assert refused is (path.stem not in BEYOND_A_SCHEMA)
