"""What a plugin implements, checked against the specifications before anything of it is called."""

from __future__ import annotations

import difflib
import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pluggy

from arb.errors import PluginError
from arb.hookspecs import POLICY_HOOKS, PROVIDER_HOOKS, STORE_HOOKS
from arb.hookspecs._markers import PROJECT
from arb.plugins.specs import spec_functions

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping

    from arb.plugins.loading import LoadedPlugin
    from arb.plugins.table import PluginEntry
    from arb.types import ProviderInfo

__all__ = ["REQUIRED_HOOKS", "Implementation", "PluginHooks", "check_capabilities"]

REQUIRED_HOOKS: Final = {
    "arb.providers": (
        "arb_provider_info",
        "arb_check",
        "arb_catalog",
        "arb_provision",
        "arb_list_instances",
        "arb_terminate",
        "arb_ssh_ports",
    ),
    "arb.stores": STORE_HOOKS,
    "arb.plugins": (),
}
"""Hooks without which a plugin of the group is refused (the specifications say ``Required.``)."""

_CAPABILITY_HOOKS: Final = {
    "stop": ("arb_stop", "arb_start"),
    "ports": ("arb_open_ports",),
    "self-terminate": ("arb_self_terminate",),
}
_ALL_HOOKS: Final = (*PROVIDER_HOOKS, *STORE_HOOKS, *POLICY_HOOKS)
_ANSWERING: Final = (*PROVIDER_HOOKS, *STORE_HOOKS)


class Implementation(NamedTuple):
    """One marked function of a plugin."""

    hook: str
    function: Callable[..., Any]
    is_wrapper: bool


@dataclass(slots=True)
class PluginHooks:
    """A plugin whose hooks can be called.

    Attributes:
        entry: Its name and distribution.
        plugin: The module or object that was registered.
        api: The version of the hook API it was written for.
        found: What it implements, by hook.
        hung_in: The hook that overran its deadline; it is not entered again then.
        unawaited: Hooks whose hanging calls hinder nobody.
        hung_calls: Ends of the calls that hung; each is set once its call runs no more.
    """

    entry: PluginEntry
    plugin: Any
    api: int
    found: Mapping[str, Implementation]
    hung_in: str = ""
    unawaited: set[str] = field(default_factory=set)
    hung_calls: list[threading.Event] = field(default_factory=list)

    @classmethod
    def of(cls, loaded: LoadedPlugin) -> PluginHooks:
        """Check and describe a plugin that was just imported.

        Raises:
            PluginError: Something in it can never work; the summary names distribution and hook.
        """
        try:
            found = _implementations(loaded)
        except PluginError:
            raise
        except Exception as error:  # an object's own __dir__ or __getattr__ may do anything
            text = f"cannot be looked for: {loaded.entry.value} raised {type(error).__name__}"
            raise _broken(loaded.entry, "hooks", text) from error
        return cls(loaded.entry, loaded.plugin, loaded.api, found)


def _implementations(loaded: LoadedPlugin) -> dict[str, Implementation]:
    """Return what a plugin implements, by hook.

    Raises:
        PluginError: Something in it can never work; the summary names distribution and hook.
    """
    found: dict[str, Implementation] = {}
    for name, function, options in _marked(loaded):
        hook = options.get("specname") or name
        if hook not in _ALL_HOOKS:
            if not options.get("optionalhook"):
                raise _broken(loaded.entry, hook, _unknown(hook))
            continue
        problem = (
            "is implemented twice"
            if hook in found
            else _problem(loaded.entry.group, hook, function, options)
        )
        if problem:
            raise _broken(loaded.entry, hook, problem)
        found[hook] = Implementation(hook, function, bool(options.get("wrapper")))
    for hook in REQUIRED_HOOKS[loaded.entry.group]:
        if hook not in found:
            raise _broken(loaded.entry, hook, _missing(loaded, hook))
    return found


def check_capabilities(hooks: PluginHooks, info: ProviderInfo) -> None:
    """Refuse a provider that names a capability and lacks its hooks.

    Raises:
        PluginError: It does.
    """
    for capability, needed in _CAPABILITY_HOOKS.items():
        for hook in needed:
            if capability in info.capabilities and hook not in hooks.found:
                text = f"is missing, yet the capability {capability} is named"
                raise _broken(hooks.entry, hook, text)


def _marked(loaded: LoadedPlugin) -> Iterator[tuple[str, Callable[..., Any], Mapping[str, Any]]]:
    """Yield every function that carries the marker.

    Names are looked up as pluggy does it: without running properties.
    """
    manager = pluggy.PluginManager(PROJECT)
    for name in sorted(dir(loaded.plugin)):
        options = manager.parse_hookimpl_opts(loaded.plugin, name)
        if options is not None:
            yield name, getattr(loaded.plugin, name), options


def _problem(
    group: str, hook: str, function: Callable[..., Any], options: Mapping[str, Any]
) -> str:
    """Say what is wrong with one implementation; empty when nothing is."""
    wraps = bool(options.get("wrapper"))
    if options.get("hookwrapper"):
        return "is an old-style wrapper: write @hookimpl(wrapper=True)"
    return (
        _wrong_place(group, hook, wraps=wraps)
        or _wrong_kind(function, wraps=wraps)
        or _wrong_parameters(hook, function)
    )


def _wrong_place(group: str, hook: str, *, wraps: bool) -> str:
    """Say whether a plugin of this group may implement the hook in this way."""
    if group == "arb.plugins":
        if wraps and hook in POLICY_HOOKS:
            return "cannot be wrapped"
        if not wraps and hook in _ANSWERING:
            return "may only be wrapped in arb.plugins: write @hookimpl(wrapper=True)"
        return ""
    if wraps:
        return "is a wrapper: only plugins of the group arb.plugins may wrap"
    if hook in POLICY_HOOKS:
        return "is never called for this group: register it in arb.plugins"
    return ""


def _wrong_kind(function: Callable[..., Any], *, wraps: bool) -> str:
    plain = inspect.unwrap(function)
    if wraps and not inspect.isgeneratorfunction(plain):
        return "is a wrapper and has no yield"
    if inspect.iscoroutinefunction(plain) or inspect.isasyncgenfunction(plain):
        return "is async: hooks are plain functions"
    if not wraps and inspect.isgeneratorfunction(plain):
        return "is a generator: hooks return their result"
    return ""


def _wrong_parameters(hook: str, function: Callable[..., Any]) -> str:
    known = tuple(inspect.signature(spec_functions()[hook]).parameters)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD:
            return f"has the parameter {parameter}, which is not plain and positional"
        if parameter.default is not inspect.Parameter.empty:
            return f"gives the parameter {parameter.name} a default"
        if parameter.name not in known:
            allowed = ", ".join(known) or "none"
            return f"has an unknown parameter {parameter.name} (known: {allowed})"
    return ""


def _missing(loaded: LoadedPlugin, hook: str) -> str:
    if callable(getattr(loaded.plugin, hook, None)):
        return "is required and lacks the marker @hookimpl"
    return "is required and missing"


def _unknown(hook: str) -> str:
    near = difflib.get_close_matches(hook, _ALL_HOOKS, n=1)
    return f"is not a hook: did you mean {near[0]}?" if near else "is not a hook"


def _broken(entry: PluginEntry, hook: str, text: str) -> PluginError:
    hint = f"arb plugins shows it; pip uninstall {entry.distribution} removes it"
    return PluginError(f"{entry.origin}: {hook} {text}", code="plugin-contract", hint=hint)
