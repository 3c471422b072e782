"""``arb plugins``."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from arb.cli import render
from arb.cli.commands import COMMANDS
from arb.cli.options import Json
from arb.progress import SilentProgress

if TYPE_CHECKING:
    from arb.plugins.report import PluginReport

app = typer.Typer()

_COLUMNS = ("name", "group", "distribution", "version", "api", "state")


class _Collector(SilentProgress):
    """Keeps warnings until it is known which of them the table shows anyway."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, text: str) -> None:
        """Keep one line."""
        self.lines.append(text)


@app.command()
def plugins(
    rescan: Annotated[
        bool, typer.Option("--rescan", help="Read what is installed anew, whatever is cached.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List installed plugins and their state.

    Loads providers, stores and always loaded plugins, so that broken ones are found.
    """
    from arb.clusters.session import Session

    collector = _Collector()
    with Session(progress=collector, rescan=rescan) as session:
        reports = [_unless_shadowed(report) for report in session.plugins.report()]
    for line in collector.lines:
        if not any(report.reason and line.endswith(report.reason) for report in reports):
            render.warn(line)
    if as_json:
        render.json_document([asdict(report) for report in reports])
    elif reports:
        rows = [_row(report) for report in reports]
        render.table(_COLUMNS, rows, notes=[_notes(report) for report in reports])
    else:
        render.note("no plugins; a provider is added with: pip install arb-<provider>")


def _unless_shadowed(report: PluginReport) -> PluginReport:
    """Return the report, which for a command that arb itself has says that it never runs."""
    if report.group != "arb.commands" or report.name not in COMMANDS:
        return report
    reason = f"never used: {report.name} is a command of arb itself"
    return replace(report, state="broken", reason=reason)


def _row(report: PluginReport) -> tuple[str, ...]:
    api = "" if report.api is None else str(report.api)
    cells = (report.name, report.group, report.distribution, report.version, api, report.state)
    return tuple(cell or "-" for cell in cells)


def _notes(report: PluginReport) -> list[str]:
    hooks = " ".join(hook.removeprefix("arb_") for hook in report.hooks)
    told = (("capabilities: ", " ".join(report.capabilities)), ("hooks: ", hooks))
    return [label + text for label, text in (("", report.reason), *told) if text]
