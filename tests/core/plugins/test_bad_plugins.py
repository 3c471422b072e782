"""Bad plugins of every kind, installed as distributions beside a good one, in a process of their own.

Each costs exactly one warning line that names its distribution and the hook, and nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import importlib_metadata
import pytest

pytestmark = pytest.mark.usefixtures("site")

SCRIPT = """
import json, os, sys
from pathlib import Path
import pandas  # before the fork: it costs more than the rest
from arb.plugins import Plugins, PluginSettings, calls, results

for line in sys.stdin:
    site, out, *sys.argv[1:] = json.loads(line)
    process = os.fork()
    if not process:
        for fd, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{out}/{name}", os.O_WRONLY | os.O_CREAT), fd)
        sys.path.insert(1, site)
        break
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
else:
    sys.exit()

warned = []
settings = PluginSettings(
    cache_dir=Path(sys.argv[1]) / "cache", data_dir=Path(sys.argv[1]) / "data",
    env=dict(os.environ), home=Path(sys.argv[1]), owner=lambda: "abcd2345",
    limiter=lambda name, budgets: None, disabled=frozenset(sys.argv[2:]), import_budget_s=4,
)
plugins = Plugins(settings, warn=warned.append)
outcomes = []
for question in (lambda p: p.check().summary, lambda p: len(p.catalog().frame)):
    outcomes.append({
        reply.provider: reply.value if reply.error is None else type(reply.error).__name__
        for reply in plugins.ask_all(question)
    })
