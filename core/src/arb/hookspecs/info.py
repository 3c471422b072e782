"""Hooks that say what a provider is and whether it can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.hookspecs._markers import hookspec

if TYPE_CHECKING:
    from arb.types import CheckResult, ProviderContext, ProviderInfo

__all__ = ["arb_check", "arb_provider_info"]


@hookspec(firstresult=True)
def arb_provider_info() -> ProviderInfo:  # type: ignore[empty-body]
    """Describe the provider: name, capabilities, time-outs, rate budgets, options.

    Called once a process, before any other hook of the provider. Required.
    Budget: 1 s. A constant: no file, no network, no credentials, no SDK.

    Returns:
        ``ProviderInfo``. A capability that is named must work and one that works must be named:
        the core never tries what is not there, and the conformance suite checks what is.

    Raises:
        Nothing. An exception disables the provider for this process, with one warning.
    """


@hookspec(firstresult=True)
def arb_check(context: ProviderContext) -> CheckResult:  # type: ignore[empty-body]
    """Find out whether the credentials are there, work, and allow what ``arb`` needs.

    Called by ``arb check``, and after a ``CredentialsError`` to explain it. Required.
    Budget: 20 s. Reads only: must not create, change or bill anything. Safe to call twice.

    Args:
        context: Read credentials from ``context.env`` and under ``context.home``.

    Returns:
        ``CheckResult``. Missing credentials are ``NOT_CONFIGURED``, a refusal is ``REFUSED``, no
        answer is ``UNREACHABLE``: all three are results, not exceptions. ``source`` says where the
        credentials were found; no field ever holds a part of one.

    Raises:
        ProviderUnavailable: The answer could not be understood.
    """
