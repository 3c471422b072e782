"""``arb check``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from arb.cli import render
from arb.cli.completion import complete_provider
from arb.cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.clusters.check import Checked

app = typer.Typer()

_COLUMNS = ("provider", "state", "what it says", "credentials from")
_FAILED, _CREDENTIALS = 1, 4


@app.command()
def check(
    providers: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PROVIDER",
            autocompletion=complete_provider,
            help="Which; all if none is given.",
        ),
    ] = None,
    policy: Annotated[
        bool,
        typer.Option("--policy", help="Print the least permissions that each needs, to copy."),
    ] = False,
    as_json: Json = False,
) -> int:
    """Find out whether the providers' credentials work.

    Exit code 4 when an account was refused or a provider that was named has no credentials, 1 when
    one did not answer, else 0.
    """
    from arb.cli.progress import open_progress
    from arb.clusters.check import check_providers
    from arb.clusters.session import Session

    with Session(progress=open_progress(), only_looks=True) as session:
        checked = check_providers(session, providers or ())
    if as_json:
        render.json_document([asdict(one) for one in checked])
    elif policy:
        _show_policies(checked)
    elif checked:
        notes = [_notes(one) for one in checked]
        render.table(_COLUMNS, [_row(one) for one in checked], notes=notes)
    else:
        render.note("no providers; one is added with: pip install arb-<provider>")
    return _exit_code(checked, named=bool(providers))


def _row(one: Checked) -> tuple[str, ...]:
    state = "broken" if one.broken else one.result.status.value
    return (one.provider, state, one.result.summary, one.result.source or "-")


def _notes(one: Checked) -> list[str]:
    result = one.result
    told = (
        ("may: ", ", ".join(result.may)),
        ("may not: ", ", ".join(result.missing)),
        ("", result.hint),
        ("", f"arb check {one.provider} --policy" if result.policy and result.missing else ""),
    )
    return [label + text for label, text in told if text]


def _show_policies(checked: Sequence[Checked]) -> None:
    for one in checked:
        if one.result.policy:
            render.note(f"{one.provider}:")
            render.line(one.result.policy)
        else:
            render.note(f"{one.provider}: has no permissions to give one by one")


def _exit_code(checked: Sequence[Checked], *, named: bool) -> int:
    states = {one.result.status.value for one in checked}
    if "refused" in states or (named and "not-configured" in states):
        return _CREDENTIALS
    return _FAILED if "unreachable" in states else 0