print(json.dumps({"outcomes": outcomes, "warned": warned}))
"""
"""Forks a process for every line on its standard input, and says how it ended."""
CHECK = "@hookimpl\ndef arb_check(context):\n    "
CATALOG = "@hookimpl\ndef arb_catalog(context):\n    "
QUICK = (
    "@hookimpl\ndef arb_provider_info():\n"
    "    return ProviderInfo('B', frozenset(), hook_budgets_s={'arb_check': 0.5})\n"
)

# What is added to a good provider, and what the one line says after the distribution.
PROVIDERS = {
    "raises-at-import": (
        "raise ValueError('boom')",
        "import of arb_bad failed with ValueError: boom",
    ),
    "missing-module": (
        "import arb_sdk_that_is_not_there",
        (
            "import of arb_bad failed with ModuleNotFoundError: "
            "No module named 'arb_sdk_that_is_not_there'"
        ),
    ),
    "missing-name": (
        "from json import nonsense",
        "import of arb_bad failed with ImportError: cannot import name 'nonsense' from 'json'",
    ),
    "syntax-error": ("def f(:", "import of arb_bad failed with SyntaxError: invalid syntax"),
    "exits-at-import": (
        "import sys; sys.exit(3)",
        "import of arb_bad failed with SystemExit: 3",
    ),
    "hangs-at-import": (
        "import time; time.sleep(60)",
        "import of arb_bad did not end within 4 s",
    ),
    "prints-at-import": ("print('hi')", "import of arb_bad printed to standard output"),
    "raises-in-a-hook": (CHECK + "return 1 / 0", "arb_check raised ZeroDivisionError"),
    "exits-in-a-hook": (CHECK + "raise SystemExit(3)", "arb_check raised SystemExit: 3"),
    "interrupts": (CHECK + "raise KeyboardInterrupt", "arb_check raised KeyboardInterrupt"),
    "recurses": (CHECK + "return arb_check(context)", "arb_check raised RecursionError"),
    "hangs-in-a-hook": (
        QUICK + "import time\n" + CHECK + "time.sleep(60)",
        "arb_check gave no answer within 0.5 s",
    ),
    "prints-in-a-hook": (
        CHECK + "print('{'); return CheckResult(CheckStatus.OK, 'fine')",
        "arb_check printed to standard output",
    ),
    "wrong-type": (CHECK + "return {'ok': True}", "arb_check returned a dict, not CheckResult"),
    "wrong-dtype": (
        "originals = [arb_catalog]\n"
        + CATALOG
        + "c = originals[0](context); c.frame['price_usd_hour'] = '2.50'; return c",
        "arb_catalog returned the column price_usd_hour as ",
    ),
    "missing-column": (
        "originals = [arb_catalog]\n"
        + CATALOG
        + "c = originals[0](context); return Catalog(c.frame.drop(columns='spot'), 'live', 0)",
        "arb_catalog returned a frame without the column spot",
    ),
    "newer-api": ("ARB_API = 99", "needs hook API 99"),
    "no-api": ("del ARB_API", "arb_bad must set ARB_API = 1, not nothing"),
    "keyword-only": (
        "@hookimpl\ndef arb_check(*, context):\n    pass",
        "arb_check has the parameter context, which is not plain and positional",
    ),
    "defaulted": (
        "@hookimpl\ndef arb_check(context=None):\n    pass",
        "arb_check gives the parameter context a default",
    ),
    "misspelt-hook": (
        "@hookimpl\ndef arb_list_instance(context, query):\n    pass",
        "arb_list_instance is not a hook: did you mean arb_list_instances?",
    ),
}
ALWAYS = {
    "answers-for-providers": (
        CHECK + "return None",
        "arb_check may only be wrapped in arb.plugins: write @hookimpl(wrapper=True)",
    ),
    "wrapper-raises": (
        "@hookimpl(wrapper=True)\ndef arb_check():\n    yield\n    raise KeyError('x')",
        "arb_check raised KeyError: 'x'",
    ),
    "always-raises-at-import": (
        "raise ValueError('boom')",
        "import of arb_bad failed with ValueError: boom",
    ),
}


@pytest.fixture(scope="module")
def parent():
    """The process that all are forked from."""
    env = dict(os.environ) | {"PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, text=True) as process:
        yield process
        process.stdin.close()
        assert process.wait(10) == 0


@pytest.fixture
def run(site, tmp_path, parent):
    """Return a function that runs the script and returns what it printed, and how long it took."""

    def run_script():
        start = time.monotonic()
        out = tmp_path / "told"
        out.mkdir()
        order = [str(site.folder), str(out), str(tmp_path), *_installed()]
        parent.stdin.write(json.dumps(order) + "\n")
        parent.stdin.flush()
        code = parent.stdout.readline().strip()
        errors = (out / "err").read_text()
        assert (code, errors) == ("0", "")
        return json.loads((out / "out").read_text()), time.monotonic() - start

    return run_script


def _installed() -> list[str]:
    """Return the providers of this environment, which are no part of the test."""
    return [entry.name for entry in importlib_metadata.entry_points(group="arb.providers")]


@pytest.mark.parametrize(("source", "line"), PROVIDERS.values(), ids=PROVIDERS.keys())
def test_a_bad_provider_costs_one_line_and_never_another(site, run, good_provider, source, line):
    site.install("arb-good", good_provider)
    site.install("arb-bad", f"{good_provider}\n{source}\n", version="0.3")

    result, seconds = run()

    assert [outcome["good"] for outcome in result["outcomes"]] == ["fine", 1]
    assert len(result["warned"]) == 1, result["warned"]
    assert result["warned"][0].startswith(f"arb-bad 0.3: {line}")
    assert seconds < 40, "a hung thread held the exit"


@pytest.mark.parametrize(("source", "line"), ALWAYS.values(), ids=ALWAYS.keys())
def test_a_bad_always_loaded_plugin_costs_one_line(site, run, good_provider, source, line):
    site.install("arb-good", good_provider)
    header = "from arb.hookspecs import hookimpl\nARB_API = 1\n"
    site.install("arb-bad", f"{header}{source}\n", version="0.3", group="arb.plugins")

    result, _ = run()

    assert [outcome["good"] for outcome in result["outcomes"]] == ["fine", 1]
    assert result["warned"] == [f"arb-bad 0.3: {line}"]


def test_a_duplicate_name_costs_one_line_that_names_both(site, run, good_provider):
    site.install("arb-good", good_provider)
    site.install("first", good_provider, name="twin")
    site.install("second", good_provider, name="twin")

    result, _ = run()

    assert [outcome["good"] for outcome in result["outcomes"]] == ["fine", 1]
    assert result["warned"] == [
        (
            "first 1.0 and second 1.0 both provide 'twin' in arb.providers: "
            "neither is used, uninstall one"
        )
    ]


def test_a_stranger_cannot_take_the_name_of_another_provider(site, run, good_provider):
    site.install("arb-good", good_provider)
    site.install("stranger", "raise SystemExit('imported')", name="good")

    result, _ = run()

    assert [outcome["good"] for outcome in result["outcomes"]] == ["fine", 1]
    assert len(result["warned"]) == 1


def test_all_at_once_cost_one_line_each(site, run, good_provider):
    """Every kind of bad provider in one environment: the good one still answers."""
    site.install("arb-good", good_provider)
    for kind, (source, _) in PROVIDERS.items():
        if kind != "hangs-at-import":  # its own test is slow enough
            site.install(f"arb-{kind}", f"{good_provider}\n{source}\n")

    result, _ = run()

    assert [outcome["good"] for outcome in result["outcomes"]] == ["fine", 1]
    named = [line.split(" ")[0] for line in result["warned"]]
    assert sorted(named) == sorted(f"arb-{kind}" for kind in PROVIDERS if kind != "hangs-at-import")


@pytest.fixture
def arb(site, tmp_path):
    """Return a function that runs one command line with the plugins of ``site``."""
    env = dict(os.environ) | {"PYTHONPATH": str(site.folder), "ARB_HOME": str(tmp_path / "home")}
    env.pop("ARB_DEBUG", None)

    def run_command(*arguments):
        command = [sys.executable, "-m", "arb", *arguments]
        return subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=50, check=False
        )

    return run_command


BAD_COMMANDS = {
    "crashes": (
        "@app.command()\ndef run():\n    raise KeyError('boom')",
        "arb odd failed: KeyError: 'boom'",
    ),
    "is-empty": ("", "arb odd failed: RuntimeError: Could not get a command"),
    "is-a-function": ("def app(): pass", "arb odd failed: AttributeError: "),
}


@pytest.mark.parametrize(("source", "told"), BAD_COMMANDS.values(), ids=BAD_COMMANDS.keys())
def test_a_command_that_crashes_is_blamed_on_who_brought_it(site, arb, source, told):
    source = f"import typer\napp = typer.Typer()\n{source}\n"
    site.install("arb-odd", source, group="arb.commands")

    done = arb("odd")

    assert (done.returncode, done.stdout) == (1, "")
    first, hint = done.stderr.splitlines()
    assert first.startswith(f"error: arb-odd 1.0: {told}")
    assert hint == "  run again with ARB_DEBUG=1 and report it to the authors of arb-odd"


def test_a_damaged_distribution_of_anybody_keeps_no_task_from_being_read(site, arb, good_provider):
    site.install("arb-good", good_provider)
    site.install("strange", "", group="pydantic")
    (site.folder / "strange-1.0.dist-info" / "entry_points.txt").write_text("[x]\nno equals sign\n")

    done = arb("launch", "--infra", "good", "--dryrun", "--json", "true")

    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["offers"][0]["provider"] == "good"


HOLDERS = {
    "thread": "threading.Thread(target=time.sleep, args=(60,), name='mine', daemon=False).start()",
    "executor": "concurrent.futures.ThreadPoolExecutor(1).submit(time.sleep, 60)",
}


@pytest.mark.parametrize("source", HOLDERS.values(), ids=HOLDERS.keys())
def test_threads_that_a_plugin_left_do_not_hold_the_exit(site, arb, good_provider, source):
    site.install(
        "arb-good", f"{good_provider}\nimport concurrent.futures, threading, time\n{source}\n"
    )
    start = time.monotonic()

    done = arb("plugins", "--json")

    assert time.monotonic() - start < 30
    assert done.returncode == 0, done.stdout
    assert "good" in {row["name"] for row in json.loads(done.stdout)}
    assert done.stderr.startswith("warning: not waited for a thread that a plugin left running: ")


def test_arb_plugins_shows_what_is_wrong(site, arb, tmp_path, good_provider):
    site.install("arb-good", good_provider)
    site.install("arb-bad", "ARB_API = 99\n", version="0.3")

    done = arb("plugins", "--json")

    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert (rows["good"]["state"], rows["good"]["api"]) == ("ok", 1)
    assert rows["good"]["capabilities"] == ["on-demand"]
    assert "arb_catalog" in rows["good"]["hooks"]
    assert rows["bad"]["state"] == "broken"
    assert rows["bad"]["reason"].startswith("needs hook API 99")
    assert done.stderr == ""
    assert not (tmp_path / "home" / "state.db").exists(), "listing plugins opened the state"
