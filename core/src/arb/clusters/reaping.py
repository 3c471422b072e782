"""Reap on request, and quietly with every launch."""

from __future__ import annotations

import threading
from itertools import islice
from typing import TYPE_CHECKING, Final

from arb.clusters.refresh import close_if_empty
from arb.errors import ArbError
from arb.provision.reaper import certain, end_orphans, survey, tidy
from arb.state.attempts import get_attempt
from arb.state.clusters import list_clusters
from arb.state.leases import LeaseHeld, Leases
from arb.state.machines import get_machine, providers_of_machines
from arb.state.marks import get_mark, set_mark
from arb.text import counted
from arb.types import InstanceState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from arb.clusters.session import Session
    from arb.provision.orphans import Orphan
    from arb.provision.reaper import Survey
    from arb.state.machines import Machine
    from arb.types import Offer

__all__ = ["end", "ended", "find", "reap_along", "removed"]

_EVERY_S: Final = 60
"""A provider that was listed within this time, by whatever process, is not listed again."""
_PATIENCE_S: Final = 3.0
"""A launch waits no longer than this for listings; they go on beside it."""
_AHEAD: Final = 40
"""Providers of so many offers at the top are listed."""


def find(session: Session, names: Sequence[str] = (), *, all_owners: bool = False) -> list[Survey]:
    """List what is at providers and say what each machine is, and what is left over. Ends nothing.

    Args:
        session: Of this process.
        names: Of providers; empty means all that are installed.
        all_owners: Show other owners' machines as well.

    Raises:
        UsageError: There is no such provider.
    """
    chosen = tuple(names) or session.plugins.provider_names()
    found = survey(session.shop, chosen, all_owners=all_owners, beside=True)
    _close_empty(session)
    return found


def end(session: Session, found: Iterable[Survey], *, patience_s: float = 0) -> list[Machine]:
    """End what nobody asked for any more, and what ended clusters left beside machines.

    Returns:
        Machines whose end is not confirmed yet: the next command carries on.
    """
    surveys = list(found)
    orphans = [orphan for each in surveys for orphan in each.orphans]
    leftovers = [leftover for each in surveys for leftover in each.leftovers]
    left = end_orphans(session.shop, orphans, leftovers, patience_s=patience_s)
    tidy(session.shop, [each.provider for each in surveys if each.error is None])
    return left


def ended(session: Session, found: Iterable[Survey]) -> list[str]:
    """Return the orphans of a survey that are confirmed to be gone, as ``provider/id``."""
    orphans = [orphan for each in found for orphan in each.orphans]
    machines = [get_machine(session.store, o.instance.provider, o.instance.id) for o in orphans]
    return [m.key for m in machines if m is not None and m.state is InstanceState.GONE]


def removed(session: Session, found: Iterable[Survey]) -> list[str]:
    """Return the purchases that something was left of and nothing is any more, by token."""
    tokens = [leftover.token for each in found for leftover in each.leftovers]
    attempts = [get_attempt(session.store, token) for token in tokens]
    return [attempt.id for attempt in attempts if attempt is not None and not attempt.is_open]


def reap_along(session: Session, offers: Sequence[Offer] | None) -> None:
    """Reap beside a launch: where machines are or were, and where the walk begins.

    It is quiet unless something is ended. A launch that buys waits some seconds for it at most; one
    that uses what is up does not wait.

    Args:
        session: Of this process.
        offers: What the walk will try; None when nothing is bought.
    """
    names = set(providers_of_machines(session.store))
    names |= {offer.provider for offer in islice(offers or (), _AHEAD)}
    due = [name for name in sorted(names) if _is_due(session, name)]
    if not due:
        return
    thread = threading.Thread(target=_reap_quietly, args=(session, due), name="reaper", daemon=True)
    thread.start()
    thread.join(0 if offers is None else _PATIENCE_S)


def _is_due(session: Session, name: str) -> bool:
    installed = name in session.plugins.provider_names()
    return installed and session.store.now() - get_mark(session.store, _mark(name)) >= _EVERY_S


def _mark(name: str) -> str:
    return f"reaped/{name}"


def _reap_quietly(session: Session, names: Sequence[str]) -> None:
    try:
        with Leases(session.store).held("reaper"):
            found = survey(session.shop, names)
            _remember(session, found)
            _close_empty(session)
            orphans = [orphan for each in found for orphan in each.orphans]
            _end_certain(session, orphans)
    except LeaseHeld:
        return  # another process does it
    except ArbError as error:
        session.progress.warn(f"looking for machines that nobody asked for: {error.summary}")


def _remember(session: Session, found: Sequence[Survey]) -> None:
    """Note who was listed, so that the next launch need not; who failed is asked again."""
    with session.store.write() as tx:
        for each in found:
            if each.error is None:
                set_mark(tx, _mark(each.provider), int(tx.now))


def _end_certain(session: Session, orphans: Sequence[Orphan]) -> None:
    sure, unsure = certain(session.shop, orphans)
    for orphan in sure:
        session.progress.warn(f"{_name(orphan)} was billed and nobody asked for it: ending it")
    end_orphans(session.shop, sure)
    if unsure:
        names = ", ".join(map(_name, unsure[:3])) + (", ..." if len(unsure) > 3 else "")  # noqa: PLR2004 - enough
        session.progress.warn(
            f"{counted(len(unsure), 'machine')} of this owner not known here ({names}): "
            "arb reap shows and ends them"
        )


def _name(orphan: Orphan) -> str:
    return f"{orphan.instance.provider}/{orphan.instance.id}"


def _close_empty(session: Session) -> None:
    """Let clusters go whose last machine turned out to be gone, now or to a process that died."""
    for record in list_clusters(session.store):
        close_if_empty(session, record)
