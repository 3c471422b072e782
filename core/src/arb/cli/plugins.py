"""``arb plugins``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from arb.cli import render
from arb.cli.options import Json
from arb.progress import SilentProgress

if TYPE_CHECKING:
    from arb.plugins.report import PluginReport

app = typer.Typer()

_COLUMNS = (
    "name",
    "group",
    "distribution",
    "version",
    "api",
    "state",
    "capabilities",
    "hooks or reason",
)


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
        reports = session.plugins.report()
    for line in collector.lines:
        if not any(report.reason and line.endswith(report.reason) for report in reports):
            render.warn(line)
    if as_json:
        render.json_document([asdict(report) for report in reports])
    elif reports:
        render.table(_COLUMNS, [_row(report) for report in reports])
    else:
        render.note("no plugins; a provider is added with: pip install arb-<provider>")


def _row(report: PluginReport) -> tuple[str, ...]:
    hooks = " ".join(hook.removeprefix("arb_") for hook in report.hooks)
    cells = (
        report.name,
        report.group,
        report.distribution,
        report.version,
        "" if report.api is None else str(report.api),
        report.state,
        " ".join(report.capabilities),
        report.reason or hooks,
    )
    return tuple(cell or "-" for cell in cells)
