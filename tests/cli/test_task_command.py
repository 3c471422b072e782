"""``arb task``: no credentials, no network, nothing loaded but names."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from arb.plugins import PluginTable
from arb.plugins.table import PluginEntry

GOOD = (
    "name: a\nenvs: {MODEL: }\nsecrets: {HF_TOKEN: }\nresources: {infra: k8s, accelerators: T4}\n"
)
GOOD += "file_mounts: {/data: ./data}\nrun: serve $MODEL\n"
BAD = "rum: x\nresources: {gpus: T4}\n"


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """Let one provider be installed."""
    entry = PluginEntry("arb.providers", "local", "arb_local.plugin", "arb-local", "1.0")
    monkeypatch.setattr(PluginTable, "load", lambda *_, **__: PluginTable([entry]))


def write(name, text):
    Path(name).write_text(text)
    return name


# -- check ----------------------------------------------------------------------------------------


def test_a_good_file_says_what_it_needs(cli):
    done = cli("task", "check", write("good.yaml", GOOD))
    assert done.code == 0
    assert done.out.splitlines() == [
        "good.yaml: good",
        "  needs --env MODEL=...",
        "  needs --secret HF_TOKEN",
        "  warning: no plugin named kubernetes is installed: pip install arb-kubernetes",
        "  warning: /data: ./data is not here",
        "  note: good.yaml:5:1: file_mounts: accepted, and not acted upon yet",
    ]


def test_what_is_given_is_needed_no_more(cli):
    done = cli(
        "task", "check", write("good.yaml", GOOD), "--env", "MODEL=m", "--secret", "HF_TOKEN=s"
    )
    assert "needs" not in done.out


def test_every_file_is_told_and_one_bad_one_decides_the_exit_code(cli):
    write("good.yaml", "run: x\n")
    done = cli("task", "check", "good.yaml", write("bad.yaml", BAD), "gone.yaml")
    assert done.code == 2
    assert done.out.splitlines() == [
        "good.yaml: good",
        "bad.yaml: 2 faults",
        "  bad.yaml:1:1: unknown key 'rum': did you mean 'run'?",
        "  bad.yaml:2:13: 'gpus' is no longer a key: write accelerators",
        "gone.yaml: 1 fault",
        "  cannot read gone.yaml: No such file or directory",
    ]


def test_the_report_as_json(cli):
    write("bad.yaml", BAD)
    done = cli("task", "check", write("good.yaml", GOOD), "bad.yaml", "--json")
    good, bad = done.json
    assert done.code == 2
    assert good == {
        "file": "good.yaml",
        "valid": True,
        "tasks": 1,
        "errors": [],
        "missing": ["--env MODEL", "--secret HF_TOKEN"],
        "warnings": [
            "no plugin named kubernetes is installed: pip install arb-kubernetes",
            "/data: ./data is not here",
        ],
        "notes": [
            {
                "where": "good.yaml:5:1",
                "message": "file_mounts: accepted, and not acted upon yet",
            }
        ],
    }
    assert (bad["valid"], bad["tasks"]) == (False, 0)
    assert bad["errors"][0]["where"] == "bad.yaml:1:1"


def test_what_is_no_yaml_has_a_place_too(cli):
    (report,) = cli("task", "check", write("a.yaml", "a: b: c\n"), "--json").json
    assert report["errors"] == [
        {
            "where": "a.yaml:1:5",
            "message": "not valid YAML: mapping values are not allowed in this context",
        }
    ]


def test_a_file_of_several_tasks_is_good(cli):
    done = cli("task", "check", write("p.yaml", "run: a\n---\nrun: b\n"))
    assert (done.code, done.out) == (0, "p.yaml: good, 2 tasks\n")


def test_an_accelerator_that_nobody_has_heard_of_is_a_warning(cli):
    text = "resources: {accelerators: {h1oo: 8, L4O: 1, RTX_4090: 1, tpu-v5litepod-8: 1}}\nrun: x\n"
    done = cli("task", "check", write("t.yaml", text))
    assert done.code == 0
    first, second = [line.strip() for line in done.out.splitlines() if "accelerator" in line]
    assert first.startswith("warning: unknown accelerator 'h1oo': known are A10, A100, ")
    assert first.endswith(" more")
    assert second == "warning: unknown accelerator 'L4O': did you mean 'L4'?"


def test_an_installed_provider_is_no_warning(cli):
    done = cli("task", "check", write("l.yaml", "resources: {infra: local}\nrun: x\n"))
    assert done.out == "l.yaml: good\n"


def test_with_plugins_switched_off_none_is_installed(cli):
    write("l.yaml", "resources: {infra: local}\nrun: x\n")
    assert "no plugin named local" in cli("--no-plugins", "task", "check", "l.yaml").out


def test_a_workdir_that_is_not_here_is_a_warning(cli):
    done = cli("task", "check", write("w.yaml", "workdir: ./nowhere\nrun: x\n"))
    assert done.out.splitlines()[1] == "  warning: workdir: ./nowhere is not a folder here"


# -- schema ---------------------------------------------------------------------------------------


def test_the_schema_is_one(cli):
    schema = cli("task", "schema").json
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["properties"]["run"]["description"] == "Shell commands that are the task."
    assert cli("task", "schema", "--json").json == schema


# -- show -----------------------------------------------------------------------------------------


def test_a_task_is_shown_as_it_was_understood(cli):
    text = """\
