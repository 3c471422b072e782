"""``docs/contract.md`` against the six packages that it describes."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from arb.hookspecs import PROVIDER_HOOKS, STORE_HOOKS

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "contract.md").read_text()
LEFT_OUT = "\N{EN DASH}"
PROVIDERS = ("aws", "gcp", "lambda", "spheron", "local", "ssh")
STORES = {"aws": "arb_aws.stores", "gcp": "arb_gcp.stores"}


def cells(hook: str) -> dict[str, str]:
    (row,) = re.findall(rf"^\| `{hook}` \|(.*)\|$", PAGE, re.MULTILINE)
    return dict(zip(PROVIDERS, (cell.strip() for cell in row.split(" | ")), strict=True))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_dash_stands_for_exactly_the_hooks_that_a_provider_leaves_out(provider: str) -> None:
    plugin = importlib.import_module(f"arb_{provider}.plugin")
    told = {hook for hook in PROVIDER_HOOKS if not cells(hook)[provider].startswith(LEFT_OUT)}
    assert told == {hook for hook in PROVIDER_HOOKS if hasattr(plugin, hook)}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_capabilities_of_a_provider_are_told(provider: str) -> None:
    info = importlib.import_module(f"arb_{provider}.plugin").arb_provider_info()
    cell = cells("arb_provider_info")[provider]
    named, _, rest = cell.partition(";")
    if named.startswith("as aws without "):
        words = set(cells("arb_provider_info")["aws"].partition(";")[0].split(", "))
        words -= {named.removeprefix("as aws without ")}
    else:
        words = set(named.split(", "))
    assert words == {str(capability) for capability in info.capabilities}
    assert "peers" in rest or named.startswith("as ")
    for seconds in info.hook_budgets_s.values():
        assert f"{seconds:g} s" in " ".join(cells(hook)[provider] for hook in PROVIDER_HOOKS)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_store_is_told_where_there_is_one(provider: str) -> None:
    is_told = not cells(STORE_HOOKS[0])[provider].startswith(LEFT_OUT)
    assert is_told == (provider in STORES)
    if is_told:
        assert hasattr(importlib.import_module(STORES[provider]), STORE_HOOKS[0])
