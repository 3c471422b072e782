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

    reaper.forget_unused_keys = recover.forget_unused_keys = lambda _: None


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
    "ended": _believe_in_the_end,
    "foreign": _reap_everybody,
    "keys": _keep_keys,
    "lost-keys": _keep_lost_keys,
    "unbilled": partial(_change_events, _bill_nothing),
    "overbilled": partial(_change_events, _bill_on),
    "beside": _launch_beside,
}
"""By name: what breaks it."""