envs: {V: 1, MODEL: }
secrets: {KEY: s3cr3t-value}
workdir: ./x-$V
run: |
  one
  two
resources: {memory: 64GB+, ports: [81, 80], ordered: [{cloud: K8S}, {infra: "*/r", use_spot: prefer}]}
"""
    done = cli("task", "show", write("t.yaml", text))
    assert done.code == 0
    assert (
        done.out
        == """\
workdir: ./x-1
resources:
  memory: 64+
  ports:
  - 80-81
  ordered:
  - cloud: kubernetes
  - infra: '*/r'
    use_spot: prefer
run: |
  one
  two
envs:
  V: '1'
  MODEL: null
secrets:
  KEY: '***'
# Machines for this task, the preferred first:
#   1. kubernetes, 64+ GiB, on-demand
#   2. */r, 64+ GiB, spot or on-demand
"""
    )
    assert done.err == "t.yaml:1:14: give it with --env MODEL=...\n"


def test_a_shown_task_as_json(cli):
    text = "resources: {accelerators: ['H100:8', '80GB+'], max_hourly_cost: 3}\nrun: x\n"
    done = cli("task", "show", write("t.yaml", text), "--json")
    assert done.json["documents"] == [
        {"resources": {"accelerators": ["H100:8", "80GB+:1"], "max_hourly_cost": 3}, "run": "x"}
    ]
    assert done.json["alternatives"] == [
        [
            {"preference": 0, "accelerator": "H100", "count": "8", "spot": "false",
             "max_price_usd_hour": 3, "path": ["resources"]},
            {"preference": 1, "count": "1", "accelerator_gib": "80+", "spot": "false",
             "max_price_usd_hour": 3, "path": ["resources"]},
        ]
    ]  # fmt: skip


def test_a_file_of_several_tasks_is_shown_whole(cli):
    text = "name: g\nexecution: parallel\n---\nname: a\nrun: a\n---\nname: b\nrun: b\n"
    done = cli("task", "show", write("t.yaml", text))
    assert (
        done.out
        == """\
name: g
execution: parallel
---
name: a
run: a
---
name: b
run: b
# Machines for a, the preferred first:
#   1. anywhere, on-demand
# Machines for b, the preferred first:
#   1. anywhere, on-demand
"""
    )


def test_what_is_shown_is_a_task_file_whatever_its_names_hold(cli):
    text = 'run: good\nresources: {instance_type: "a\\nrun: evil", region: "\\e[31m"}\n'
    shown = cli("task", "show", write("t.yaml", text)).out
    assert cli("task", "show", write("again.yaml", shown)).out == shown
    assert "\nrun: evil" not in shown
    assert "\x1b" not in shown


def test_a_bad_file_is_not_shown(cli):
    done = cli("task", "show", write("t.yaml", BAD))
    assert (done.code, done.out) == (2, "")
    assert "t.yaml:1:1: unknown key 'rum'" in done.err
    assert "t.yaml:2:13: 'gpus' is no longer a key" in done.err


def test_a_secret_is_shown_by_no_command(cli):
    text = (
        "secrets: {KEY: s3cr3t-value}\nservice: {readiness_probe: {path: /, headers: {A: $KEY}}}\n"
    )
    write("t.yaml", text)
    for arguments in (["show"], ["show", "--json"], ["check"], ["check", "--json"]):
        done = cli("task", *arguments, "t.yaml", "--secret", "OTHER=s3cr3t-value")
        assert done.code == 0
        assert "s3cr3t-value" not in done.out + done.err


def test_a_home_that_nobody_has_is_a_warning_and_no_failure(cli):
    done = cli("task", "check", write("t.yaml", "workdir: ~nobody-at-all/x\nrun: x\n"))
    assert (done.code, done.out.splitlines()[0]) == (0, "t.yaml: good")
