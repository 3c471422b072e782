"""What one offer must have, without choices left: the optimizer's input."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.tasks.amounts import Amount

__all__ = ["Alternative", "SpotUse"]


class SpotUse(StrEnum):
    """Which capacity class will do."""

    NEVER = "false"
    ALWAYS = "true"
    """Spot alone; a provider that is named and has no spot market at all is offered on demand."""
    PREFER = "prefer"
    """Both, and the objective decides; at equal price on-demand, as nothing preempts it."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to satisfy a task. Empty fields and None do not restrict.

    ``any_of``, ``ordered`` and lists or maps of accelerators become several of these; entries inherit
    the keys beside them.

    Attributes:
        preference: 0 first. Strict: every offer of a lower number comes before one of a higher.
        provider: Provider id, lower case.
        region: The provider's spelling, compared without case; ``*`` parts match any text.
        zone: As ``region``.
        instance_type: The provider's spelling, compared without case.
        accelerator: A name as the user wrote it; any known alias will do.
        count: How many accelerators. With ``accelerator`` never None.
        accelerator_gib: Memory of one accelerator in GiB (the form ``80GB+``).
        accelerator_maker: Who makes it (the form ``NVIDIA:80GB``), compared without case.
        cpus: vCPUs.
        memory: GiB.
        memory_per_cpu: GiB a vCPU at least (the form ``4x``).
        spot: See ``SpotUse``.
        max_price_usd_hour: For one instance.
        arch: ``x86_64`` or ``arm64``.
        network_tier: ``standard`` or ``best``; ``best`` needs a fabric other than plain ethernet.
        local_disk: As the task says, checked by the task's own rules.
        disk_gib: Size of the boot disk; 0 takes the provider's default. Not a filter.
        disk_tier: ``low`` ... ``ultra``, ``best``; not a filter.
        images: Image id by region; the key "" is for every region. Not a filter.
        labels: The user's labels. Not a filter.
        ports: TCP ports and ranges. Not a filter.
        path: Where in the document it stands, for messages.
    """

    preference: int = 0
    provider: str = ""
    region: str = ""
    zone: str = ""
    instance_type: str = ""
    accelerator: str = ""
    count: Amount | None = None
    accelerator_gib: Amount | None = None
    accelerator_maker: str = ""
    cpus: Amount | None = None
    memory: Amount | None = None
    memory_per_cpu: float | None = None
    spot: SpotUse = SpotUse.NEVER
    max_price_usd_hour: float | None = None
    arch: str = ""
    network_tier: str = ""
    local_disk: str = ""
    disk_gib: float = 0
    disk_tier: str = ""
    images: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[str, ...] = ()
    path: tuple[str | int, ...] = ()

    @property
    def place(self) -> str:
        """``provider/region/zone`` as ``--infra`` takes it; empty for anywhere."""
        parts = [self.provider or "*", self.region or "*", self.zone or "*"]
        while parts and parts[-1] == "*":
            parts.pop()
        return "/".join(parts)
