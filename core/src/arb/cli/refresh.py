"""``arb refresh``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from arb.cli import render
from arb.cli.completion import complete_provider
from arb.cli.options import Json

if TYPE_CHECKING:
    from arb.catalog.refresh import Outcome, RefreshReport

app = typer.Typer()

_COLUMNS = ("provider", "offers", "source", "age", "refused", "took")


@app.command()
def refresh(
    provider: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PROVIDER",
            autocompletion=complete_provider,
            help="Only these; all that are installed.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Read the prices of providers again.

    A provider that fails keeps its last good offers, whose age is shown wherever their prices are.
    Fails when one did; with exit code 4 when all did for their credentials.
    """
    from arb.catalog.refresh import refresh as read_again
    from arb.cli.progress import open_progress
    from arb.clusters.session import Session

    with Session(only_looks=True) as session:
        session.home.folder("cache")
        with open_progress() as progress:
            session.progress = progress
            report = read_again(
                session.plugins,
                session.home.catalog_db,
                provider or None,
                clock=session.clock,
                state=progress.state,
            )
        now = session.clock.now()
    if as_json:
        render.json_document(_document(report, now))
    elif report.outcomes:
        rows = [_row(outcome, now) for outcome in report.outcomes]
        notes = [_notes(outcome) for outcome in report.outcomes]
        render.table(_COLUMNS, rows, right="offers,age,refused,took", notes=notes)
    else:
        render.note("no provider to ask; one is added with: pip install arb-<provider>")
    raise typer.Exit(_exit_code(report))


def _exit_code(report: RefreshReport) -> int:
    from arb.errors import CredentialsError

    refused = [isinstance(outcome.error, CredentialsError) for outcome in report.failed]
    if refused and all(refused) and len(refused) == len(report.outcomes):
        return CredentialsError.exit_code
    return 1 if refused else 0


def _row(outcome: Outcome, now: float) -> tuple[str, ...]:
    row = outcome.row
    return (
        row.name,
        f"{row.rows:,}",
        row.source or "-",
        render.age(now - row.as_of) if row.refreshed_at else "-",
        f"{row.refused:,}" if row.refreshed_at else "-",
        f"{row.took_s:.1f}s",
    )


def _notes(outcome: Outcome) -> list[str]:
    """Return what stands under a provider: why it failed, or what was wrong with its rows."""
    if outcome.error is None:
        return [*(f"refused {line}" for line in outcome.row.refusals), *outcome.notes]
    kept = " (the offers read before are kept)" if outcome.row.rows else ""
    hint = [outcome.error.hint] if outcome.error.hint else []
    return [f"failed: {outcome.error.summary}{kept}", *hint]


def _document(report: RefreshReport, now: float) -> dict[str, Any]:
    from arb.cli.sources import provider_document

    providers = [
        {
            **provider_document(outcome.row, now),
            "took_s": round(outcome.row.took_s, 3),
            "notes": list(outcome.notes),
            "error": outcome.error.to_dict() if outcome.error else None,
        }
        for outcome in report.outcomes
    ]
    return {"providers": providers, "took_s": round(report.took_s, 3)}
