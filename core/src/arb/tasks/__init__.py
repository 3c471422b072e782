"""Task files: YAML in, a validated ``Task`` out.

A module is imported when the first of its names is used: listings need amounts and no models.

* Loading: ``load``, from files (``reading``) through YAML with positions (``document``) to tasks (``build``), with
  ``overrides`` and ``variables`` of the command line filled in (``substitute``). ``faults`` are told all at once;
  ``retired`` and ``internal`` keys have their own words.
* The models: ``model`` is the task; ``resources`` (``hardware``, ``accelerators``, ``amounts``, ``places``),
  ``environment``, ``mounts``, ``service``, ``settings``, ``lifecycle`` and ``when`` are its parts, ``groups`` are files
  of several. ``forms`` says how each kind of value is read, written and described.
* What others take: ``choices`` makes ``alternatives`` without choices, for the optimizer; ``acted`` says which
  command acts on which key; ``show`` and ``schema`` turn models into text.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from arb.tasks.accelerators import Accelerator, Accelerators
    from arb.tasks.acted import Note, notes
    from arb.tasks.alternatives import Alternative, SpotUse
    from arb.tasks.amounts import Amount
    from arb.tasks.groups import JobGroup, Pipeline
    from arb.tasks.load import (
        Examined,
        examine,
        load_document,
        load_task,
        load_text,
        task_from_command,
    )
    from arb.tasks.model import Task
    from arb.tasks.overrides import Overrides
    from arb.tasks.resources import Resources
    from arb.tasks.substitute import reveal
    from arb.tasks.variables import parse_assignment, read_env_file

__all__ = [
    "Accelerator",
    "Accelerators",
    "Alternative",
    "Amount",
    "Examined",
    "JobGroup",
    "Note",
    "Overrides",
    "Pipeline",
    "Resources",
    "SpotUse",
    "Task",
    "examine",
    "load_document",
    "load_task",
    "load_text",
    "notes",
    "parse_assignment",
    "read_env_file",
    "reveal",
    "task_from_command",
]

_MODULES: Final = {
    "acted": ("Note", "notes"),
    "accelerators": ("Accelerator", "Accelerators"),
    "alternatives": ("Alternative", "SpotUse"),
    "amounts": ("Amount",),
    "groups": ("JobGroup", "Pipeline"),
    "load": ("Examined", "examine", "load_document", "load_task", "load_text", "task_from_command"),
    "model": ("Task",),
    "overrides": ("Overrides",),
    "resources": ("Resources",),
    "substitute": ("reveal",),
    "variables": ("parse_assignment", "read_env_file"),
}
_HOMES: Final = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a name from its module; afterwards it is an ordinary attribute."""
    module = _HOMES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value
