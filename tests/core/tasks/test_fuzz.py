"""Whatever a task file holds: a task, or an error that says what is wrong. Never a traceback."""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
from pathlib import Path

import jsonschema
from hypothesis import given
from hypothesis import strategies as st

from arb.errors import UsageError
from arb.tasks import Overrides, Task, load_task, load_text
from arb.tasks.faults import model_of
from arb.tasks.schema import task_schema
from arb.tasks.show import as_documents, as_yaml

DATA = Path(__file__).parent / "data"
FIXTURES = [path.read_text() for path in sorted(DATA.rglob("*.yaml"))]
VALIDATOR = jsonschema.Draft202012Validator(task_schema())
SECRET = "s3cr3t-value"


def every_key() -> list[str]:
    """Return the keys of all models below ``Task``."""
    found: dict[str, None] = {}
    pending, seen = [Task], set()
    while pending:
        model = pending.pop()
        seen.add(model)
        for name, field in model.model_fields.items():
            found[name] = None
            below = model_of(field.annotation, field.metadata)
            if below is not None and below not in seen:
                pending.append(below)
    return list(found)


KEYS = [*every_key(), "execution", "primary_tasks", "gpus", "<<", "rum", "1", "", "_x"]
TEXTS = [
    "H100:8", "80GB+", "NVIDIA:80GB:2", "8+", "4x", "16GB", "local/a/b", "*/x", "k8s/a/b", "8080",
    "8000-8010", "docker:x", "s3://b/p", "$A", "${A}", "2h", "1h30m", "2031-01-01", "prefer",
    "MOUNT", "secrets:A", "-", "~", "parallel",
]  # fmt: skip
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.dates(),
    st.sampled_from(TEXTS),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), scalars), inner, max_size=4),
    ),
    max_leaves=12,
)
overrides = st.builds(
    Overrides,
    name=st.sampled_from(["", "x", "a b"]),
    infra=st.sampled_from(["", "local", "a/b/c/d", "//", "none"]),
    gpus=st.sampled_from(["", "H100", "H100:", ":", "H100:x", "none"]),
    cpus=st.sampled_from(["", "8+", "x"]),
    memory=st.sampled_from(["", "4x", "x"]),
    use_spot=st.sampled_from([None, True, "prefer", "x"]),
    ports=st.sampled_from([(), ("80",), ("x",), ("none",)]),
    envs=st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2),
    secrets=st.dictionaries(st.text(max_size=4), st.just(SECRET), max_size=2),
)


def build(text: str, over: Overrides) -> None:
    """Load, and go through everything that is done with what was loaded."""
    refused = None
    try:
        loaded = load_text(text, "task.yaml", over)
    except UsageError as error:
        refused = error
    if refused is not None:
        assert SECRET not in f"{refused.summary} {refused.hint}"
        return
    tasks = [loaded] if isinstance(loaded, Task) else loaded.tasks
    shown = as_yaml(as_documents(loaded))
    assert SECRET not in f"{shown} {loaded!r}"
    for task in tasks:
        again = Task.model_validate_json(task.model_dump_json())
        assert again.resources.alternatives() == task.resources.alternatives()


def dump(documents: list[object]) -> str:
    import yaml

    return yaml.safe_dump_all(documents, sort_keys=False)


@given(document=st.dictionaries(st.sampled_from(KEYS), values, max_size=5), over=overrides)
def test_any_values_under_known_keys(document, over):
    build(dump([document]), over)


@given(document=values)
def test_any_yaml(document):
    build(dump([document]), Overrides())


@given(documents=st.lists(st.dictionaries(st.sampled_from(KEYS), values, max_size=3), max_size=3))
def test_any_documents(documents):
    build(dump(documents), Overrides())


@given(
    text=st.sampled_from(FIXTURES),
    path=st.lists(st.integers(0, 7), max_size=5),
    value=values,
    over=overrides,
)
def test_a_fixture_with_another_value_somewhere(text, path, value, over):
    import yaml

    with contextlib.suppress(yaml.YAMLError):
        documents = list(yaml.safe_load_all(text))
        build(dump(replaced(documents, path, value)), over)


def replaced(tree: object, path: list[int], value: object) -> list[object]:
    """Return a copy with another value where the path leads."""
    root = copy.deepcopy(tree)
    place = root
    for step in path:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        if not keys:
            break
        key = keys[step % len(keys)]
        if step == path[-1] or not isinstance(place[key], dict | list):
            place[key] = value
            break
        place = place[key]
    return root


@given(
    text=st.sampled_from(FIXTURES),
    at=st.floats(0, 1),
    length=st.integers(0, 12),
    put=st.one_of(
        st.text(max_size=6), st.sampled_from([": ", "\n  ", "- ", "{", "[", "&a ", "*a"])
    ),
)
def test_a_fixture_with_other_characters_somewhere(text, at, length, put):
    start = int(at * len(text))
    build(text[:start] + put + text[start + length :], Overrides())


PIECES = [
    "run",
    ":",
    " ",
    "\n",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "&a ",
    "*a",
    "!!int ",
    "'",
    '"',
    "|",
    "?",
]
PIECES += ["<<", "x", "1", "~", "---", "%", "\t", "#", "@", "resources", "envs", "secrets", ","]


@given(text=st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_any_text(text):
    build(text, Overrides())


@given(data=st.binary(max_size=40))
def test_any_bytes(data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_bytes(data)
    with contextlib.suppress(UsageError):
        load_task(path)


@given(text=st.sampled_from(FIXTURES), path=st.lists(st.integers(0, 7), max_size=4), value=scalars)
def test_what_loads_is_what_the_schema_takes(text, path, value):
    import yaml

    with contextlib.suppress(yaml.YAMLError, UsageError):
        for document in replaced(list(yaml.safe_load_all(text)), path, value):
            load_text(dump([document]), "task.yaml")
            assert VALIDATOR.is_valid(as_an_editor_sees_it(document))


def as_an_editor_sees_it(value):
    """Return a document as JSON has it: keys and times are texts."""
    if isinstance(value, dict):
        return {str(key): as_an_editor_sees_it(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_an_editor_sees_it(item) for item in value]
    return str(value) if isinstance(value, dt.date) else value
