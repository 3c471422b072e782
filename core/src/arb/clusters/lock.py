"""Let only one process at a time work on the cluster of a name."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from arb.provision.resume import cluster_lease
from arb.state.leases import Leases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arb.clusters.session import Session
    from arb.state.leases import Lease

__all__ = ["cluster_lock"]

_PATIENCE_S: Final = 1800.0


@contextmanager
def cluster_lock(
    session: Session, name: str, *, patience_s: float = _PATIENCE_S
) -> Iterator[Lease]:
    """Hold the cluster's lease; wait for a living holder and say so. A dead one is no obstacle.

    Raises:
        LeaseHeld: It is still held after ``patience_s``.
    """
    leases = Leases(session.store)
    lease_name = cluster_lease(name)
    holder = leases.info(lease_name)
    if holder is not None:
        session.progress.state(f"waiting for another command that works on {name}")
    what = f"cluster {name}"
    with leases.held(lease_name, wait_s=patience_s, what=what) as lease:
        session.progress.state("")
        yield lease
