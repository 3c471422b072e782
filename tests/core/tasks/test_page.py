"""The page of task files says what is so."""

from __future__ import annotations

import re
from pathlib import Path

from arb.tasks import SpotUse, examine, load_text
from arb.tasks.acted import ACTED

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "tasks.md").read_text()


def test_the_example_of_the_page_is_good(tmp_path):
    path = tmp_path / "example.yaml"
    path.write_text(re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1])
    found = examine(path)
    assert found.faults == ()
    assert [f"{m.option} {m.name}" for m in found.missing] == ["--secret HF_TOKEN"]
    (task,) = found.tasks
    assert {a.spot for a in task.resources.alternatives()} == {SpotUse.PREFER}
    assert len(task.resources.alternatives()) == 4


def test_every_key_has_a_row_that_says_who_acts_on_it():
    for key, commands in ACTED.items():
        name = key.rpartition(".")[2]
        acting = ", ".join(commands.split()) or "none yet"
        if name != "docker":  # a value's part, told with its key
            assert re.search(rf"^\| `{name}` \|.*\| {acting} \|$", PAGE, re.MULTILINE), key


def test_what_the_page_says_is_accepted_is():
    for text in ("accelerators: H100:2+", "use_spot: prefer", "cloud: k8s", "disk_size: 1.5TB"):
        load_text(f"resources: {{{text}}}", "t")
