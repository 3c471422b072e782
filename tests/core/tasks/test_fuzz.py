"""Whatever a task file holds: a task, or an error that says what is wrong. Never a traceback."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from arb.errors import UsageError
from arb.tasks import Overrides, load_task, load_text
from arb.tasks.model import Task
from arb.tasks.resources import Resources

settings.register_profile("arb-tasks", database=None, deadline=None, max_examples=150)
settings.load_profile("arb-tasks")

KEYS = [*Task.model_fields, *Resources.model_fields, "<<", "rum", "1", ""]
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.dates(),
    st.sampled_from(["H100:8", "8+", "local/a/b", "8080", "-", "~"]),
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
    name=st.sampled_from(["", "x"]),
    infra=st.sampled_from(["", "local", "a/b/c/d", "//"]),
    gpus=st.sampled_from(["", "H100", "H100:", ":", "H100:x"]),
    use_spot=st.sampled_from([None, True]),
    envs=st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2),
    secrets=st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2),
)


def build(text: str, over: Overrides) -> None:
    with contextlib.suppress(UsageError):
        loaded = load_text(text, "task.yaml", over)
        for task in [loaded] if isinstance(loaded, Task) else loaded.tasks:
            Task.model_validate_json(task.model_dump_json())


@given(document=st.dictionaries(st.sampled_from(KEYS), values, max_size=5), over=overrides)
def test_any_values_under_known_keys(document, over):
    import yaml

    build(yaml.safe_dump(document), over)


@given(document=values)
def test_any_yaml(document):
    import yaml

    build(yaml.safe_dump(document), Overrides())


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
