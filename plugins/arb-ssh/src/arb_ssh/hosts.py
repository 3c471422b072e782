"""A machine that the team has, as the configuration tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Gpus", "Hardware", "Host"]


@dataclass(frozen=True, slots=True)
class Gpus:
    """Equal accelerators of one machine: ``gib`` is the memory of one, 0 when it is not known."""

    name: str = ""
    count: float = 0
    gib: float = 0


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a machine has."""

    vcpus: float
    memory_gib: float
    gpus: Gpus = Gpus()
    arch: str = "x86_64"


@dataclass(frozen=True, slots=True)
class Host:
    """One entry of the list of hosts.

    Attributes:
        name: Unique in the list.
        pool: Region of its offers.
        address: Where it is reached from here, and by its peers unless there is a
            ``private_address``.
        identity_file: The user's key for it, as written; empty takes what ssh-agent holds.
        host_key: Its host key, ``TYPE BASE64`` or ``SHA256:...``; empty when it is not told.
        vcpus, memory_gib, gpus, arch: As told; None where it has to be measured.
    """

    name: str
    pool: str
    address: str
    user: str
    port: int = 22
    identity_file: str = ""
    host_key: str = ""
    private_address: str = ""
    price_usd_hour: float = 0.0
    vcpus: float | None = None
    memory_gib: float | None = None
    gpus: Gpus | None = None
    arch: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def where(self) -> tuple[str, str, int]:
        """Whose home on which machine: what tells two hosts apart."""
        return (self.user, self.address, self.port)

    @property
    def key(self) -> str:
        """``where`` as a text, for files."""
        return f"{self.user}@{self.address}:{self.port}"

    def told(self) -> Hardware | None:
        """Return its hardware when all of it is told."""
        if self.vcpus is None or self.memory_gib is None or self.gpus is None:
            return None
        return Hardware(self.vcpus, self.memory_gib, self.gpus, self.arch or "x86_64")

    def hardware(self, measured: Hardware | None) -> Hardware | None:
        """Return its hardware: what is told counts more than what was measured.

        None when too little is known.
        """
        if measured is None:
            return self.told()
        gpus = measured.gpus if self.gpus is None else self.gpus
        if not gpus.gib and gpus.name and measured.gpus.count == gpus.count:
            gpus = Gpus(gpus.name, gpus.count, measured.gpus.gib)
        return Hardware(
            measured.vcpus if self.vcpus is None else self.vcpus,
            measured.memory_gib if self.memory_gib is None else self.memory_gib,
            gpus,
            self.arch or measured.arch,
        )
