"""What the plugin system is told about this process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from arb.types.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from arb.types import Clock, RateBudget, RateLimiter

__all__ = ["PluginSettings", "disabled_providers"]


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """Settings of one process, made by whoever reads its configuration.

    Attributes:
        cache_dir: Holds the plugin table and a folder a provider; safe to lose.
        data_dir: Holds a folder a provider that must not be lost.
        env: The process environment.
        home: The user's home folder.
        owner: Returns the owner of this state store; called when a hook first needs it.
        options: ``provider_options`` of the configuration, by provider.
        clock: Time, as hooks see it.
        limiter: Returns the rate limiter of a provider, from its id and the budgets it names.
        disabled: Providers that are not to be used; ``*`` is all.
        no_plugins: True loads nothing at all: the way out when a plugin breaks everything.
        rescan: True reads the installed plugins anew.
        import_budget_s: Seconds an import of a plugin may take.
    """

    cache_dir: Path
    data_dir: Path
    env: Mapping[str, str] = field(repr=False)
    home: Path
    owner: Callable[[], str]
    limiter: Callable[[str, Mapping[str, RateBudget]], RateLimiter]
    options: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    clock: Clock = field(default_factory=SystemClock)
    disabled: frozenset[str] = frozenset()
    no_plugins: bool = False
    rescan: bool = False
    import_budget_s: float = 10.0


def disabled_providers(env: Mapping[str, str]) -> frozenset[str]:
    """Return the names in ``ARB_DISABLE_PROVIDERS``: comma separated, ``*`` for all."""
    names = env.get("ARB_DISABLE_PROVIDERS", "").split(",")
    return frozenset(name.strip() for name in names if name.strip())
