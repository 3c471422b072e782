"""The hook specifications, in the form pluggy and the checks want them."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pluggy

from arb.hookspecs import POLICY_HOOKS, PROVIDER_HOOKS, SPEC_MODULES, STORE_HOOKS
from arb.hookspecs._markers import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["new_manager", "spec_functions"]


def new_manager() -> pluggy.PluginManager:
    """Return a pluggy manager that knows every specification and no plugin."""
    manager = pluggy.PluginManager(PROJECT)
    for name in SPEC_MODULES:
        manager.add_hookspecs(import_module(f"arb.hookspecs.{name}"))
    return manager


@cache
def spec_functions() -> dict[str, Callable[..., Any]]:
    """Return the function that specifies each hook."""
    modules = [import_module(f"arb.hookspecs.{name}") for name in SPEC_MODULES]
    hooks = (*PROVIDER_HOOKS, *STORE_HOOKS, *POLICY_HOOKS)
    return {hook: next(getattr(m, hook) for m in modules if hook in vars(m)) for hook in hooks}
