from __future__ import annotations

import threading
import time

import pytest

from arb.errors import CredentialsError, PluginError, ProviderUnavailable, UsageError
from arb.plugins import PluginEntry, Plugins, PluginSettings, PluginTable, Provider, Store
from arb.plugins.settings import disabled_providers

STORE = """
from arb.hookspecs import hookimpl
from arb.types import StoreRemote

ARB_API = 1


@hookimpl
def arb_store_config(context, uri):
    return StoreRemote("s3", {"env": context.provider}, root=uri.removeprefix("s3://"))
"""


def test_only_the_provider_that_is_asked_for_is_imported(world):
    world.entries.append(PluginEntry("arb.providers", "bad", "arb_no_such_module", "d", "1"))
    world.add("good")

    assert world.plugins.provider_names() == ("bad", "good")
    assert world.plugins.provider("good").name == "good"
    assert world.warned == []


def test_a_provider_is_opened_once(world):
    world.add("good")
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(world.plugins.provider("good")))
        for _ in range(8)
    ]

    world.plugins.provider_names()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({id(provider) for provider in found}) == 1
    assert len(found) == 8


def test_a_provider_that_failed_fails_the_same_way_again(world):
    world.add("bad", extra="del arb_check")

    errors = []
    for _ in range(2):
        with pytest.raises(PluginError) as caught:
            world.plugins.provider("bad")
        errors.append(caught.value)

    assert errors[0] is errors[1]


@pytest.mark.parametrize(
    ("name", "summary"),
    [
        ("goood", "unknown provider 'goood': did you mean 'good'?"),
        ("zzz", "unknown provider 'zzz': known are good"),
    ],
)
def test_an_unknown_provider_gets_the_closest_name_and_an_install_hint(world, name, summary):
    world.add("good")

    with pytest.raises(UsageError) as caught:
        world.plugins.provider(name)

    assert caught.value.summary == summary
    assert f"pip install arb-{name}" in caught.value.hint
    assert caught.value.code == "unknown-provider"


def test_no_install_hint_for_what_is_no_package_name(world):
    with pytest.raises(UsageError) as caught:
        world.plugins.provider("--evil; rm")

    assert "pip" not in caught.value.hint


@pytest.mark.parametrize("disabled", [{"good"}, {"*"}])
def test_a_disabled_provider_is_neither_listed_nor_loaded(world, disabled):
    world.changes["disabled"] = frozenset(disabled)
    world.entries.append(PluginEntry("arb.providers", "good", "arb_no_such_module", "d", "1"))

    assert world.plugins.provider_names() == ()
    with pytest.raises(UsageError, match="switched off by ARB_DISABLE_PROVIDERS"):
        world.plugins.provider("good")


def test_the_variable_lists_providers():
    assert disabled_providers({"ARB_DISABLE_PROVIDERS": " aws, gcp,,"}) == {"aws", "gcp"}
    assert disabled_providers({"ARB_DISABLE_PROVIDERS": "*"}) == {"*"}
    assert disabled_providers({}) == frozenset()


def test_no_plugins_loads_nothing_at_all(world):
    world.changes["no_plugins"] = True
    world.add_wrapper("bad", "@hookimpl\ndef arb_catalog():\n    pass\n")
    world.add("good")

    assert world.plugins.provider_names() == world.plugins.names("arb.plugins") == ()
    assert world.plugins.always_loaded() == ()
    with pytest.raises(UsageError, match="plugins are switched off"):
        world.plugins.provider("good")
    assert world.warned == []


def test_duplicate_names_name_both_distributions_and_cost_one_line(world):
    for distribution in ("one", "two"):
        world.entries.append(PluginEntry("arb.providers", "x", "json", distribution, "1.0"))
    world.add("good")

    assert [p.name for p in world.plugins.providers()] == ["good"]
    world.plugins.provider_names()
    with pytest.raises(PluginError, match=r"one 1\.0 and two 1\.0 both provide 'x'"):
        world.plugins.provider("x")
    assert len(world.warned) == 1
    assert "one 1.0 and two 1.0 both provide 'x' in arb.providers" in world.warned[0]


def test_unknown_options_get_the_closest_name(world):
    world.changes["options"] = {"good": {"rooom": "/tmp"}}
    world.add("good")

    with pytest.raises(UsageError) as caught:
        world.plugins.provider("good")

    assert caught.value.summary == "unknown option of provider good 'rooom': did you mean 'room'?"
    assert caught.value.exit_code == 2


