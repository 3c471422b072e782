"""Hooks that make machines, list them and stop paying for them. All of these concern money."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.hookspecs._markers import hookspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.types import (
        ClusterRef,
        Instance,
        InstanceRef,
        Leftovers,
        Listing,
        ListQuery,
        ProviderContext,
        ProvisionRequest,
        ProvisionResult,
        Termination,
    )

__all__ = [
    "arb_cleanup",
    "arb_list_instances",
    "arb_list_leftovers",
    "arb_poll",
    "arb_provision",
    "arb_start",
    "arb_stop",
    "arb_terminate",
]


@hookspec(firstresult=True)
def arb_provision(context: ProviderContext, request: ProvisionRequest) -> ProvisionResult:  # type: ignore[empty-body]
    """Buy ``request.count`` machines of one offer. Spends money.

    Called once an attempt, after the intent with ``request.token`` is on disk. Required.
    Budget: 120 s, and ``machine_interval_s`` more for each machine after the first. Never waits
    for a machine to boot: returns as soon as the provider took the order.
    Idempotent on the token: a second call with an equal request, in the same process, returns the
    same machines and makes no more. What is sent is therefore a function of the request alone: no
    clock, no random number, no look-up that may answer differently next time. A provider that has
    no idempotency token of its own lists ours before it orders. After a crash the hook is never
    repeated, only listed.

    Each machine carries its setup's token where ``arb_list_instances`` finds it (name or tag), lets
    ``authorized_key`` in and, with ``USER_DATA``, has the setup's files in place and its commands
    run at the first boot. Whatever else is made (security group, key, disk) carries the token too,
    or is shared by all of this owner's clusters and named after the owner.

    Args:
        context: Use ``context.limiter`` for the provider's launch limits.
        request: What to buy. Keep secrets of ``request.setups`` out of every message.

    Returns:
        ``ProvisionResult``: machines in rank order, and an opaque handle for ``arb_poll``.

    Raises:
        CapacityError, QuotaError, RequestError: The provider said no. ``made`` holds the machines
            of this gang that exist; the core gives them back. Nothing else was made.
        CredentialsError: The account was refused; nothing was made.
        RateLimited: The order was refused and made nothing; the core waits and repeats it. A
            limit met in the middle of a gang is waited for, or else a CapacityError with ``made``.
        ProviderUnavailable: Anything may have been made: the core lists the token until
            ``listing_lag_s`` has passed, and terminates what appears later. Also for "this token
            was used with other parameters", which proves that something exists. Set ``never_sent``
            on it where the hook gave up before it sent any order, and its ``scope`` where other
            regions may answer.
    """


@hookspec(firstresult=True)
def arb_poll(  # type: ignore[empty-body]
    context: ProviderContext, request: ProvisionRequest, handle: str
) -> Sequence[Instance]:
    """Say how an order is doing whose refusal may come late.

    Called every few seconds (``poll_interval_s``) after ``arb_provision`` until all machines are
    ``RUNNING`` and have an address, or the readiness time-out is over. Optional: without it
    ``arb_list_instances`` is asked with the attempt's tokens, and a machine that ends before it was
    ready counts as a CapacityError of ``Scope.OFFER``.
    Budget: 20 s. Reads only. Safe to call at any time, also long after the attempt ended.

    Args:
        context: As ever.
        request: The request as it was sent. After a crash its setups hold no private host keys.
        handle: What ``arb_provision`` returned.

    Returns:
        The machines of the attempt in rank order, as they are now.

    Raises:
        CapacityError, QuotaError, RequestError: The order failed after it was taken, ``made`` says
            what exists of it.
        ProviderUnavailable, RateLimited: Asked again later.
    """


@hookspec(firstresult=True)
def arb_list_instances(context: ProviderContext, query: ListQuery) -> Listing:  # type: ignore[empty-body]
    """List machines that carry an arb token, wherever they are.

    Called to refresh states, to resolve lost answers and by the reaper. Required.
    Budget: 30 s. Reads only. Never relies on local memory: what the provider shows now is the
    answer, also when this process did not make it.

    Args:
        context: As ever.
        query: See ``ListQuery``. Machines without an arb token are never returned.

    Returns:
        ``Listing``. A region that failed, timed out or was cut short is left out of ``complete``
        and named in ``errors``; a machine that is missing there stays UNKNOWN. Every page is read.
        A machine that just ended is returned with ``GONE`` and its reason for as long as the
        provider shows it, also where it shows that elsewhere (an operation log). A machine that
        failed or was taken and may still be billed is ``TERMINATING``, never ``GONE``.

    Raises:
        CredentialsError: No region answered because the account was refused.
        ProviderUnavailable: No region answered.
        RateLimited: As before; the wait is kept.
    """


@hookspec(firstresult=True)
def arb_terminate(context: ProviderContext, instance: InstanceRef) -> Termination:  # type: ignore[empty-body]
    """Stop paying for one instance.

    Called until it answers ``GONE``, by any process of the owner, however long that takes. Required.
    Budget: 30 s. Return ``Termination.PENDING`` rather than wait; it is called again after
    ``retry_after_s``.
    Idempotent: an instance that is gone, or was never made, is ``Termination.GONE``, not an error;
    "not found" within ``listing_lag_s`` of ``instance.made_at`` is ``PENDING``, because listings
    lag. ``GONE`` may be returned only after the provider itself confirmed that it stopped billing,
    and only by the account that bought it: to any other account everything is "not found".
    A provider that refuses for now (a minimum run time, an instance still booting) is ``PENDING``
    with the wait in ``retry_after_s`` and the reason in ``detail``.

    Args:
        context: As ever.
        instance: Built from state alone: id, region, token and handle.

    Returns:
        ``Termination``: gone, or pending with ``retry_after_s`` in seconds.

    Raises:
        CredentialsError: The account was refused, or is not ``instance.account``; the intent to
            terminate stays and is shown.
        ProviderUnavailable, RateLimited: Nothing is known; called again later.
    """


@hookspec(firstresult=True)
def arb_list_leftovers(context: ProviderContext, owner: str) -> Leftovers:  # type: ignore[empty-body]
    """Say of which purchases there is anything that is not an instance, wherever it is.

    Called by ``arb reap``, and after a state was lost: then nobody knows the token of a rule whose
    machine is gone or was never made. Not optional where ``arb_cleanup`` has something to remove.
    Budget: 30 s. Reads only. Never relies on local memory. Every page is read.

    Args:
        context: As ever.
        owner: Only what carries a token of this owner.

    Returns:
        ``Leftovers``: the purchases' tokens, without ranks; also those whose machines are alive. What
        all clusters of an owner share is none. A region that failed is named in ``errors``.

    Raises:
        CredentialsError: The account was refused, or may not look.
        ProviderUnavailable: No region answered.
        RateLimited: As before; the wait is kept.
    """


@hookspec(firstresult=True)
def arb_cleanup(context: ProviderContext, cluster: ClusterRef) -> None:
    """Remove what is not an instance: security groups, firewall rules, keys, disks.

    Called after the last instance of a cluster is ``GONE``, and again by the reaper. Optional.
    Budget: 30 s. Idempotent: things that are gone are not an error. Touches only what carries one
    of ``cluster.tokens``; what all clusters of an owner share stays.

    Args:
        context: As ever.
        cluster: Names, tokens, regions and the attempts' handles.

    Raises:
        ProviderUnavailable, RateLimited: Something is left, or still in use; called again later.
        CredentialsError: As before, and shown.
    """


@hookspec(firstresult=True)
def arb_stop(context: ProviderContext, instances: Sequence[InstanceRef]) -> Sequence[Instance]:  # type: ignore[empty-body]
    """Stop machines so that they can be started again and cost (nearly) nothing until then.

    Called to stop a cluster by hand or when it is idle, which no command does yet; with the capability
    ``STOP`` and for on-demand machines only.
    Budget: 30 s; does not wait for the end state. Idempotent: a stopped machine stays stopped.

    Args:
        context: As ever.
        instances: Which ones; all of one cluster, perhaps in several regions.

    Returns:
        The machines as they are now (``STOPPING`` or ``STOPPED``; a vanished one ``GONE``).

    Raises:
        RequestError: This kind of machine cannot be stopped, for instance for its local disks; all
            keep running.
        CredentialsError, ProviderUnavailable, RateLimited: State unknown; asked again.
    """


@hookspec(firstresult=True)
def arb_start(context: ProviderContext, instances: Sequence[InstanceRef]) -> Sequence[Instance]:  # type: ignore[empty-body]
    """Start stopped machines again. Spends money.

    Called to start a stopped cluster, which no command does yet; with the capability ``STOP`` only, after
    the intent is on disk.
    Budget: 60 s; does not wait for the boot. Idempotent: a running machine keeps running. Addresses
    may change; host keys and disks do not.

    Args:
        context: As ever.
        instances: Which ones; all of one cluster, perhaps in several regions.

    Returns:
        The machines as they are now.

    Raises:
        CapacityError, QuotaError: It cannot be started now; the machines that did start are listed
            by ``arb_list_instances``.
        CredentialsError, ProviderUnavailable, RateLimited: State unknown; listed again.
    """
