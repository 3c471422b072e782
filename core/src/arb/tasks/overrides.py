"""What the command line says over a task file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.tasks.document import Path

__all__ = ["Overrides"]

_PLACE: Final = ("infra", "cloud", "region", "zone")
_RESOURCES: Final = {
    "infra": "--infra",
    "gpus": "--gpus",
    "cpus": "--cpus",
    "memory": "--memory",
    "instance_type": "--instance-type",
    "use_spot": "--use-spot",
    "disk_size": "--disk-size",
    "disk_tier": "--disk-tier",
    "network_tier": "--network-tier",
    "local_disk": "--local-disk",
    "max_hourly_cost": "--max-hourly-cost",
    "ports": "--ports",
    "image_id": "--image-id",
    "priority": "--priority",
}
_TASK: Final = {"name": "--name", "workdir": "--workdir", "num_nodes": "--num-nodes"}


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line says; None and empty leave the file's value.

    A key of ``resources`` replaces the file's in every entry of ``any_of`` and ``ordered`` too, and
    ``infra`` replaces the file's place as a whole. The text ``none`` takes the file's value away.
    """

    name: str = ""
    workdir: str = ""
    num_nodes: int | None = None
    infra: str = ""
    gpus: str = ""
    cpus: str = ""
    memory: str = ""
    instance_type: str = ""
    use_spot: bool | str | None = None
    disk_size: str = ""
    disk_tier: str = ""
    network_tier: str = ""
    local_disk: str = ""
    max_hourly_cost: float | None = None
    ports: tuple[str, ...] = ()
    image_id: str = ""
    priority: int | None = None
    envs: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def apply(self, values: dict[Any, Any]) -> dict[Any, Any]:
        """Return a document's values with these over them; what is no map stays, to be refused."""
        merged = dict(values)
        resources = merged.get("resources") or {}
        given = self._given(_RESOURCES)
        if isinstance(resources, dict) and given:
            merged["resources"] = _over(resources, given)
        merged.update(self._given(_TASK))
        return _with_variables(merged, self)

    def places(self) -> dict[Path, str]:
        """Return where a fault is that comes from here: path -> option."""
        paths: dict[Path, str] = {(name,): _TASK[name] for name in self._given(_TASK)}
        for name in self._given(_RESOURCES):
            paths["resources", _key(name)] = _RESOURCES[name]
        paths.update({("envs", name): "--env" for name in self.envs})
        paths.update({("secrets", name): "--secret" for name in self.secrets})
        return paths

    def without_variables(self) -> list[str]:
        """Return the options that were given, but for those that give variables."""
        options = {**_TASK, **_RESOURCES}
        return [options[name] for name in self._given(options)]

    def _given(self, names: Mapping[str, str]) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value not in (None, "", ())}


def _key(name: str) -> str:
    return "accelerators" if name == "gpus" else name


def _over(resources: dict[Any, Any], given: Mapping[str, Any]) -> dict[Any, Any]:
    """Replace keys beside the lists of alternatives, and take them out of their entries."""
    taken = {_key(name) for name in given} | (set(_PLACE) if "infra" in given else set())
    merged = {key: value for key, value in resources.items() if key not in taken}
    for name in ("any_of", "ordered"):
        if isinstance(merged.get(name), list):
            merged[name] = [_without(entry, taken) for entry in merged[name]]
    kept = {_key(name): value for name, value in given.items() if not _is_none(value)}
    return {**merged, **{k: list(v) if isinstance(v, tuple) else v for k, v in kept.items()}}


def _without(entry: Any, keys: set[str]) -> Any:
    if not isinstance(entry, dict):
        return entry
    return {key: value for key, value in entry.items() if key not in keys}


def _is_none(value: Any) -> bool:
    return value == ("none",) or (isinstance(value, str) and value.lower() == "none")


def _with_variables(merged: dict[Any, Any], overrides: Overrides) -> dict[Any, Any]:
    from arb.tasks.environment import secret_name

    envs, secrets = merged.get("envs") or {}, merged.get("secrets") or {}
    if isinstance(secrets, list) and overrides.secrets:
        secrets = dict.fromkeys(map(str, secrets))
    if isinstance(secrets, dict) and overrides.secrets:
        kept = {k: v for k, v in secrets.items() if secret_name(str(k)) not in overrides.secrets}
        merged["secrets"] = {**kept, **overrides.secrets}
    if isinstance(envs, dict) and (overrides.envs or overrides.secrets):
        both = {**envs, **overrides.envs}
        merged["envs"] = {key: value for key, value in both.items() if key not in overrides.secrets}
    return merged
