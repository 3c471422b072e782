"""Refuse a setting that the next command would refuse, as far as this is known offline."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from arb.errors import ArbError, UsageError, closest

if TYPE_CHECKING:
    from arb.clusters.session import Session

__all__ = ["check_setting"]


def check_setting(session: Session, dotted: str, value: Any) -> None:
    """Check a setting before it is stored.

    A provider whose plugin is not installed, or cannot be loaded, is only warned of: settings may
    come first.

    Args:
        session: Of this process.
        dotted: The name, for instance ``provider_options.local.room``.
        value: What it is to be; None removes it, which is always right.

    Raises:
        UsageError: No such objective, or the provider has no such option; the closest is named.
    """
    name, *rest = dotted.split(".")
    if name == "objective" and isinstance(value, str):
        _check_objective(value)
    elif name == "provider_options" and _can_be_read(session):
        for provider, options in _options(rest, value).items():
            _check_options(session, provider, options)
    elif name == "default_infra" and isinstance(value, str) and _can_be_read(session):
        _check_place(session, value)


def _can_be_read(session: Session) -> bool:
    """Say whether plugins can be looked at: wrong settings hinder that, and are to be put right."""
    try:
        return session.config is not None
    except UsageError:
        return False  # whoever writes the file tells what stays wrong


def _options(names: list[str], value: Any) -> dict[str, dict[str, Any]]:
    """Return what is said of each provider, where it has the right form."""
    for name in reversed(names):
        value = {name: value}
    groups = value if isinstance(value, dict) else {}
    return {str(name): group for name, group in groups.items() if isinstance(group, dict)}


def _check_options(session: Session, name: str, options: dict[str, Any]) -> None:
    from arb.plugins import Plugins

    given = {option: value for option, value in options.items() if value is not None}
    if not given:
        return
    settings = replace(session.plugins.settings, options={name: given})
    plugins = Plugins(settings, warn=session.progress.warn, table=session.plugins.table)
    try:
        plugins.provider(name)
    except ArbError as error:
        if error.code == "unknown-option":
            raise
        session.progress.warn(error.summary)


def _check_place(session: Session, text: str) -> None:
    from arb.tasks.places import Place

    try:
        provider = Place.parse(text).provider
    except ValueError as error:
        raise UsageError(f"default_infra {error}", code="config-place") from error
    known = session.plugins.provider_names()
    if provider and provider not in known:
        session.progress.warn(closest(provider, known, what="provider"))


def _check_objective(text: str) -> None:
    from arb.optimizer.options import Objective

    if text and text not in list(Objective):
        raise UsageError(closest(text, list(Objective), what="objective"), code="unknown-objective")
