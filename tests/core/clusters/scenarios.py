"""What dies in ``test_crashes``: launches and ends on arb-local, with nodes that need no SSH."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partialmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arb.clusters.session import Session


@contextmanager
def session() -> Iterator[Session]:
    """Open a session that tells on standard error, as the commands do."""
    from arb.cli.progress import PlainProgress
    from arb.clusters import bringup
    from arb.clusters.session import Session
    from arb.state.leases import Leases

    bringup.bring_up = lambda *_: None  # SSH and agents have their own tests
    if "LEASE_S" in os.environ:
        Leases.held = partialmethod(Leases.held, ttl_s=float(os.environ["LEASE_S"]))
    with Session(progress=PlainProgress()) as opened:
        yield opened


def _launch(opened: Session, infra: str) -> None:
    from arb.clusters.launch import Wish, plan_launch, run_launch
    from arb.tasks import Task

    task = Task.model_validate({"num_nodes": 2, "resources": {"infra": infra}})
    run_launch(opened, plan_launch(opened, Wish(task, cluster="x")))


def launch() -> None:
    """The first offer makes half of the gang, the second all of it."""
    with session() as opened:
        _launch(opened, "local/moon")


def launch_late() -> None:
    """The machines run, but nodes do not come up."""
    from arb.clusters import bringup
    from arb.errors import NodeError

    def fail(*_: object) -> None:
        raise NodeError("no SSH", code="no-ssh")

    with session() as opened:
        bringup.bring_up = fail
        _launch(opened, "local/local")


def down() -> None:
    """End everything, then carry on with what others left, as ``arb down -a`` does."""
    from arb.clusters.down import down as end
    from arb.provision.resume import resume

    with session() as opened:
        outcomes = end(opened, (), everything=True)
        resume(opened.shop)
        assert not [outcome for outcome in outcomes if outcome.error or outcome.left], outcomes


def resume() -> None:
    """Carry on with what others left, as every command does."""
    from arb.provision.resume import resume as carry_on

    with session() as opened:
        carry_on(opened.shop)


def reap() -> None:
    """List the providers and end what nobody asked for, as ``arb reap --yes`` does."""
    from arb.clusters.reaping import end, find
    from arb.provision.resume import resume as carry_on

    with session() as opened:
        carry_on(opened.shop)
        left = end(opened, find(opened, ["local"]))
        assert not left, left
