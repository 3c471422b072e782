"""Task files: YAML in, a validated ``Task`` out."""

from __future__ import annotations

from arb.tasks.load import Overrides, load_task, task_from_command
from arb.tasks.model import Accelerator, Amount, Resources, Task
from arb.tasks.variables import parse_assignment, read_env_file

__all__ = [
    "Accelerator",
    "Amount",
    "Overrides",
    "Resources",
    "Task",
    "load_task",
    "parse_assignment",
    "read_env_file",
    "task_from_command",
]
