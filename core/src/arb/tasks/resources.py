"""What one node must have: the keys below ``resources``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import ConfigDict, Field, model_validator

from arb.tasks.forms import (
    Flag,
    Form,
    Lenient,
    Strict,
    Text,
    choice,
    excluding,
    kind,
    number,
    read_text,
    whole,
)
from arb.tasks.hardware import (
    AcceleratorsForm,
    Cpus,
    DiskSize,
    ImageForm,
    Infra,
    LocalDisk,
    MemoryForm,
    Ports,
    Provider,
    UseSpot,
)
from arb.tasks.lifecycle import AutostopForm, JobRecoveryForm
from arb.tasks.places import Place

if TYPE_CHECKING:
    from arb.tasks.alternatives import Alternative

__all__ = ["AttachedDisk", "Choice", "Keys", "Resources"]


_ONE_PLACE = (("infra", "cloud"), ("infra", "region"), ("infra", "zone"))
DiskTier = Annotated[str, choice("low", "medium", "high", "ultra", "best")]


def _labels(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"expected a map of labels, got {kind(value)}")
    return {str(key): read_text(item) for key, item in value.items()}


def _arguments(value: Any) -> dict[str, str | bool]:
    if not isinstance(value, dict):
        raise ValueError(f"expected a map, got {kind(value)}")
    return {str(k): v if isinstance(v, bool) else read_text(v) for k, v in value.items()}


class AttachedDisk(Strict):
    """One entry of ``volumes``: a disk of the provider.

    Attributes:
        path: Where it is mounted.
        name: Of an existing network disk.
        disk_size: GiB.
        disk_tier: How fast it is.
        storage_type: ``network``, or ``instance`` for a disk inside the machine.
        attach_mode: Whether it can be written.
        auto_delete: Delete it with the cluster.
    """

    path: Text
    name: Text = ""
    disk_size: DiskSize = 0
    disk_tier: DiskTier = ""
    storage_type: Annotated[str, choice("network", "instance")] = "network"
    attach_mode: Annotated[str, choice("read_write", "read_only")] = "read_write"
    auto_delete: Flag = False

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.storage_type == "network" and not self.name:
            raise ValueError("a network disk needs a name")
        return self


class Keys(Strict):
    """The keys that ``resources`` and the entries of ``any_of`` and ``ordered`` share.

    Empty fields do not restrict.

    Attributes:
        infra: Where: ``PROVIDER[/REGION[/ZONE]]``, with ``*`` for any of them; ``k8s/CONTEXT``,
            ``ssh/POOL``. Excludes the next three.
        cloud: The provider alone.
        region: As the provider spells it.
        zone: As the provider spells it.
        instance_type: As the provider spells it.
        accelerators: ``H100:8``; ``H100:2+`` is at least two; ``T4:0.5`` is a part of one;
            ``80GB+:2`` or ``NVIDIA:80GB`` go by memory; a TPU's name. A list is an order of
            preference, a map or a set is any of them.
        accelerator_args: For the provider, for instance ``{runtime_version: tpu-vm-base}``.
        cpus: vCPUs: ``8`` is exactly 8, ``8+`` at least 8.
        memory: GiB: ``64``, ``64+``, ``64GB``, ``1TB+``; ``4x`` is at least four for each vCPU.
        use_spot: ``true`` is spot alone, ``false`` on-demand alone, ``prefer`` both, as they rank.
        job_recovery: What a managed job does when it loses a node: a strategy, or a map.
        disk_size: The boot disk: ``200`` GiB, or with a unit, ``1TB``. Without it the provider's
            default.
        disk_tier: ``low``, ``medium``, ``high``, ``ultra`` or ``best``.
        ephemeral_storage: What ``disk_size`` was called for containers.
        network_tier: ``standard``, or ``best`` for a fabric that is faster than ethernet.
        local_disk: GB of disks inside the machine: ``nvme``, ``nvme:1000+``, ``ssd:500``.
        max_hourly_cost: USD an hour that one node may cost at most, spot or not.
        ports: TCP ports to open: ``8080``, ``8000-8010``, or a list of these.
        image_id: What a node boots: an image, a map of regions to images, or ``docker:IMAGE`` for
            the container that the task runs in; the key ``docker`` of the map means the same.
        autostop: When the cluster ends by itself: ``true``, ``false``, minutes, ``2h``, or a map.
        labels: Tags for the machines. Those of an entry are added to those beside the list.
        priority: Of the job, -1000 to 1000.
        priority_class: Of the job, by name.
        volumes: Disks of the provider to attach.
    """

    model_config = ConfigDict(json_schema_extra=excluding(*_ONE_PLACE))

    infra: Infra = ""
    cloud: Provider = ""
    region: Text = ""
    zone: Text = ""
    instance_type: Text = ""
    accelerators: AcceleratorsForm = None
    accelerator_args: Annotated[
        dict[str, str | bool],
        Form(
            _arguments,
            {"type": "object", "additionalProperties": {"type": ["string", "boolean"]}},
        ),
    ] = Field(default_factory=dict)
    cpus: Cpus = None
    memory: MemoryForm = None
    use_spot: UseSpot = False
    job_recovery: JobRecoveryForm = None
    disk_size: DiskSize = 0
    disk_tier: DiskTier = ""
    ephemeral_storage: DiskSize = 0
    network_tier: Annotated[str, choice("standard", "best")] = ""
    local_disk: LocalDisk = ""
    max_hourly_cost: Annotated[float | None, number(above=0)] = None
    ports: Ports = ()
    image_id: ImageForm = None
    autostop: AutostopForm = None
    labels: Annotated[
        dict[str, str],
        Form(_labels, {"type": "object", "additionalProperties": {"type": "string"}}),
    ] = Field(default_factory=dict)
    priority: Annotated[int | None, whole(-1000, 1000)] = None
    priority_class: Text = ""
    volumes: tuple[AttachedDisk, ...] = ()

    def given(self) -> dict[str, Any]:
        """Return the keys that were written, with their values."""
        return {key: getattr(self, key) for key in self.model_fields_set}

    @property
    def place(self) -> Place:
        """Provider, region and zone; empty for "any"."""
        if self.infra:
            return Place.parse(self.infra)
        region, zone = ("" if part == "*" else part for part in (self.region, self.zone))
        return Place(self.cloud, region, zone)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.infra and (self.cloud or self.region or self.zone):
            raise ValueError("infra excludes cloud, region and zone: give one or the other")
        return self


class Choice(Keys):
    """One entry of ``any_of`` or ``ordered``; what it leaves out is taken from beside the list."""


class Resources(Lenient, Keys):
    """The whole ``resources`` block.

    Attributes:
        any_of: Each is as good as another; the objective decides.
        ordered: The first is preferred, whatever it costs.
    """

    model_config = ConfigDict(json_schema_extra=excluding(*_ONE_PLACE, ("any_of", "ordered")))

    # Without accelerators a machine that has none would be bought.
    must_be_filled_in: ClassVar[frozenset[str]] = frozenset({"accelerators"})

    any_of: tuple[Choice, ...] = ()
    ordered: tuple[Choice, ...] = ()

    @model_validator(mode="after")
    def _choices_fit(self) -> Self:
        if self.any_of and self.ordered:
            raise ValueError("any_of and ordered exclude each other: keep one")
        for number_, entry in enumerate(self.any_of or self.ordered, start=1):
            merged = {**self.given(), **entry.given()}
            if "infra" in merged and merged.keys() & {"cloud", "region", "zone"}:
                raise ValueError(
                    f"entry {number_} and what stands beside the list name a place in both ways: "
                    "write infra, or cloud, region and zone, everywhere"
                )
        return self

    def alternatives(self) -> tuple[Alternative, ...]:
        """Return every way to satisfy this, preferred ones first."""
        from arb.tasks.choices import expand

        return expand(self)

    def gpus_on(self, accelerator: str, count: float) -> float:
        """Return how many accelerators a job takes on a node that has ``count`` of one kind."""
        from arb.tasks.choices import gpus_on

        return gpus_on(self, accelerator, count)
