"""``arb plugins``: what is installed, its state and why."""

from __future__ import annotations

import json

import pytest

from arb.cli.app import run
from arb.plugins.table import BrokenDistribution, PluginEntry, PluginTable

STORE = """
from arb.hookspecs import hookimpl
ARB_API = 1
@hookimpl
def arb_store_config(uri):
    pass
"""


def states(world):
    return {(r.group, r.name): (r.state, r.reason) for r in world.plugins.report()}


def test_what_works_is_described(world):
    world.add("good")
    world.add("s3", STORE, group="arb.stores")
    world.add_wrapper("audit", "@hookimpl\ndef arb_event(event):\n    pass\n")

    audit, good, s3 = world.plugins.report()

    assert (good.state, good.reason, good.api, good.version) == ("ok", "", 1, "1.0")
    assert good.capabilities == ("on-demand",)
    assert "arb_provision" in good.hooks
    assert (s3.state, s3.hooks, s3.api) == ("ok", ("arb_store_config",), 1)
    assert (audit.state, audit.hooks, audit.distribution) == ("ok", ("arb_event",), "dist-audit")


def test_what_is_loaded_later_is_not_loaded(world):
    for group in ("arb.commands", "arb.reconcilers", "arb.policies"):
        world.entries.append(PluginEntry(group, "x", "arb_no_such_module", "d", "1"))

    assert {state for state, _ in states(world).values()} == {"installed"}


def test_what_is_broken_says_why_without_repeating_its_name(world):
    world.add("bad", extra="del arb_check")
    world.entries.append(PluginEntry("arb.stores", "s3", "json", "dist-s3", "1"))
    world.add_wrapper("policy", "@hookimpl\ndef arb_catalog():\n    pass\n")

    found = states(world)

    assert found["arb.providers", "bad"] == ("broken", "arb_check is required and missing")
    assert found["arb.stores", "s3"] == ("broken", "json must set ARB_API = 1, not nothing")
    assert found["arb.plugins", "policy"][0] == "broken"


def test_what_is_switched_off_or_misconfigured_says_so(world):
    world.changes |= {"disabled": frozenset({"off"}), "options": {"wrong": {"rom": 1}}}
    world.add("off")
    world.add("wrong")

    found = states(world)

    assert found["arb.providers", "off"] == (
        "disabled",
        "provider 'off' is switched off by ARB_DISABLE_PROVIDERS or disabled_providers",
    )
    assert found["arb.providers", "wrong"] == (
        "misconfigured",
        "unknown option of provider wrong 'rom': did you mean 'room'?",
    )


def test_without_plugins_everything_is_listed_and_nothing_loaded(world):
    world.changes["no_plugins"] = True
    world.entries.append(PluginEntry("arb.providers", "x", "arb_no_such_module", "d", "1"))

    assert states(world) == {("arb.providers", "x"): ("disabled", "--no-plugins")}


def test_both_claimants_of_a_name_are_shown(world):
    for distribution in ("one", "two"):
        world.entries.append(PluginEntry("arb.stores", "x", "json", distribution, "1"))

    reports = world.plugins.report()

    assert [(r.distribution, r.state) for r in reports] == [("one", "broken"), ("two", "broken")]


@pytest.fixture
def command(world, tmp_path, monkeypatch):
    """Return a function that runs ``arb plugins`` with the plugins of this test alone."""
    monkeypatch.setenv("ARB_HOME", str(tmp_path / "home"))
    broken = [BrokenDistribution("arb-torn", "its metadata cannot be read (X)")]
    monkeypatch.setattr(PluginTable, "load", lambda *_, **__: PluginTable(world.entries, broken))
    return lambda *options: run(["plugins", *options])


def test_the_command_prints_a_table(world, command, capsys):
    world.add("good", extra="print('noise')\n")
    world.add("bad", extra="ARB_API = 0")
    capsys.readouterr()

    assert command() == 0

    output = capsys.readouterr()
    header, bad, why, good, capabilities, hooks, torn, unreadable = output.out.splitlines()
    assert header.split()[:4] == ["name", "group", "distribution", "version"]
    assert bad.split() == ["bad", "arb.providers", "dist-bad", "1.0", "-", "broken"]
    assert why.startswith("    needs hook API 0")
    assert good.split() == ["good", "arb.providers", "dist-good", "1.0", "1", "ok"]
    assert capabilities == "    capabilities: on-demand"
    assert hooks.startswith("    hooks: catalog check ")
    assert torn.split() == ["-", "-", "arb-torn", "-", "-", "broken"]
    assert unreadable == "    its metadata cannot be read (X)"
    assert output.err == ""


def test_the_command_prints_json_and_tells_the_rest_on_stderr(world, command, capsys):
    noisy = "@hookimpl\ndef arb_provider_info():\n    print('x')\n    return ProviderInfo('N', frozenset())\n"
    world.add("noisy", extra=noisy)

    assert command("--json") == 0

    output = capsys.readouterr()
    first, torn = json.loads(output.out)
    assert (first["name"], first["state"], first["capabilities"]) == ("noisy", "ok", [])
    assert torn["distribution"] == "arb-torn"
    assert output.err == ("warning: dist-noisy 1.0: arb_provider_info printed to standard output\n")
