"""Give machines back: the request stays on disk until the provider confirms the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.errors import ArbError, NodeError, RateLimited
from arb.nodes.fanout import fan_out_all
from arb.nodes.keys import forget_gang_key
from arb.provision.cleanup import clean, clean_up
from arb.provision.journal import all_known
from arb.provision.leaving import RETRY_S, clear
from arb.provision.lost import LOST, look_for_lost
from arb.provision.records import instance_ref
from arb.provision.shop import explained
from arb.state.attempts import AttemptState, attempts_of_cluster, get_attempt, open_attempts
from arb.state.clusters import ClusterStatus, get_by_id, update_cluster
from arb.state.machines import ending_machines, machines_of_cluster
from arb.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from arb.provision.shop import Shop
    from arb.state.attempts import Attempt
    from arb.state.machines import Machine

__all__ = [
    "drive",
    "end_cluster",
    "finish",
    "forget_host_keys",
    "give_back_attempt",
    "give_back_rest",
    "terminate_due",
]

PATIENCE_S: Final = 120.0
"""For how long a command waits for terminations that are under way."""
LONG_WAIT_S: Final = 30.0
"""A provider that asks to come back later than this is not waited for."""
_FAILED_RETRY_S: Final = 10.0
_LEAST_WAIT_S: Final = 0.5
"""A provider that wants no wait at all is not asked without end."""


def give_back_attempt(shop: Shop, token: str, *, patience_s: float = PATIENCE_S) -> None:
    """End what one failed attempt left, as far as that goes now.

    An attempt whose answer was lost stays open all the same: more may appear.

    Args:
        shop: The means.
        token: Of the attempt.
        patience_s: How long to wait for terminations that are under way.
    """
    attempt = get_attempt(shop.journal.store, token)
    if attempt is None or not attempt.is_open:
        return
    left = drive(shop, lambda: _of_attempt(shop, attempt), patience_s=patience_s)
    if not left and attempt.state is AttemptState.GIVING_BACK:
        _close_attempt(shop, attempt)


def give_back_rest(shop: Shop, cluster_id: str) -> None:
    """End what failed attempts left of a cluster that is up, without waiting for anything.

    Machines that were made beside its nodes go as well.
    """
    look_for_lost(shop, cluster_id)
    for attempt in open_attempts(shop.journal.store, cluster_id=cluster_id):
        if attempt.state is not AttemptState.READY:
            give_back_attempt(shop, attempt.id, patience_s=0)
    terminate_due(shop, ending_machines(shop.journal.store, cluster_id=cluster_id))


def end_cluster(shop: Shop, cluster_id: str) -> list[Machine]:
    """Commit the wish to end a cluster and every machine of it; nothing is called yet."""
    with shop.journal.write() as tx:
        record = get_by_id(tx, cluster_id)
        if record is not None and record.status is not ClusterStatus.GONE:
            update_cluster(tx, cluster_id, status=ClusterStatus.TERMINATING)
    return shop.journal.want_gone(cluster_id)


def finish(shop: Shop, cluster_id: str, *, patience_s: float = PATIENCE_S) -> list[Machine]:
    """End a cluster: machines, then what else was made for it, then its keys and its name.

    Args:
        shop: The means.
        cluster_id: Which.
        patience_s: How long to wait for terminations that are under way.

    Returns:
        The machines that are not gone yet: the wish stays on disk for the next command.
    """
    store = shop.journal.store
    found = True
    while found:
        found = look_for_lost(shop, cluster_id)
        end_cluster(shop, cluster_id)
        left = drive(shop, lambda: machines_of_cluster(store, cluster_id), patience_s=patience_s)
        if left:
            return left
    _close(shop, cluster_id)
    return []


def terminate_due(shop: Shop, machines: Sequence[Machine]) -> None:
    """Ask every provider once for the end of those machines whose time has come, at once.

    What this process cannot end, for want of a plugin or of credentials, it does not try again soon;
    the next one does.
    """
    now = shop.journal.store.now()
    due = [m for m in machines if m.terminate_after is not None and m.terminate_after <= now]
    due = [machine for machine in due if not shop.gave_up_on(machine.key)]
    for outcome in fan_out_all(lambda machine: _terminate(shop, machine), due):
        if outcome.error is not None:
            raise outcome.error


def drive(shop: Shop, living: Callable[[], list[Machine]], *, patience_s: float) -> list[Machine]:
    """Terminate until none is left, patience is over, or every one asks for a long wait.

    Args:
        shop: The means.
        living: Returns the machines that are not gone yet; their end is wanted.
        patience_s: How long to wait for terminations that are under way.

    Returns:
        Those that are left.
    """
    limit = shop.clock.monotonic() + patience_s
    while True:
        terminate_due(shop, living())
        left = living()
        waiting = [machine for machine in left if not shop.gave_up_on(machine.key)]
        if not waiting:
            return left
        due = min((m.terminate_after or 0) for m in waiting) - shop.journal.store.now()
        wait = max(_LEAST_WAIT_S, due)
        if wait > LONG_WAIT_S or shop.clock.monotonic() + wait > limit:
            return left
        shop.progress.state(
            f"waiting for {counted(len(waiting), 'machine')} to end ({_reason(waiting[0])})"
        )
        shop.clock.sleep(wait)


def _reason(machine: Machine) -> str:
    return machine.terminate_detail or machine.state.value


def _terminate(shop: Shop, machine: Machine) -> None:
    try:
        provider = shop.provider(machine.provider)
        clear(shop, provider, machine)
        answer = provider.terminate(instance_ref(machine))
    except RateLimited as error:
        shop.journal.terminated(
            machine, gone=False, retry_after_s=error.retry_after_s, detail=error.summary
        )
    except ArbError as error:
        shop.note_unfinished(machine.key, error)
        retry_s = RETRY_S if isinstance(error, NodeError) else _FAILED_RETRY_S
        retry_s = 0 if shop.gave_up_on(machine.key) else retry_s
        shop.journal.terminated(machine, gone=False, retry_after_s=retry_s, detail=explained(error))
    else:
        shop.unfinished.pop(machine.key, None)
        shop.journal.terminated(
            machine, gone=answer.gone, retry_after_s=answer.retry_after_s, detail=answer.detail
        )


def _of_attempt(shop: Shop, attempt: Attempt) -> list[Machine]:
    alive = machines_of_cluster(shop.journal.store, attempt.cluster_id)
    return [machine for machine in alive if machine.attempt_id == attempt.id]


def _close_attempt(shop: Shop, attempt: Attempt) -> None:
    cluster = get_by_id(shop.journal.store, attempt.cluster_id)
    if cluster is not None and clean(shop, cluster, [attempt]):
        forget_host_keys(shop, attempt.id)  # first: nobody looks at what is closed again
        shop.journal.closed(attempt)


def _close(shop: Shop, cluster_id: str) -> None:
    """Clean up, then let the name go. An attempt that may have made more stays open: ``lost``."""
    store = shop.journal.store
    cluster = get_by_id(store, cluster_id)
    if cluster is None or not clean_up(shop, cluster):
        return
    for attempt in attempts_of_cluster(store, cluster_id):
        forget_host_keys(shop, attempt.id)
    forget_gang_key(shop.vault, cluster_id)
    for attempt in open_attempts(store, cluster_id=cluster_id):
        if attempt.state not in LOST or all_known(store, attempt):
            shop.journal.closed(attempt)
    with shop.journal.write() as tx:
        update_cluster(tx, cluster_id, status=ClusterStatus.GONE)


def forget_host_keys(shop: Shop, token: str) -> None:
    """Forget the host keys of an attempt's machines, which are no more."""
    for name in shop.vault.names(f"host/{token}"):
        shop.vault.delete(name)
