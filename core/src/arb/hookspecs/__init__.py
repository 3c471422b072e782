"""The contract: every hook that a plugin may implement.

A provider implements the hooks of ``info``, ``market``, ``machines`` and ``nodes``; a store those
of ``stores``; plugins of the group ``arb.plugins`` those of ``policy``, and wrappers around any
other. Parameters are plain and positional: an implementation may leave trailing knowledge out by
naming fewer of them, and must not give defaults or make them keyword-only.

Rules that hold for every hook:

* **Threads.** Hooks run in daemon threads, several at once. Keep no state in module globals.
* **Deadline.** ``context.deadline`` is when nobody waits any more. A provider that overruns it is
  not entered again in this process; what it did stays true, so nothing may be assumed undone. (A
  launch that goes round until it gets something asks it again, once the call has ended.)
* **Errors.** Raise the classes of ``arb.errors``, the narrowest that fits. Anything else is a bug
  of the plugin and is shown as one, with its distribution and the hook's name.
* **Tokens.** A machine is named, or tagged, with its setup's ``token``, and found again by it.
  ``query.wants(token, region)`` says whether a listed machine is asked for;
  ``arb.types.parse_token`` takes a token apart, ``attempt_token`` and ``machine_token`` make one.
* **Output.** Print nothing: standard output belongs to the command. What is printed is dropped; what
  a child process prints is not, so capture it.
* **Secrets** never appear in an error, a result's ``repr``, a log or an argument list.

Import from a plugin::

    from arb.hookspecs import hookimpl

    ARB_API = 1
"""

from __future__ import annotations

from typing import Final

from arb.hookspecs._markers import hookimpl, hookspec

__all__ = ["POLICY_HOOKS", "PROVIDER_HOOKS", "SPEC_MODULES", "STORE_HOOKS", "hookimpl", "hookspec"]

PROVIDER_HOOKS: Final = (
    "arb_provider_info",
    "arb_check",
    "arb_catalog",
    "arb_query_prices",
    "arb_provision",
    "arb_poll",
    "arb_list_instances",
    "arb_terminate",
    "arb_list_leftovers",
    "arb_cleanup",
    "arb_stop",
    "arb_start",
    "arb_ssh_ports",
    "arb_open_ports",
    "arb_credential_mounts",
    "arb_self_terminate",
    "arb_preemption_notice",
)
STORE_HOOKS: Final = ("arb_store_config",)
POLICY_HOOKS: Final = ("arb_validate_task", "arb_adjust_offers", "arb_event")

SPEC_MODULES: Final = ("info", "market", "machines", "nodes", "stores", "policy")
"""Modules of this package that hold specifications, in the order of the documentation."""
