"""Imports, API versions and what a plugin may implement."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from arb import __version__
from arb.errors import PluginError
from arb.hookspecs import POLICY_HOOKS, PROVIDER_HOOKS, STORE_HOOKS
from arb.plugins import load_command
from arb.plugins._surroundings import Surroundings, _now
from arb.plugins.loading import load
from arb.plugins.specs import spec_functions
from arb.plugins.table import PluginEntry
from arb.plugins.validation import REQUIRED_HOOKS, PluginHooks


@pytest.fixture
def on_path(site, monkeypatch):
    monkeypatch.syspath_prepend(str(site.folder))
    before = set(sys.modules)
    yield site
    for name in set(sys.modules) - before:
        if name.startswith("arb_t_"):
            del sys.modules[name]


def loaded(value, *, group="arb.providers", name="x", warned=None):
    entry = PluginEntry(group, name, value, f"arb-{name}", "1.0")
    told = [] if warned is None else warned
    return load(entry, env={}, warn=lambda *line: told.append(line), budget_s=10)


def test_a_module_is_loaded(on_path):
    on_path.install("arb-x", "ARB_API = 1", module="arb_t_module")

    assert loaded("arb_t_module").plugin is sys.modules["arb_t_module"]


def test_an_object_of_a_module_is_loaded_and_inherits_its_api(on_path):
    on_path.install("arb-x", "ARB_API = 1\nclass A:\n    b = 7\n", module="arb_t_object")

    assert loaded("arb_t_object:A").api == 1
    assert loaded("arb_t_object:A.b", group="arb.policies").plugin == 7


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise ValueError('boom')", "failed with ValueError: boom"),
        ("import sys; sys.exit('bye')", "failed with SystemExit: bye"),
        (
            "import arb_t_no_such",
            "failed with ModuleNotFoundError: No module named 'arb_t_no_such'",
        ),
        ("def f(:\n", "failed with SyntaxError: invalid syntax"),
        ("raise KeyboardInterrupt", "failed with KeyboardInterrupt"),
    ],
    ids=["raises", "exits", "missing-module", "syntax", "interrupt"],
)
def test_an_import_that_fails_names_distribution_and_reason(on_path, request, source, reason):
    module = f"arb_t_{abs(hash(source))}"
    on_path.install("arb-x", source, module=module)

    with pytest.raises(PluginError) as caught:
        loaded(module)

    assert caught.value.summary.startswith(f"arb-x 1.0: import of {module} {reason}")
    assert caught.value.code == "plugin-import"


@pytest.mark.parametrize("value", ["arb t", "arb_t:", "a/b", "", "arb_t_x:y:z"])
def test_a_value_that_names_nothing_is_refused(value):
    with pytest.raises(PluginError, match=r"arb-x 1\.0: import of .* failed"):
        loaded(value)


@pytest.mark.parametrize("name", ["../../etc", "A B", "", "x" * 41, ".hidden"])
def test_a_name_that_could_not_be_a_folder_is_refused(name):
    with pytest.raises(PluginError, match="is not a valid name"):
        loaded("json", name=name)


def test_printing_at_import_is_told_and_dropped(on_path, capsys):
    on_path.install("arb-x", "ARB_API = 1\nprint('hi')", module="arb_t_prints")
    warned = []

    loaded("arb_t_prints", warned=warned)

    assert capsys.readouterr().out == ""
    ((_, place, text),) = warned
    assert (place, text) == ("import", "import of arb_t_prints printed to standard output")


CHANGES = {
    "folder": ("import os; os.chdir('/')", "the working directory"),
    "recursion": ("import sys; sys.setrecursionlimit(400)", "the recursion limit"),
    "logging": (
        "import logging; logging.root.addHandler(logging.StreamHandler())",
        "the logging of the process",
    ),
    "level": ("import logging; logging.root.setLevel(1)", "the logging of the process"),
    "warnings": (
        "import warnings; warnings.simplefilter('error', BytesWarning)",
        "the filter of warnings",
    ),
}


@pytest.mark.parametrize(("source", "what"), CHANGES.values(), ids=CHANGES.keys())
def test_what_an_import_changes_of_the_process_is_put_back(on_path, source, what):
    on_path.install("arb-x", f"ARB_API = 1\n{source}", module="arb_t_changes")
    before = _now()
    warned = []

    assert loaded("arb_t_changes", warned=warned).api == 1

    assert _now() == before
    assert [text for _, _, text in warned] == [f"import of arb_t_changes changed {what}: put back"]


def test_of_two_imports_at_once_both_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    surroundings = Surroundings()
    surroundings.enter("arb-a 1.0")
    surroundings.enter("arb-b 1.0")
    os.chdir("/")

    assert surroundings.leave("arb-a 1.0") == "the working directory (or that was arb-b 1.0)"
    assert surroundings.leave("arb-b 1.0") == ""
    assert Path.cwd() == tmp_path


@pytest.mark.parametrize(
    ("api", "reason", "upgrade"),
    [
        (
            "2",
            f"needs hook API 2, arb-core {__version__} speaks 1: upgrade arb-core",
            "arb-core",
        ),
        ("0", f"needs hook API 0, arb-core {__version__} speaks 1: upgrade arb-x", "arb-x"),
        ("None", "arb_t_api must set ARB_API = 1, not nothing", "arb-x"),
        ("'1'", "arb_t_api must set ARB_API = 1, not a str", "arb-x"),
        ("True", "arb_t_api must set ARB_API = 1, not a bool", "arb-x"),
    ],
    ids=["newer", "older", "none", "text", "boolean"],
)
def test_another_api_says_who_must_upgrade(on_path, api, reason, upgrade):
    on_path.install("arb-x", f"ARB_API = {api}", module="arb_t_api")

    with pytest.raises(PluginError) as caught:
        loaded("arb_t_api")

    assert caught.value.summary == f"arb-x 1.0: {reason}"
    assert caught.value.hint == f"pip install --upgrade {upgrade}"


def test_a_plugin_without_hooks_needs_no_api_and_is_refused_for_a_newer_one(on_path):
    on_path.install("arb-x", "", module="arb_t_free")
    on_path.install("arb-y", "ARB_API = 2", module="arb_t_newer")

    assert loaded("arb_t_free", group="arb.policies").api == 0
    with pytest.raises(PluginError, match="upgrade arb-core"):
        loaded("arb_t_newer", group="arb.policies")


def test_a_command_is_its_modules_app_or_the_object_named(on_path):
    source = "import typer\napp = typer.Typer()\nother = typer.Typer()\nnumber = 3\n"
    on_path.install("arb-x", source, module="arb_t_command")
    module = loaded("arb_t_command", group="arb.commands").plugin

    def command(value):
        return load_command(PluginEntry("arb.commands", "x", value, "arb-x", "1.0"))

    assert command("arb_t_command") is module.app
    assert command("arb_t_command:other") is module.other
    with pytest.raises(PluginError, match="is no Typer app"):
        command("arb_t_command:number")


BAD_HOOKS = {
    "keyword-only": (
        "@hookimpl\ndef arb_check(*, context):\n    pass",
        "arb_check has the parameter context, which is not plain and positional",
    ),
    "positional-only": (
        "@hookimpl\ndef arb_check(context, /):\n    pass",
        "arb_check has the parameter context, which is not plain and positional",
    ),
    "starred": (
        "@hookimpl\ndef arb_check(**more):\n    pass",
        "arb_check has the parameter **more, which is not plain and positional",
    ),
    "defaulted": (
        "@hookimpl\ndef arb_check(context=None):\n    pass",
        "arb_check gives the parameter context a default",
    ),
    "unknown-parameter": (
        "@hookimpl\ndef arb_terminate(context, machine):\n    pass",
        "arb_terminate has an unknown parameter machine (known: context, instance)",
    ),
    "close-name": (
        "@hookimpl\ndef arb_catalogue(context):\n    pass",
        "arb_catalogue is not a hook: did you mean arb_catalog?",
    ),
    "far-name": ("@hookimpl\ndef frobnicate():\n    pass", "frobnicate is not a hook"),
    "async": (
        "@hookimpl\nasync def arb_check(context):\n    pass",
        "arb_check is async: hooks are plain functions",
    ),
    "generator": (
        "@hookimpl\ndef arb_check(context):\n    yield",
        "arb_check is a generator: hooks return their result",
    ),
    "twice": (
        "@hookimpl(specname='arb_check')\ndef arb_also(context):\n    pass",
        "arb_check is implemented twice",
    ),
    "wrapper": (
        "@hookimpl(wrapper=True)\ndef arb_check(context):\n    return (yield)",
        "arb_check is a wrapper: only plugins of the group arb.plugins may wrap",
    ),
    "policy": (
        "@hookimpl\ndef arb_event(event):\n    pass",
        "arb_event is never called for this group: register it in arb.plugins",
    ),
    "unmarked": (
        "def arb_check(context):\n    pass",
        "arb_check is required and lacks the marker @hookimpl",
    ),
    "missing": ("del arb_check", "arb_check is required and missing"),
    "capability": (
        (
            "@hookimpl\ndef arb_provider_info():\n"
            "    return ProviderInfo('X', frozenset({Capability.STOP}))"
        ),
        "arb_stop is missing, yet the capability stop is named",
    ),
}


@pytest.mark.parametrize(("source", "reason"), BAD_HOOKS.values(), ids=BAD_HOOKS.keys())
def test_a_provider_that_can_never_work_is_refused_at_load(world, source, reason):
    world.add("bad", extra=source)

    with pytest.raises(PluginError) as caught:
        world.plugins.provider("bad")

    assert caught.value.summary == f"dist-bad 1.0: {reason}"


BAD_ALWAYS = {
    "answers": (
        "@hookimpl\ndef arb_catalog(context):\n    pass",
        "arb_catalog may only be wrapped in arb.plugins: write @hookimpl(wrapper=True)",
    ),
    "answers-for-a-store": (
        "@hookimpl\ndef arb_store_config(uri):\n    pass",
        "arb_store_config may only be wrapped in arb.plugins: write @hookimpl(wrapper=True)",
    ),
    "old-style": (
        "@hookimpl(hookwrapper=True)\ndef arb_catalog():\n    yield",
        "arb_catalog is an old-style wrapper: write @hookimpl(wrapper=True)",
    ),
    "wraps-policies": (
        "@hookimpl(wrapper=True)\ndef arb_event(event):\n    yield",
        "arb_event cannot be wrapped",
    ),
    "no-yield": (
        "@hookimpl(wrapper=True)\ndef arb_catalog():\n    return 1",
        "arb_catalog is a wrapper and has no yield",
    ),
}


@pytest.mark.parametrize(("source", "reason"), BAD_ALWAYS.values(), ids=BAD_ALWAYS.keys())
def test_a_plugin_that_may_not_do_so_is_refused_at_load_and_costs_nothing_else(
    world, source, reason
):
    world.add_wrapper("bad", source)
    world.add("good")

    world.plugins.provider("good").check()

    assert world.warned == [f"dist-bad 1.0: {reason}"]


def test_hooks_of_a_newer_core_may_be_optional(world):
    world.add("good", extra="@hookimpl(optionalhook=True)\ndef arb_teleport(context):\n    pass\n")

    assert "arb_teleport" not in world.plugins.provider("good").hooks


def test_an_implementation_may_name_fewer_parameters(world):
    world.add(
        "good",
        extra="@hookimpl\ndef arb_check():\n    return CheckResult('ok', 'x')\n".replace(
            "'ok'", "CheckStatus.OK"
        ),
    )

    assert world.plugins.provider("good").check().summary == "x"


ODD = {
    "attributes": (
        "__getattr__(self, name)",
        "import of arb_t_odd:thing failed with KeyError: 'no'",
    ),
    "names": ("__dir__(self)", "hooks cannot be looked for: arb_t_odd:thing raised KeyError"),
}


@pytest.mark.parametrize(("method", "reason"), ODD.values(), ids=ODD.keys())
def test_an_object_that_cannot_be_looked_at_is_refused(on_path, method, reason):
    api = "x = 1" if "getattr" in method else "ARB_API = 1"
    source = (
        f"class Odd:\n    {api}\n    def {method}:\n        raise KeyError('no')\nthing = Odd()"
    )
    on_path.install("arb-x", source, module="arb_t_odd")

    with pytest.raises(PluginError) as caught:
        PluginHooks.of(loaded("arb_t_odd:thing"))

    assert caught.value.summary == f"arb-x 1.0: {reason}"


def test_an_object_may_be_a_plugin(world):
    world.add("good")
    source = "\n".join(
        [
            "import sys",
            f"from {world.entries[0].value} import *",
            "from arb.types import *",
            "from arb.hookspecs import hookimpl",
            "class Plugin:",
            "    ARB_API = 1",
            "    @hookimpl",
            "    def arb_check(self, context):",
            "        return CheckResult(CheckStatus.OK, context.provider)",
            *(
                f"    {hook} = staticmethod({hook})"
                for hook in REQUIRED_HOOKS["arb.providers"]
                if hook != "arb_check"
            ),
            "plugin = Plugin()",
        ]
    )
    module = world.add("object", source)
    world.entries[-1] = PluginEntry(
        "arb.providers", "object", f"{module.__name__}:plugin", "d", "1"
    )

    assert world.plugins.provider("object").check().summary == "object"


def test_required_hooks_are_those_that_say_so():
    required = {name for name, spec in spec_functions().items() if "Required" in spec.__doc__}
    named = {hook for hooks in REQUIRED_HOOKS.values() for hook in hooks}

    assert named == required | {"arb_provider_info"}
    assert len(spec_functions()) == len(PROVIDER_HOOKS) + len(STORE_HOOKS) + len(POLICY_HOOKS)


def test_logging_that_another_thread_is_importing_is_as_if_it_were_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "logging", ModuleType("logging"))
    surroundings = Surroundings()
    surroundings.enter("good")
    assert surroundings.leave("good") == ""
