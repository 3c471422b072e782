"""Which command acts on which key: the one place that says so.

A key that is read and not acted upon costs one note a command. Who makes a key work adds the command
to its line; the page of task files is written from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from arb.tasks.forms import Strict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from arb.tasks.document import Path
    from arb.tasks.model import Task

__all__ = ["ACTED", "Note", "commands_for", "notes"]

_BUYING: Final = "launch plan"
_RUNNING: Final = "launch exec"

ACTED: Final[Mapping[str, str]] = {
    "name": _RUNNING,
    "workdir": _RUNNING,
    "workdir.url": "",
    "workdir.ref": "",
    "num_nodes": "launch exec plan",
    "resources": _BUYING,
    "resources.accelerators": "launch exec plan",
    "resources.accelerator_args": "",
    "resources.job_recovery": "",
    "resources.disk_tier": "",
    "resources.ephemeral_storage": "",
    "resources.local_disk": _BUYING,
    "resources.image_id.docker": "",
    "resources.autostop": "",
    "resources.priority": "",
    "resources.priority_class": "",
    "resources.volumes": "",
    "setup": "launch",
    "run": _RUNNING,
    "envs": _RUNNING,
    "secrets": _RUNNING,
    "managed_secrets": _RUNNING,
    "managed_secrets.mount_path": "",
    "secret_mounts": "",
    "file_mounts": "",
    "volumes": "",
    "service": "",
    "pool": "",
    "config": "",
    "inputs": "",
    "outputs": "",
    "event_callback": "",
    "api_server_access": "",
    "deadline": "",
    "budget": "",
    "estimated_duration": _BUYING,
    "checkpoint": "",
    "self_terminate": "",
}
"""Dotted key -> the commands that act on it. A key that is not here is as the one above it."""

_BESIDE_THE_POINT: Final[Mapping[str, frozenset[str]]] = {
    "exec": frozenset({"resources", "setup", "file_mounts", "volumes", "service", "pool"}),
    "plan": frozenset(ACTED) - {"num_nodes", "resources", "estimated_duration"},
}
"""Top-level keys that a command leaves alone by its nature: not worth a note."""

_WHY: Final[Mapping[str, str]] = {
    "api_server_access": "it means nothing here, as there is no server",
    "resources.ephemeral_storage": "write disk_size instead",
}


@dataclass(frozen=True, slots=True)
class Note:
    """One thing about a task file that is worth saying and stops nothing.

    Attributes:
        path: The keys that lead there.
        message: What.
    """

    path: Path
    message: str


def commands_for(key: str) -> tuple[str, ...]:
    """Return the commands that act on a dotted key."""
    while key not in ACTED:
        key = key.rpartition(".")[0]
        if not key:
            return ()
    return tuple(ACTED[key].split())


def notes(task: Task, command: str = "") -> list[Note]:
    """Return one note for each key that was written and that nobody, or this command, acts on.

    Args:
        task: As it was loaded.
        command: Its name; empty for "no command at all".
    """
    idle: dict[str, Note] = {}
    for key, path in _written(task):
        acting = commands_for(key)
        beside = key.partition(".")[0] in _BESIDE_THE_POINT.get(command, ())
        if key in ACTED and not (command in acting if command else acting) and not beside:
            idle.setdefault(key, Note(path, f"{key}: {_reason(key, acting)}"))
    return [*idle.values(), *_remarks(task)]


def _reason(key: str, acting: tuple[str, ...]) -> str:
    if key in _WHY:
        return _WHY[key]
    if acting:
        verb = "acts" if len(acting) == 1 else "act"
        return f"only {' and '.join(f'arb {name}' for name in acting)} {verb} on it"
    return "accepted, and not acted upon yet"


def _written(task: Task) -> Iterator[tuple[str, Path]]:
    """Go over the keys that were written: dotted, and the path to where."""
    for key in _in_order(task):
        yield key, (key,)
    if isinstance(task.workdir, Strict):
        yield "workdir.url", ("workdir", "url")
    if any(secret.mount_path for secret in task.managed_secrets):
        yield "managed_secrets.mount_path", ("managed_secrets",)
    resources = task.resources
    yield from _below("resources", resources, ("resources",))
    for name in ("any_of", "ordered"):
        for index, entry in enumerate(getattr(resources, name)):
            yield from _below("resources", entry, ("resources", name, index))


def _below(name: str, block: Any, path: Path) -> Iterator[tuple[str, Path]]:
    for key in _in_order(block):
        yield f"{name}.{key}", (*path, key)
    if block.image_id is not None and block.image_id.docker:
        yield "resources.image_id.docker", (*path, "image_id")


def _in_order(block: Strict) -> list[str]:
    return [name for name in type(block).model_fields if name in block.model_fields_set]


def _remarks(task: Task) -> Iterator[Note]:
    """Say what has no effect although it is well-formed."""
    if task.service is None:
        return
    policy = task.service.policy
    rates = policy.target_qps_per_replica
    by_gpu = task.service.load_balancing_policy == "instance_aware_least_load"
    told = []
    if (policy.max_replicas or 0) > policy.min_replicas and rates is None:
        told.append("without target_qps_per_replica there are never more than min_replicas")
    if rates is not None and policy.max_replicas is None:
        told.append("without max_replicas, target_qps_per_replica changes nothing")
    if by_gpu and not isinstance(rates, dict):
        told.append("instance_aware_least_load needs target_qps_per_replica for each accelerator")
    if isinstance(rates, dict) and not by_gpu:
        told.append("rates for each accelerator need instance_aware_least_load")
    yield from (Note(("service",), f"service: {line}") for line in told)
