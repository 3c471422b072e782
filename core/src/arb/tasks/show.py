"""Tasks as text again: what was understood, with secrets masked."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from arb.tasks.alternatives import SpotUse
from arb.tasks.amounts import plain
from arb.tasks.groups import JobGroup, Pipeline

if TYPE_CHECKING:
    from arb.tasks.alternatives import Alternative
    from arb.tasks.model import Task

__all__ = ["alternative_document", "as_documents", "as_yaml", "in_words"]

_MASK: Final = "***"
_SPOT: Final = {SpotUse.ALWAYS: "spot", SpotUse.PREFER: "spot or on-demand"}


def as_documents(loaded: Task | Pipeline | JobGroup) -> list[dict[str, Any]]:
    """Return the documents of a task file that says the same, keys in their usual order."""
    if isinstance(loaded, Pipeline):
        header = [{"name": loaded.name, "execution": "serial"}] if loaded.name else []
        return [*header, *map(_document, loaded.tasks)]
    if isinstance(loaded, JobGroup):
        return [_header(loaded), *map(_document, loaded.tasks)]
    return [_document(loaded)]


def as_yaml(documents: list[dict[str, Any]]) -> str:
    """Return documents as YAML; texts of several lines stand as blocks."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - yaml's signature
            return True

    def represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        style = "|" if "\n" in text else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, represent)
    return yaml.dump_all(
        documents, Dumper=Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False
    )


def alternative_document(alternative: Alternative) -> dict[str, Any]:
    """Return what an alternative restricts, for ``--json``."""
    values = asdict(alternative)
    amounts = ("count", "accelerator_gib", "cpus", "memory")
    values |= {name: str(getattr(alternative, name)) for name in amounts if values[name]}
    values["spot"] = alternative.spot.value
    values["path"] = list(alternative.path)
    return {key: value for key, value in values.items() if value not in (None, "", 0, (), {})} | {
        "preference": alternative.preference
    }


def in_words(alternative: Alternative) -> str:
    """Return an alternative on one line."""
    gpu = alternative.accelerator
    if alternative.accelerator_gib is not None:
        gpu = f"{alternative.accelerator_maker} {alternative.accelerator_gib} GB".strip()
    price, ratio = alternative.max_price_usd_hour, alternative.memory_per_cpu
    parts = [
        alternative.place or "anywhere",
        alternative.instance_type,
        f"{gpu}:{alternative.count}" if alternative.count else "",
        f"{alternative.cpus} vCPUs" if alternative.cpus else "",
        f"{alternative.memory} GiB" if alternative.memory else "",
        f"{plain(ratio)} GiB a vCPU" if ratio else "",
        _SPOT.get(alternative.spot, "on-demand"),
        f"at most ${price:g} an hour" if price else "",
    ]
    return ", ".join(filter(None, parts))


def _document(task: Task) -> dict[str, Any]:
    given: dict[str, Any] = task.model_dump(mode="json")
    if task.secrets:
        given["secrets"] = {
            name: None if value is None else _MASK for name, value in task.secrets.items()
        }
    order = type(task).model_fields
    return {key: given[key] for key in order if key in given}


def _header(group: JobGroup) -> dict[str, Any]:
    header: dict[str, Any] = {"name": group.name, "execution": "parallel"}
    if group.primary_tasks:
        header["primary_tasks"] = list(group.primary_tasks)
    if group.termination_delay_s:
        header["termination_delay"] = dict(group.termination_delay_s)
    if not group.inter_connection:
        header["inter_connection"] = False
    return header
