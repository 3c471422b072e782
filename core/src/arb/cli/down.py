"""``arb down``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from arb.cli import render
from arb.cli.completion import complete_cluster
from arb.cli.options import Json, Yes
from arb.errors import UsageError

if TYPE_CHECKING:
    from arb.clusters.down import Ended
    from arb.clusters.forgetting import Hopeless
    from arb.clusters.session import Session

app = typer.Typer()


@app.command()
def down(
    clusters: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CLUSTER",
            help="Names, or globs such as 'train-*'.",
            autocompletion=complete_cluster,
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", "-a", help="All clusters.")] = False,
    give_up: Annotated[
        bool,
        typer.Option("--forget", help="Give up on what cannot be ended through arb: last resort."),
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Stop paying for clusters.

    The wish is kept until the provider confirms it: what cannot end yet is carried on with by the
    next command.

    With --forget, machines that arb cannot end at all (their plugin or their account is gone for good)
    are no longer looked after once their end was tried again. They may go on costing money: end them
    at the provider's own console first.
    """
    from arb.cli.progress import open_progress
    from arb.clusters.down import down as end
    from arb.clusters.names import matching
    from arb.clusters.session import Session
    from arb.clusters.status import missing_providers
    from arb.provision.resume import resume

    if bool(clusters) == everything:
        raise UsageError("give cluster names, or --all", code="down-what")
    if give_up and everything:
        raise UsageError("--forget needs names, one by one", code="forget-what")
    with open_progress() as progress, Session(progress=progress) as session:
        if give_up:
            return _forget(session, clusters or [], yes=yes, as_json=as_json)
        names = [c.name for c in matching(session.store, clusters or [], everything=everything)]
        if names and not yes and not render.confirm(f"End {', '.join(names)}?", yes=yes):
            return 1
        ended = end(session, names)
        resume(session.shop)
        missing = missing_providers(session, [m for outcome in ended for m in outcome.left])
    _show(ended, as_json=as_json)
    for provider, distribution in missing.items():
        render.hint(f"  the plugin of {provider} is not installed: pip install {distribution}")
        render.hint("  when it cannot be had any more: arb down --forget NAME")
    return next((outcome.error.exit_code for outcome in ended if outcome.error), 0)


def _show(ended: list[Ended], *, as_json: bool) -> None:
    if as_json:
        render.json_document([_document(outcome) for outcome in ended])
        return
    if not ended:
        render.note("no cluster to end")
    for outcome in ended:
        if outcome.error is not None:
            render.error(outcome.error, as_json=False)
        for machine in outcome.left:
            why = machine.terminate_detail or "the provider has not confirmed it yet"
            render.warn(f"{outcome.cluster}: {machine.key} ends later: {why}")
        if outcome.beside:
            render.warn(f"{outcome.cluster}: what was made beside its machines is removed later")
        if outcome.left or outcome.beside:
            render.hint("  the next arb command carries on; arb status shows it")
        elif outcome.error is None:
            render.note(f"Cluster {outcome.cluster} is gone")


def _document(outcome: Ended) -> dict[str, object]:
    return {
        "cluster": outcome.cluster,
        "gone": not (outcome.left or outcome.beside or outcome.error),
        "pending": [
            {"instance": m.key, "detail": m.terminate_detail, "retry_at": m.terminate_after}
            for m in outcome.left
        ],
        "error": outcome.error.to_dict() if outcome.error else None,
    }


def _forget(session: Session, names: list[str], *, yes: bool, as_json: bool) -> int:
    """End what can be ended; what cannot is given up when the user says so, cluster by cluster."""
    from arb.clusters.down import down as end
    from arb.clusters.forgetting import forget, forgettable, look
    from arb.state.clusters import ClusterStatus

    records = forgettable(session, names)
    live = [record.name for record in records if record.status is not ClusterStatus.GONE]
    end(session, live)
    results = []
    for hopeless in look(session, records):
        if hopeless.machines or hopeless.attempts or hopeless.waiting:
            _warn_of(hopeless)
            if not hopeless.waiting and not render.confirm(_question(hopeless), yes=yes):
                return 1
            forget(session, hopeless)
        results.append(_forgotten(hopeless))
        if not as_json:
            _tell(hopeless)
    if as_json:
        render.json_document(results)
    return 0


def _warn_of(hopeless: Hopeless) -> None:
    for machine, why in hopeless.machines:
        price = f"${machine.price_usd_hour:.2f}/h"
        render.warn(f"{machine.key} ({price}, {machine.region}) cannot be ended: {why}")
    for attempt, why in hopeless.attempts:
        render.warn(f"purchase {attempt.id} may have made machines and cannot be looked up: {why}")


def _question(hopeless: Hopeless) -> str:
    return (
        f"Give up on {hopeless.record.name}? What is left may go on costing money, arb will neither "
        "end nor count it"
    )


def _tell(hopeless: Hopeless) -> None:
    name = hopeless.record.name
    if not (hopeless.machines or hopeless.attempts):
        render.note(f"Cluster {name} is gone; nothing had to be given up")
        return
    render.note(f"Cluster {name} is given up")
    render.hint("  end what is left at the provider's console; arb why tells what it was")


def _forgotten(hopeless: Hopeless) -> dict[str, Any]:
    return {
        "cluster": hopeless.record.name,
        "given_up": [
            {"instance": machine.key, "price_usd_hour": machine.price_usd_hour, "why": why}
            for machine, why in hopeless.machines
        ],
        "purchases": [{"token": attempt.id, "why": why} for attempt, why in hopeless.attempts],
    }
