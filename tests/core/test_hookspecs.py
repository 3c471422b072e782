"""No hook without its documentation, and none without a test."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from functools import cache
from pathlib import Path

import pytest

from arb.hookspecs import POLICY_HOOKS, PROVIDER_HOOKS, SPEC_MODULES, STORE_HOOKS
from arb.plugins.budgets import BUDGETS_S
from arb.plugins.provider import Provider
from arb.plugins.results import _CHECKS

ROOT = Path(__file__).parents[2]
HOOKS = (*PROVIDER_HOOKS, *STORE_HOOKS, *POLICY_HOOKS)
MODULES = {name: importlib.import_module(f"arb.hookspecs.{name}") for name in SPEC_MODULES}
SPECS = {
    name: function
    for module in MODULES.values()
    for name, function in vars(module).items()
    if hasattr(function, "arb_spec")
}
MONEY = ("arb_provision", "arb_terminate", "arb_cleanup", "arb_stop", "arb_start", "arb_open_ports")
SECTION = re.compile(r"^(Args|Returns|Raises):$", re.MULTILINE)


def missing_documentation(function):
    """Return what a specification does not say, as a list of words."""
    text = inspect.getdoc(function) or ""
    head, *rest = SECTION.split(text)
    sections = dict(zip(rest[::2], rest[1::2], strict=True))
    signature = inspect.signature(function)
    missing = []
    if not re.match(r"[A-Z][^\n]+[.:,]", head):
        missing.append("purpose")
    if not re.search(r"^Called ", head, re.MULTILINE):
        missing.append("when it is called")
    if not re.search(r"^Budget: \d+ s\b", head, re.MULTILINE):
        missing.append("budget")
    arguments = re.findall(r"^    (\w+): \S", sections.get("Args", ""), re.MULTILINE)
    missing += [f"argument {name}" for name in signature.parameters if name not in arguments]
    if signature.return_annotation != "None" and not sections.get("Returns", "").strip():
        missing.append("returns")
    if not sections.get("Raises", "").strip():
        missing.append("raises")
    if function.__name__ in MONEY and "dempotent" not in head:
        missing.append("idempotence")
    return missing


def documented_budget(function):
    return float(re.search(r"Budget: (\d+) s", inspect.getdoc(function))[1])


def mentions(source):
    """Return every word that test functions of a module use: names, attributes and in strings."""
    words = set()
    for test in ast.walk(ast.parse(source)):
        if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
            for node in ast.walk(test):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    words.update(re.findall(r"\w+", node.value))
                elif isinstance(node, ast.Attribute):
                    words.add(node.attr)
                elif isinstance(node, ast.Name):
                    words.add(node.id)
    return words


@cache
def words_of_tests():
    """Return the words of every test but those of this file, which names all hooks."""
    files = [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("plugins/*/tests/**/test_*.py")]
    return frozenset().union(
        *(mentions(file.read_text()) for file in files if file != Path(__file__))
    )


@pytest.mark.parametrize("hook", SPECS)
def test_every_hook_is_documented(hook):
    assert missing_documentation(SPECS[hook]) == []


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_test(hook):
    assert hook in words_of_tests()


def test_every_specification_is_listed_and_nothing_else():
    assert sorted(SPECS) == sorted(HOOKS)
    assert len(set(HOOKS)) == len(HOOKS)


@pytest.mark.parametrize("name", SPEC_MODULES)
def test_every_module_exports_its_hooks(name):
    defined = [n for n, value in vars(MODULES[name]).items() if hasattr(value, "arb_spec")]

    assert MODULES[name].__all__ == sorted(defined)


@pytest.mark.parametrize("hook", HOOKS)
def test_budgets_are_those_of_the_documentation(hook):
    assert BUDGETS_S[hook] == documented_budget(SPECS[hook])


@pytest.mark.parametrize("hook", HOOKS)
def test_parameters_are_plain_and_typed(hook):
    for parameter in inspect.signature(SPECS[hook]).parameters.values():
        assert parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        assert parameter.default is inspect.Parameter.empty
        assert parameter.annotation is not inspect.Parameter.empty


@pytest.mark.parametrize("hook", [*PROVIDER_HOOKS, *STORE_HOOKS])
def test_hooks_that_answer_give_wrappers_one_result_whose_type_is_checked(hook):
    assert SPECS[hook].arb_spec["firstresult"] is True
    assert hook in _CHECKS


@pytest.mark.parametrize("hook", PROVIDER_HOOKS[1:])
def test_the_facade_has_a_method_for_every_provider_hook(hook):
    method = getattr(Provider, hook.removeprefix("arb_"))
    wanted = [name for name in inspect.signature(SPECS[hook]).parameters if name != "context"]

    assert list(inspect.signature(method).parameters) == ["self", *wanted]


def test_a_hook_without_documentation_would_be_found():
    def arb_provision(context, request) -> int:
        pass

    def arb_check(context) -> None:
        """Do it.

        Called now.
        Budget: 1 s.

        Args:
            context: As ever.

        Raises:
            Nothing.
        """

    assert missing_documentation(arb_provision) == [
        "purpose",
        "when it is called",
        "budget",
        "argument context",
        "argument request",
        "returns",
        "raises",
        "idempotence",
    ]
    assert missing_documentation(arb_check) == []


def test_a_hook_without_a_test_would_be_found():
    source = "HOOK = 'arb_a'\ndef test_x():\n    p.terminate()\n    ask('arb_b', 'x arb_c y')\n"

    words = mentions(source)

    assert {"terminate", "arb_b", "arb_c"} <= words
    assert "arb_a" not in words
    assert "arb_teleport_never" not in words_of_tests()
