"""Bugs of the kind that trials are for. Planted into commands, each must be found."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["BUGS"]


def _order_before_the_intent() -> None:
    """Write the intent down nowhere."""
    from arb.provision import journal

    journal.insert_attempt = lambda *_, **__: None


def _forget_lost_orders() -> None:
    from arb.provision import giveback

    giveback.look_for_lost = lambda *_: False


def _look_not_for_long() -> None:
    """Call a lost order over although it may still be carried out."""
    from arb.provision import lost

    lost.OPEN_S = 10.0  # type: ignore[misc]


def _take_silence_for_a_no() -> None:
    """Look for nothing when no answer came."""
    from arb.errors import ArbError, Refusal, Scope
    from arb.provision import placing

    def refused(error: BaseException) -> ArbError:
        return Refusal(str(error), scope=Scope.OFFER, code="no")

    placing._as_answer = refused


def _keep_part_of_a_gang() -> None:
    """Give nothing back of an order that was refused in the middle."""
    from arb.provision.placing import Found
    from arb.provision.undo import Undoing
    from arb.types import ProvisionResult

    Undoing.refused = lambda self, error: self._undo(Found(), error, ProvisionResult(()))  # type: ignore[method-assign]


def _buy_what_cannot_be_written() -> None:
    """Go on although the disk is full."""
    from arb.errors import StateError
    from arb.state.sqlite import SqliteBackend

    commit = SqliteBackend.commit

    def try_to(self: SqliteBackend) -> None:
        try:
            commit(self)
        except StateError:
            self.rollback()

    SqliteBackend.commit = try_to  # type: ignore[method-assign]


def _ignore_the_lease() -> None:
    """Write and buy although another process took over."""
    from arb.provision.journal import Journal
    from arb.state.leases import Lease

    Lease.keep = lambda *_: None  # type: ignore[method-assign]
    Journal.check_open = Journal.check_wanted = lambda *_: None  # type: ignore[method-assign]


def _forget_the_loss() -> None:
    """Begin a new state as if there had been none."""
    from arb.state import marks

    note = marks.note_birth

    def plain(backend: Any, now: float, **_: Any) -> None:
        note(backend, now, was_lost=False)

    marks.note_birth = plain


def _overlook_what_is_gone() -> None:
    """Write nothing of a machine down that was taken away before anybody knew of it."""
    from arb.provision.journal import Journal
    from arb.types import InstanceState

    appeared = Journal.appeared

    def alive_only(self: Journal, token: str, made: Any, *more: Any, **named: Any) -> bool:
        alive = [instance for instance in made if instance.state is not InstanceState.GONE]
        return appeared(self, token, alive, *more, **named)

    Journal.appeared = alive_only  # type: ignore[method-assign]


def _believe_listings() -> None:
    """Take whatever a listing does not show for gone, also where it lags or failed."""
    from arb.clusters import refresh
    from arb.provision import reaper, sightings
    from arb.types import Listing

    settle = sightings.settle
    Listing.covers = lambda *_: True  # type: ignore[method-assign]
    refresh.settle = reaper.settle = lambda *of, **about: settle(*of, **{**about, "lag_s": -1})


def _believe_in_the_end() -> None:
    """Take a machine for gone whose end was only asked for."""
    from arb.provision.journal import Journal

    terminated = Journal.terminated

    def always_gone(self: Journal, machine: Any, **answer: Any) -> None:
        terminated(self, machine, **{**answer, "gone": True})

    Journal.terminated = always_gone


def _reap_everybody() -> None:
    """Take machines of other owners for our own."""
    from arb.clusters import reaping
    from arb.provision import reaper
    from arb.provision.verdicts import Kind

    judge = reaper.judge

    def ours(*arguments: Any, **named: Any) -> Kind:
        kind = judge(*arguments, **named)
        return Kind.STRAY if kind is Kind.FOREIGN else kind

    reaper.judge = ours
    reaping.survey = lambda shop, names, **_: reaper.survey(shop, names, all_owners=True)


def _keep_keys() -> None:
    """Forget no key when a purchase is over, nor later."""
    from arb.provision import giveback

    giveback.forget_host_keys = lambda *_: None
    _keep_lost_keys()


def _keep_lost_keys() -> None:
    """Forget no key of a state that was lost."""
    from arb.provision import reaper, recover

    reaper.forget_unused_keys = recover.forget_unused_keys = lambda *_, **__: None


def _look_for_machines_alone() -> None:
    """Find nothing beside machines once nobody knows its purchase."""
    from arb.provision import reaper

    reaper.look_beside = lambda *_: None


def _change_events(change: Callable[[str, dict[str, Any]], bool]) -> None:
    from arb.state import events

    append = events.append

    def changed(tx: Any, kind: str, **facts: Any) -> None:
        if change(kind, facts):
            append(tx, kind, **facts)

    events.append = changed


def _bill_nothing(kind: str, _: dict[str, Any]) -> bool:
    return kind != "machine-made"


def _bill_on(kind: str, facts: dict[str, Any]) -> bool:
    """Let the bill of a machine run on after its end."""
    if kind == "machine-gone":
        facts["data"] = {**facts["data"], "gone_at": facts["data"]["gone_at"] + 5000}
    return True


def _launch_beside() -> None:
    """Buy anew although the cluster is up, after forgetting that it is there."""
    from arb.clusters import launch
    from arb.state.clusters import ClusterStatus, update_cluster

    def forget(session: Any, record: Any, **_: Any) -> bool:
        with session.store.write() as tx:
            update_cluster(tx, record.id, status=ClusterStatus.GONE)
        return False

    launch._is_usable = forget


BUGS: Final[Mapping[str, Callable[[], None]]] = {
    "intent": _order_before_the_intent,
    "lost": _forget_lost_orders,
    "impatient": _look_not_for_long,
    "silence": _take_silence_for_a_no,
    "gang": _keep_part_of_a_gang,
    "full": _buy_what_cannot_be_written,
    "lease": _ignore_the_lease,
    "loss": _forget_the_loss,
    "taken": _overlook_what_is_gone,
    "listing": _believe_listings,
    "ended": _believe_in_the_end,
    "foreign": _reap_everybody,
    "keys": _keep_keys,
    "lost-keys": _keep_lost_keys,
    "lost-rules": _look_for_machines_alone,
    "unbilled": partial(_change_events, _bill_nothing),
    "overbilled": partial(_change_events, _bill_on),
    "beside": _launch_beside,
}
"""By name: what breaks it."""
