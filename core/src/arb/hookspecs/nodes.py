"""Hooks about reaching a node, what goes onto it and how it ends itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.hookspecs._markers import hookspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arb.types import (
        ClusterRef,
        Instance,
        InstanceRef,
        NoticeProbe,
        ProviderContext,
        SelfTerminate,
        SshEndpoint,
    )

__all__ = [
    "arb_credential_mounts",
    "arb_open_ports",
    "arb_preemption_notice",
    "arb_self_terminate",
    "arb_ssh_ports",
]


@hookspec(firstresult=True)
def arb_ssh_ports(context: ProviderContext, instance: Instance) -> SshEndpoint:  # type: ignore[empty-body]
    """Say where the SSH server of a running instance listens, and for which user.

    Called once an instance is ``RUNNING`` with an address, and after a restart. Required.
    Budget: 5 s. Normally computed from ``instance`` alone.

    Args:
        context: As ever.
        instance: As ``arb_poll`` or ``arb_list_instances`` returned it.

    Returns:
        ``SshEndpoint``. Port forwards of the provider are applied; the user is the one that the
        image lets ``authorized_key`` in for. ``host_key`` is set where the provider knows it.

    Raises:
        ProviderUnavailable: Not known yet; asked again.
    """


@hookspec(firstresult=True)
def arb_open_ports(context: ProviderContext, cluster: ClusterRef, ports: Sequence[str]) -> None:
    """Let the world reach more TCP ports of a running cluster.

    Called when a task is run on an existing cluster and wants ports that it did not have, with the
    capability ``PORTS`` only. Ports known at launch are in the request instead.
    Budget: 30 s. Idempotent; ports that are open stay open.

    Args:
        context: As ever.
        cluster: Whose ports. What is made carries one of its tokens.
        ports: Numbers and ranges, for instance ``("8080", "8000-8010")``.

    Raises:
        QuotaError: No more rules.
        CredentialsError, ProviderUnavailable, RateLimited: As ever.
    """


@hookspec(firstresult=True)
def arb_credential_mounts(context: ProviderContext) -> Mapping[str, str]:  # type: ignore[empty-body]
    """Name the credential files that this provider's own tools need on a node.

    Called only when the user asks for it, after a question; no command asks that yet. (The core also
    looks which of these files changed, to know whether a refusal of the account still counts.) Optional.
    Budget: 1 s. Reads file names, not contents.

    Args:
        context: ``home`` is where the files are looked for.

    Returns:
        Remote path (``~`` allowed) to local absolute path, existing files only. Never a private
        SSH key, never a folder.

    Raises:
        Nothing: no credentials is an empty mapping.
    """


@hookspec(firstresult=True)
def arb_self_terminate(context: ProviderContext, instance: InstanceRef) -> SelfTerminate | None:
    """Return what a node runs to end its own billing.

    Called when a node's agent is configured. Optional; without it, or with None, only a controller
    or a command can end the instance, and the launch says so.
    Budget: 1 s. Computed, no network.

    Args:
        context: As ever.
        instance: Which one.

    Returns:
        A recipe, or None. With the capability ``SELF_TERMINATE`` it must be one that needs no
        account key.

    Raises:
        Nothing.
    """


@hookspec(firstresult=True)
def arb_preemption_notice(context: ProviderContext) -> NoticeProbe | None:
    """Return what the node's agent watches to learn of a preemption before it happens.

    Called when a node's agent is configured. Optional; None when the provider gives no warning.
    Budget: 1 s. Computed, no network.

    Args:
        context: As ever.

    Returns:
        A probe that works without credentials, or None. ``ProviderInfo.notice_s`` says how long the
        warning is.

    Raises:
        Nothing.
    """
