"""Task files: YAML in, a validated ``Task`` out."""

from __future__ import annotations

from arb.tasks.accelerators import Accelerator, Accelerators
from arb.tasks.alternatives import Alternative, SpotUse
from arb.tasks.amounts import Amount
from arb.tasks.load import Overrides, load_task, task_from_command
from arb.tasks.model import Task
from arb.tasks.resources import Resources
from arb.tasks.variables import parse_assignment, read_env_file

__all__ = [
    "Accelerator",
    "Accelerators",
    "Alternative",
    "Amount",
    "Overrides",
    "Resources",
    "SpotUse",
    "Task",
    "load_task",
    "parse_assignment",
    "read_env_file",
    "task_from_command",
]
