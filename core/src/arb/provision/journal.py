"""The intent journal: what is on disk before and after every call that concerns money."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from arb.errors import ArbError
from arb.state.attempts import (
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
    machines_of_cluster,
    record_machine,
    report_billed,
    update_machine,
)
from arb.state.requests import digest, dump_request
from arb.state.tokens import attempt_token, parse_token
from arb.types import InstanceState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from arb.provision.order import Node
    from arb.state.store import Reader, Store, Transaction
    from arb.types import Instance, Offer, ProvisionRequest

__all__ = ["ClusterEnding", "Journal", "all_known", "own"]


def _nothing(_: Transaction) -> None:
    """Write nothing along."""


class ClusterEnding(ArbError):
    """The cluster that is being bought for is not wanted any more."""


class Journal:
    """Attempts and machines of one store. Every method is one durable transaction.

    Args:
        store: Where.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def open(
        self, cluster_id: str, offer: Offer, build: Callable[[str], ProvisionRequest]
    ) -> ProvisionRequest:
        """Commit the intent to buy, and return the request that may now be sent.

        Args:
            cluster_id: Whose machines they will be.
            offer: What is bought.
            build: Makes the request from the attempt's token. It makes keys, so it runs before the
                transaction.
        """
        self.check_wanted(cluster_id)
        with self.store.write() as tx:
            seq = next_seq(tx, cluster_id)
        token = attempt_token(self.store.owner(), cluster_id, seq)
        request = build(token)
        with self.store.write() as tx:
            insert_attempt(tx, _attempt(cluster_id, seq, offer, request, tx.now))
        return request

    def check_wanted(self, cluster_id: str) -> None:
        """Refuse to go on with a cluster that another command is ending.

        Raises:
            ClusterEnding: ``arb down`` was faster.
        """
        record = get_by_id(self.store, cluster_id)
        if record is not None and record.status is not ClusterStatus.INIT:
            summary = f"cluster {record.name} was ended by another command while it was launched"
            raise ClusterEnding(summary, code="cluster-ending")

    def check_open(self, cluster_id: str, token: str) -> None:
        """Refuse to send an order whose intent another command closed, or whose cluster it ends.

        This process may have stood still for long, and others then took it for dead.

        Raises:
            ClusterEnding: Nothing may be sent.
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
        with self.store.write() as tx:
            update_attempt(
                tx, request.token, state=AttemptState.PLACED, handle=handle, account=account
            )
            self._record(tx, request.token, made)

    def noticed(self, request: ProvisionRequest, seen: Iterable[Instance]) -> None:
        """Record machines of an order that show up after it was placed."""
        with self.store.write() as tx:
            self._record(tx, request.token, seen)

    def knows_all(self, request: ProvisionRequest) -> bool:
        """Say whether every machine of an order is recorded, so that none can appear."""
        attempt = get_attempt(self.store, request.token)
        return attempt is not None and all_known(self.store, attempt)

    def unknown(self, request: ProvisionRequest, error: ArbError) -> None:
        """Record that the answer was lost."""
        self._set(request.token, AttemptState.UNKNOWN, error)

    def failed(
        self,
        request: ProvisionRequest,
        error: ArbError,
        made: Iterable[Instance],
        *,
        certain: bool,
        along: Callable[[Transaction], None] = _nothing,
    ) -> None:
        """Record why an attempt failed, and the machines that it left to give back.

        Args:
            request: Which.
            error: Why.
            made: What exists of it.
            certain: False keeps the intent open, because more may appear.
            along: Writes what else is to be remembered in the same transaction: a commit waits
                for the disk.
        """
        with self.store.write() as tx:
            along(tx)
            self._record(tx, request.token, made)
            attempt = get_attempt(tx, request.token)
            if attempt is None:
                return
            open_ones = [m for m in machines_of_attempt(tx, attempt) if _alive(m)]
            for machine in open_ones:
                _want_gone(tx, machine)
            state = AttemptState.GIVING_BACK if open_ones else AttemptState.FAILED
            if not certain:
                state = AttemptState.UNKNOWN
            update_attempt(tx, request.token, state=state, error_json=_error(error))

    def ready(self, request: ProvisionRequest, nodes: Sequence[Node]) -> None:
        """Record that every machine runs, and where its SSH server is."""
        with self.store.write() as tx:
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

    def appeared(self, attempt: Attempt, made: Iterable[Instance], account: str) -> bool:
        """Record machines that were found under an old intent; they are to go.

        Args:
            attempt: The intent.
            made: What was found.
            account: Whose machines they are.

        Returns:
            Whether one of them was not known.
        """
        with self.store.write() as tx:
            own(tx, attempt.id, account)
            news = self._record(tx, attempt.id, made)
            for machine in machines_of_attempt(tx, attempt):
                if _alive(machine):
                    _want_gone(tx, machine)
        return news

    def want_gone(self, cluster_id: str) -> list[Machine]:
        """Commit the wish to end every machine of a cluster; return those that still live."""
        with self.store.write() as tx:
            alive = machines_of_cluster(tx, cluster_id)
            for machine in alive:
                _want_gone(tx, machine)
        return alive

    def terminated(
        self, machine: Machine, *, gone: bool, retry_after_s: float, detail: str
    ) -> None:
        """Record the provider's answer to one termination."""
        with self.store.write() as tx:
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
        with self.store.write() as tx:
            update_attempt(tx, attempt.id, state=AttemptState.CLOSED)

    def seen(self, machine: Machine, instance: Instance) -> None:
        """Record what a listing says of a machine."""
        with self.store.write() as tx:
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
        with self.store.write() as tx:
            update_attempt(tx, token, state=state, error_json=_error(error))

    def _record(self, tx: Transaction, token: str, made: Iterable[Instance]) -> bool:
        """Write machines down; say whether one was not known."""
        attempt = get_attempt(tx, token)
        if attempt is None:
            return False
        return sum(record_machine(tx, _machine(attempt, instance)) for instance in made) > 0


