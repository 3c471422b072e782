"""Plain ``ssh NAME`` for every cluster that is up, host keys verified."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.errors import StateError
from arb.nodes.sshconfig import SshHost, add_include, remove_include, write_ssh_config
from arb.state.clusters import ClusterStatus, list_clusters
from arb.state.machines import machines_of_cluster
from arb.types import SshEndpoint

if TYPE_CHECKING:
    from pathlib import Path

    from arb.clusters.session import Session

__all__ = ["publish", "rewrite", "write_config"]


def publish(session: Session) -> None:
    """Write the generated configuration anew and include it from the user's own.

    With the setting ``ssh_config: false`` it is included no longer. A configuration that cannot be
    changed is a warning: ``arb ssh`` works all the same.
    """
    own = session.user_home / ".ssh" / "config"
    change = add_include if session.config.ssh_config else remove_include
    try:
        change(own, write_config(session))
    except StateError as error:
        session.progress.warn(f"{error.summary}; {error.hint}")


def rewrite(session: Session) -> None:
    """Write the generated configuration anew; that it cannot be written is a warning.

    The next command that ends or makes a cluster writes it whole.
    """
    try:
        write_config(session)
    except StateError as error:
        session.progress.warn(f"{error.summary}; {error.hint}")


def write_config(session: Session) -> Path:
    """Write the generated configuration anew and return its path.

    Raises:
        StateError: It cannot be written.
    """
    return write_ssh_config(session.home.folder("ssh"), session.client_key, lambda: _hosts(session))


def _hosts(session: Session) -> list[SshHost]:
    return [
        SshHost(
            cluster=record.name,
            rank=machine.rank,
            endpoint=SshEndpoint(machine.ssh_host, machine.ssh_port, machine.ssh_user),
            host_key=machine.host_key,
            alias=machine.token,
        )
        for record in list_clusters(session.store)
        if record.status is ClusterStatus.UP
        for machine in machines_of_cluster(session.store, record.id)
        if machine.ssh_host and machine.host_key and machine.terminate_after is None
    ]
