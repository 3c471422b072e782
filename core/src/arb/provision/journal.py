"""The intent journal: what is on disk before and after every call that costs money."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from arb.errors import ArbError
from arb.provision.orphans import claim, claim_leftover, give_up
from arb.provision.records import attempt_row, error_text, is_alive, machine_row, want_gone
from arb.state.attempts import (
    ENDED,
    Attempt,
    AttemptState,
    get_attempt,
    insert_attempt,
    next_seq,
    update_attempt,
)
from arb.state.clusters import ClusterStatus, get_by_id
from arb.state.machines import (
    Machine,
    get_machine,
    machines_of_cluster,
    record_machine,
    report_billed,
    update_machine,
)
from arb.types import InstanceState
from arb.types.tokens import attempt_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from arb.provision.leftovers import Leftover
    from arb.provision.order import Node
    from arb.provision.orphans import Orphan
    from arb.state.leases import Lease
    from arb.state.store import Reader, Store, Transaction
    from arb.types import Instance, Offer, ProvisionRequest

__all__ = ["ClusterEnding", "Journal", "all_known", "own"]


def _nothing(_: Transaction) -> None:
    """Write nothing along."""


class ClusterEnding(ArbError):
    """The cluster that is being bought for is not wanted any more."""


class Journal:
    """Attempts and machines of one store. Every method that writes is one durable transaction.

    Args:
        store: Where.
        lease: The turn that its writes belong to. Once another process has taken it over, every
            write raises ``LeaseLost`` and leaves nothing.
    """

    def __init__(self, store: Store, lease: Lease | None = None) -> None:
        self.store = store
        self.lease = lease

    def under(self, lease: Lease | None) -> Journal:
        """Return the journal of the same store whose writes belong to a turn, or to none."""
        return Journal(self.store, lease)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Run a block as one durable transaction, under the lease.

        Raises:
            LeaseLost: Another process took over.
            StateError: As ``Store.write``.
        """
        with self.store.write() as tx:
            if self.lease is not None:
                self.lease.keep(tx)
            yield tx

    def open(
        self,
        cluster_id: str,
        offer: Offer,
        build: Callable[[str], ProvisionRequest],
        *,
        sold_by: str = "",
        along: Callable[[Transaction], None] = _nothing,
    ) -> ProvisionRequest:
        """Commit the intent to buy, and return the request that may now be sent.

        Args:
            cluster_id: Whose machines they will be.
            offer: What is bought, at its price of now.
            build: Makes the request from the attempt's token. It makes keys, so it runs before the
                transaction.
            sold_by: The provider's distribution.
            along: Writes what else is to be remembered in the same transaction: a commit waits
                for the disk.
        """
        self.check_wanted(cluster_id)
        seq = next_seq(self.store, cluster_id)
        request = build(attempt_token(self.store.owner(), cluster_id, seq))
        with self.write() as tx:
            along(tx)
            insert_attempt(
                tx, attempt_row(cluster_id, seq, offer, request, tx.now), sold_by=sold_by
            )
        return request

    def check_wanted(self, cluster_id: str) -> None:
        """Refuse to go on with a cluster that another command is ending or has taken over.

        Raises:
            ClusterEnding: ``arb down`` was faster.
            LeaseLost: This process stood still, and another one took over.
        """
        record = get_by_id(self.store, cluster_id)
        if record is not None and record.status is not ClusterStatus.INIT:
            summary = f"cluster {record.name} was ended by another command while it was launched"
            raise ClusterEnding(summary, code="cluster-ending")
        if self.lease is not None:
            self.lease.look(self.store)

    def check_open(self, cluster_id: str, token: str) -> None:
        """Refuse to send an order whose intent another command closed, or whose cluster it ends.

        This process may have stood still for long, and others then took it for dead.

        Raises:
            ClusterEnding: Nothing may be sent.
            LeaseLost: Likewise.
        """
        self.check_wanted(cluster_id)
        attempt = get_attempt(self.store, token)
        if attempt is not None and attempt.state is not AttemptState.INTENT:
            summary = f"purchase {token} was closed by another command"
            raise ClusterEnding(summary, code="cluster-ending")

    def placed(
        self, request: ProvisionRequest, made: Iterable[Instance], handle: str, account: str
    ) -> None:
        """Record that the provider took the order, and the machines that it named."""
        with self.write() as tx:
            update_attempt(
                tx, request.token, state=AttemptState.PLACED, handle=handle, account=account
            )
            self._record(tx, request.token, made)

    def noticed(self, request: ProvisionRequest, seen: Iterable[Instance]) -> None:
        """Record machines of an order that show up after it was placed."""
        with self.write() as tx:
            self._record(tx, request.token, seen)

    def knows_all(self, request: ProvisionRequest) -> bool:
        """Say whether every machine of an order is recorded, so that none can appear."""
        attempt = get_attempt(self.store, request.token)
        return attempt is not None and all_known(self.store, attempt)

    def unknown(self, request: ProvisionRequest, error: ArbError) -> None:
        """Record that the answer was lost."""
        self._set(request.token, AttemptState.UNKNOWN, error)

    def failed(  # noqa: PLR0913 - keyword-only facts of one failure
        self,
        request: ProvisionRequest,
        error: ArbError,
        made: Iterable[Instance],
        *,
        certain: bool,
        account: str = "",
        along: Callable[[Transaction], None] = _nothing,
    ) -> None:
        """Record why an attempt failed, and the machines that it left to give back.

        Args:
            request: Which.
            error: Why.
            made: What exists of it.
            certain: False keeps the intent open, because more may appear.
            account: Whose purchase it is, when that is known.
            along: Writes what else is to be remembered in the same transaction: a commit waits
                for the disk.
        """
        with self.write() as tx:
            own(tx, request.token, account)
            self._record(tx, request.token, made)
            attempt = get_attempt(tx, request.token)
            if attempt is None:
                return
            open_ones = [m for m in machines_of_attempt(tx, attempt) if is_alive(m)]
            for machine in open_ones:
                want_gone(tx, machine)
            state = AttemptState.GIVING_BACK if open_ones else AttemptState.FAILED
            if not certain:
                state = AttemptState.UNKNOWN
            update_attempt(tx, request.token, state=state, error_json=error_text(error))
            along(tx)

    def ready(self, request: ProvisionRequest, nodes: Sequence[Node]) -> None:
        """Record that every machine runs, and where its SSH server is."""
        with self.write() as tx:
            self._record(tx, request.token, (node.instance for node in nodes))
            for node in nodes:
                instance, endpoint = node.instance, node.endpoint
                update_machine(
                    tx,
                    instance.provider,
                    instance.id,
                    state=InstanceState.RUNNING,
                    detail=instance.detail,
                    rank=node.rank,
                    address=instance.address,
                    private_address=instance.private_address or instance.address,
                    ssh_host=endpoint.host,
                    ssh_port=endpoint.port,
                    ssh_user=endpoint.user,
                    host_key=node.host_key,
                )
            update_attempt(tx, request.token, state=AttemptState.READY)

    def appeared(
        self, token: str, made: Iterable[Instance], account: str, *, handle: str = ""
    ) -> bool:
        """Record machines that were found under a purchase that nobody waits for; they are to go.

        A purchase that had ended is open again until they are gone.

        Args:
            token: Of the attempt.
            made: What was found.
            account: Whose machines they are.
            handle: What the provider returned for the attempt, when that was not written down.

        Returns:
            Whether one of them was not known.
        """
        with self.write() as tx:
            own(tx, token, account, handle)
            news = self._record(tx, token, made)
            attempt = get_attempt(tx, token)
            alive = machines_of_attempt(tx, attempt) if attempt else []
            for machine in alive:
                want_gone(tx, machine)
            if alive and attempt and attempt.state in ENDED:
                update_attempt(tx, token, state=AttemptState.GIVING_BACK)
        return news

    def surplus(self, token: str, extra: Iterable[Instance]) -> None:
        """Record machines that were made beside those that a purchase uses; they alone are to go."""
        with self.write() as tx:
            for instance in extra:
                self._record(tx, token, [instance])
                machine = get_machine(tx, instance.provider, instance.id)
                if machine is not None and is_alive(machine):
                    want_gone(tx, machine)

    def reaped(self, orphans: Iterable[Orphan], leftovers: Iterable[Leftover] = ()) -> bool:
        """Record what nobody asked for, and the wish to end it: all at once or none.

        Returns:
            False when all of it ended meanwhile.
        """
        with self.write() as tx:
            written = [claim(tx, orphan) for orphan in orphans]
            return any([*written, *(claim_leftover(tx, leftover) for leftover in leftovers)])

    def given_up(
        self,
        cluster_id: str,
        machines: Sequence[tuple[Machine, str]],
        attempts: Sequence[Attempt],
    ) -> None:
        """Stop counting and looking after what is left of a cluster, on the user's word."""
        with self.write() as tx:
            give_up(tx, cluster_id, machines, attempts)

    def want_gone(self, cluster_id: str) -> list[Machine]:
        """Commit the wish to end every machine of a cluster; return those that still live."""
        with self.write() as tx:
            alive = machines_of_cluster(tx, cluster_id)
            for machine in alive:
                want_gone(tx, machine)
        return alive

    def terminated(
        self, machine: Machine, *, gone: bool, retry_after_s: float, detail: str
    ) -> None:
        """Record the provider's answer to one termination.

        One that it is still pending may be old by now: another process has heard of the end since.
        """
        with self.write() as tx:
            known = get_machine(tx, machine.provider, machine.instance_id)
            if not gone and known is not None and not is_alive(known):
                return
            update_machine(
                tx,
                machine.provider,
                machine.instance_id,
                state=InstanceState.GONE if gone else InstanceState.TERMINATING,
                terminate_after=None if gone else tx.now + retry_after_s,
                terminate_detail=detail,
            )

    def closed(self, attempt: Attempt) -> None:
        """Record that nothing of an attempt is left."""
        with self.write() as tx:
            update_attempt(tx, attempt.id, state=AttemptState.CLOSED)

    def seen(self, machine: Machine, instance: Instance) -> None:
        """Record what a listing says of a machine; what is being ended stays so until it is gone."""
        with self.write() as tx:
            if machine.terminate_after is None or instance.state is InstanceState.GONE:
                update_machine(
                    tx,
                    machine.provider,
                    machine.instance_id,
                    state=instance.state,
                    reason=instance.reason,
                    detail=instance.detail,
                )
            if instance.reported_usd is not None:
                report_billed(tx, machine, instance.reported_usd)

    def _set(self, token: str, state: AttemptState, error: ArbError) -> None:
        with self.write() as tx:
            update_attempt(tx, token, state=state, error_json=error_text(error))

    def _record(self, tx: Transaction, token: str, made: Iterable[Instance]) -> bool:
        """Write machines down; say whether one was not known."""
        attempt = get_attempt(tx, token)
        if attempt is None:
            return False
        return sum(record_machine(tx, machine_row(attempt, instance)) for instance in made) > 0


def own(tx: Transaction, token: str, account: str, handle: str = "") -> None:
    """Note whose purchase an attempt is, and the provider's handle, once they are known."""
    attempt = get_attempt(tx, token)
    if account and attempt is not None and not attempt.account:
        update_attempt(tx, token, account=account)
    if handle and attempt is not None and not attempt.handle:
        update_attempt(tx, token, handle=handle)


def all_known(reader: Reader, attempt: Attempt) -> bool:
    """Say whether every machine that an attempt can have made is recorded."""
    machines = machines_of_cluster(reader, attempt.cluster_id, include_gone=True)
    return sum(machine.attempt_id == attempt.id for machine in machines) >= attempt.count


def machines_of_attempt(tx: Transaction, attempt: Attempt) -> list[Machine]:
    """Return the live machines of one attempt."""
    alive = machines_of_cluster(tx, attempt.cluster_id)
    return [machine for machine in alive if machine.attempt_id == attempt.id]