def own(tx: Transaction, token: str, account: str) -> None:
    """Note whose purchase an attempt is, once that is known."""
    attempt = get_attempt(tx, token)
    if account and attempt is not None and not attempt.account:
        update_attempt(tx, token, account=account)


def all_known(reader: Reader, attempt: Attempt) -> bool:
    """Say whether every machine that an attempt can have made is recorded."""
    machines = machines_of_cluster(reader, attempt.cluster_id, include_gone=True)
    return sum(machine.attempt_id == attempt.id for machine in machines) >= attempt.count


def machines_of_attempt(tx: Transaction, attempt: Attempt) -> list[Machine]:
    """Return the live machines of one attempt."""
    alive = machines_of_cluster(tx, attempt.cluster_id)
    return [machine for machine in alive if machine.attempt_id == attempt.id]


def _attempt(
    cluster_id: str, seq: int, offer: Offer, request: ProvisionRequest, now: float
) -> Attempt:
    return Attempt(
        id=request.token,
        cluster_id=cluster_id,
        seq=seq,
        provider=offer.provider,
        offer_json=offer.to_json(),
        count=request.count,
        request_json=dump_request(request),
        request_digest=digest(request),
        price_usd_hour=offer.price_usd_hour,
        opened_at=now,
    )


def _machine(attempt: Attempt, instance: Instance) -> Machine:
    offer = json.loads(attempt.offer_json)
    parsed = parse_token(instance.token)
    rank = parsed.rank if parsed and parsed.rank is not None else 0
    price = attempt.price_usd_hour if instance.price_usd_hour is None else instance.price_usd_hour
    return Machine(
        provider=attempt.provider,
        instance_id=instance.id,
        token=instance.token,
        attempt_id=attempt.id,
        cluster_id=attempt.cluster_id,
        rank=rank,
        region=instance.region,
        zone=instance.zone,
        instance_type=instance.instance_type or offer["instance_type"],
        state=instance.state,
        reason=instance.reason,
        detail=instance.detail,
        address=instance.address,
        private_address=instance.private_address,
        price_usd_hour=price,
        minimum_s=offer["minimum_s"],
        spot=offer["spot"],
        handle=attempt.handle or instance.payload,
        account=attempt.account,
        made_at=instance.made_at or attempt.opened_at,
    )


def _alive(machine: Machine) -> bool:
    return machine.state is not InstanceState.GONE


def _want_gone(tx: Transaction, machine: Machine) -> None:
    if machine.terminate_after is None:
        update_machine(tx, machine.provider, machine.instance_id, terminate_after=tx.now)


def _error(error: ArbError) -> str:
    return json.dumps(error.to_dict())