def test_wrong_options_stop_a_command_that_asks_all(world):
    world.changes["options"] = {"good": {"rooom": "/tmp"}}
    world.add("good")

    with pytest.raises(UsageError):
        world.plugins.providers()


def test_a_broken_provider_costs_one_line_and_no_other(world):
    world.entries.append(PluginEntry("arb.providers", "bad", "arb_no_such_module", "dist-bad", "1"))
    world.add("good")

    for _ in range(2):
        assert [p.name for p in world.plugins.providers()] == ["good"]

    assert world.warned == [
        (
            "dist-bad 1: import of arb_no_such_module failed with "
            "ModuleNotFoundError: No module named 'arb_no_such_module'"
        )
    ]


def test_the_providers_own_errors_are_replies_and_no_warnings(world):
    world.add(
        "refused",
        extra="from arb.errors import CredentialsError\n@hookimpl\ndef arb_check(context):\n"
        "    raise CredentialsError('no key')\n",
    )
    world.add("good")

    good, refused = world.plugins.ask_all(lambda provider: provider.check())

    assert good.value.summary == "fine"
    assert isinstance(refused.error, CredentialsError)
    assert world.warned == []


def test_providers_are_asked_side_by_side(world, gate):
    meeting = threading.Barrier(3)
    threading.arb_test_gate = meeting
    for name in ("a", "b", "c"):
        world.add(
            name,
            extra="import threading\n@hookimpl\ndef arb_check(context):\n"
            "    threading.arb_test_gate.wait(10)\n"
            "    return CheckResult(CheckStatus.OK, 'met')\n",
        )

    replies = world.plugins.ask_all(lambda provider: provider.check())
    threading.arb_test_gate = gate

    assert [(r.provider, r.value.summary) for r in replies] == [
        ("a", "met"),
        ("b", "met"),
        ("c", "met"),
    ]


def test_a_provider_that_hangs_twice_costs_one_line(world, gate, short_budgets):
    world.add(
        "bad",
        extra="import threading\n@hookimpl\ndef arb_check(context):\n"
        "    threading.arb_test_gate.wait(20)\n",
    )
    start = time.monotonic()

    for _ in range(2):
        (reply,) = world.plugins.ask_all(lambda provider: provider.check())
        assert isinstance(reply.error, ProviderUnavailable)

    assert len(world.warned) == 1
    assert time.monotonic() - start < 5


def test_a_store_answers_for_its_scheme(world):
    world.add("s3", STORE, group="arb.stores")

    store = world.plugins.store("s3")

    assert isinstance(store, Store)
    assert store.config("s3://bucket/x").root == "bucket/x"
    assert (store.distribution, store.version, store.api) == ("dist-s3", "1.0", 1)
    with pytest.raises(UsageError, match="unknown store 's33': did you mean 's3'"):
        world.plugins.store("s33")


def test_a_store_that_breaks_is_named(world):
    world.add(
        "s3",
        STORE,
        group="arb.stores",
        extra="@hookimpl\ndef arb_store_config(uri):\n    return None\n",
    )

    with pytest.raises(PluginError, match=r"^dist-s3 1\.0: arb_store_config returned None"):
        world.plugins.store("s3").config("s3://b")


@pytest.mark.parametrize(
    ("group", "ask"),
    [("arb.reconcilers", Plugins.reconciler), ("arb.policies", Plugins.policy)],
    ids=["reconciler", "policy"],
)
def test_other_groups_give_what_the_entry_names(world, group, ask):
    module = world.add("x", "ARB_API = 1\n", group=group)

    assert ask(world.plugins, "x") is module
    assert world.plugins.names(group) == ("x",)
    with pytest.raises(UsageError, match="unknown"):
        ask(world.plugins, "y")


def test_a_command_is_found_by_name(world):
    module = world.add("x", "def app():\n    pass\n", group="arb.commands")

    assert world.plugins.command("x") is module.app


def test_an_unreadable_distribution_costs_one_line(tmp_path, world):
    from arb.plugins.table import BrokenDistribution

    table = PluginTable([], [BrokenDistribution("arb-bad", "its metadata cannot be read (X)")])
    plugins = Plugins(make(world), warn=world.warned.append, table=table)

    plugins.provider_names()
    plugins.names("arb.stores")

    assert world.warned == ["arb-bad: its metadata cannot be read (X)"]


def make(world) -> PluginSettings:
    return world.plugins.settings


def test_the_public_names_are_those_of_the_package():
    import arb.plugins

    assert all(hasattr(arb.plugins, name) for name in arb.plugins.__all__)
    assert arb.plugins.Provider is Provider
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = arb.plugins.Nonsense
