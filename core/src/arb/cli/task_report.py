"""What ``arb task check`` says of one file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arb.cli import render
from arb.text import counted, install_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arb.tasks import Examined, Task

__all__ = ["Report", "show_report"]


@dataclass(frozen=True, slots=True)
class Report:
    """A file, what was found out about it, and what this machine lacks for it.

    Attributes:
        file: Its name.
        examined: What was found out.
        warnings: What is not here: plugins, local files.
    """

    file: str
    examined: Examined
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, file: str, examined: Examined) -> Report:
        """Look at what the file's tasks need of this machine."""
        told = [line for task in examined.tasks for line in _lacking(task)]
        return cls(file, examined, tuple(dict.fromkeys(told)))

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.examined.faults

    def document(self) -> dict[str, Any]:
        """Return it for ``--json``."""
        examined = self.examined
        return {
            "file": self.file,
            "valid": self.good,
            "tasks": len(examined.tasks),
            "errors": [{"where": f.where, "message": f.message} for f in examined.faults],
            "missing": [f"{m.option} {m.name}" for m in examined.missing],
            "warnings": list(self.warnings),
            "notes": [{"where": where, "message": n.message} for where, n in examined.notes],
        }


def show_report(report: Report) -> None:
    """Print it: one line for the file, one for each thing to say below."""
    examined = report.examined
    if not report.good:
        render.line(f"{report.file}: {counted(len(examined.faults), 'fault')}")
    elif len(examined.tasks) > 1:
        render.line(f"{report.file}: good, {counted(len(examined.tasks), 'task')}")
    else:
        render.line(f"{report.file}: good")
    for fault in examined.faults:
        render.line(f"  {fault}")
    for missing in examined.missing:
        render.line(f"  needs {missing.given_by}")
    for warning in report.warnings:
        render.line(f"  warning: {warning}")
    for where, note in examined.notes:
        render.line(f"  note: {where}: {note.message}")


def _lacking(task: Task) -> Iterator[str]:
    yield from _no_plugin(task)
    yield from _no_accelerator(task)
    yield from _no_file(task)


def _no_accelerator(task: Task) -> Iterator[str]:
    """Name accelerators that nobody has heard of. Somebody may sell them all the same."""
    from arb.catalog.names import known_names, read_spelling
    from arb.errors import closest

    for name in dict.fromkeys(each.accelerator for each in task.resources.alternatives()):
        if name and not read_spelling(name).is_known:
            yield closest(name, known_names(), what="accelerator")


def _no_plugin(task: Task) -> Iterator[str]:
    """Name the providers that the task names and that no installed plugin brings."""
    known = _installed()
    named = [alternative.provider for alternative in task.resources.alternatives()]
    for name in dict.fromkeys(named):
        if name and name not in known:
            how = install_command(name)
            yield f"no plugin named {name} is installed{how and ': '}{how}"


def _installed() -> frozenset[str]:
    if os.environ.get("ARB_NO_PLUGINS"):
        return frozenset()
    from arb.home import Home
    from arb.plugins.table import PluginTable

    table = PluginTable.load(Home.from_env(os.environ).folder("cache"))
    return frozenset(table.names("arb.providers"))


def _no_file(task: Task) -> Iterator[str]:
    """Name local files and folders that the task copies and that are not here."""
    if task.folder and not _local(task.folder).is_dir():
        yield f"workdir: {task.folder} is not a folder here"
    mounts = {**task.file_mounts, **task.secret_mounts}
    for target, source in mounts.items():
        local = isinstance(source, str) and "://" not in source and "$" not in source
        if local and not _local(str(source)).exists():
            yield f"{target}: {source} is not here"


def _local(text: str) -> Path:
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:  # nobody has such a home
        return path
