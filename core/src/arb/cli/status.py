"""``arb status``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from arb.cli import render
from arb.cli.completion import complete_cluster
from arb.cli.options import Json
from arb.cli.progress import PlainProgress

if TYPE_CHECKING:
    from arb.clusters.session import Session
    from arb.clusters.status import ClusterView
    from arb.state.clusters import ClusterRecord

app = typer.Typer()

_COLUMNS = ("cluster", "status", "nodes", "offer", "place", "$/h", "cost", "age")


@app.command()
def status(
    clusters: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CLUSTER",
            help="Only these: names, or globs such as 'train-*'.",
            autocompletion=complete_cluster,
        ),
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", "-r", help="Ask the providers what is still there.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List clusters and what they cost.

    Reads what is known here; without --refresh a provider is asked only to carry on with what is
    ending.
    """
    from arb.clusters.names import matching
    from arb.clusters.session import Session
    from arb.clusters.status import missing_providers, views

    with Session() as session:
        chosen = matching(session.store, clusters or (), everything=not clusters)
        _carry_on(session)
        if refresh:
            _ask_providers(session, chosen)
        ids = {record.id for record in chosen}
        found = [view for view in views(session.store) if view.record.id in ids]
        now = session.store.now()
        missing = missing_providers(session, [m for view in found for m in view.machines])
    for provider, distribution in missing.items():
        render.warn(
            f"the plugin of provider {provider} is not installed, so its machines run on and cannot "
            f"be ended: pip install {distribution}"
        )
    if as_json:
        render.json_document([view.to_dict() for view in found])
    elif found:
        render.table(_COLUMNS, [_row(view, now) for view in found], right="nodes,$/h,cost")
        _tell_pending(found)
    elif clusters:
        render.note(f"no cluster is called {' or '.join(clusters)}")
    else:
        render.note("no clusters; start one with: arb launch")


def _carry_on(session: Session) -> None:
    """Finish what processes left that are no more; nothing is loaded when there is nothing."""
    from arb.provision.resume import has_unfinished, resume

    if has_unfinished(session.store):
        session.progress = PlainProgress()
        resume(session.shop)


def _ask_providers(session: Session, records: list[ClusterRecord]) -> None:
    from arb.clusters.refresh import close_if_empty, lost_nodes
    from arb.nodes.fanout import fan_out

    session.progress = PlainProgress()
    fan_out(lambda record: lost_nodes(session, record), records)
    for record in records:
        close_if_empty(session, record)


def _row(view: ClusterView, now: float) -> tuple[str, ...]:
    record, offer = view.record, view.offer
    place = offer.get("provider", "-")
    if offer:
        zone = f"/{offer['zone']}" if offer["zone"] else ""
        place = f"{offer['provider']} {offer['region']}{zone}"
    return (
        record.name,
        view.status.value,
        _nodes(view),
        _kind(offer),
        place,
        f"{view.usd_hour:.2f}",
        render.money(view.cost_usd),
        render.age(now - record.created_at),
    )


def _nodes(view: ClusterView) -> str:
    """Return how many nodes there are, and of how many when some are gone or stopped."""
    wanted, alive = view.record.num_nodes, len(view.running)
    is_up = view.record.status.value == "up"
    return f"{alive}/{wanted}" if is_up and alive < wanted else str(wanted)


def _kind(offer: dict[str, object]) -> str:
    if not offer:
        return "-"
    note = f" ({offer['note']})" if offer.get("note") else ""
    return f"{offer['instance_type']}{note}{' spot' if offer['spot'] else ''}"


def _tell_pending(found: list[ClusterView]) -> None:
    """Say what is waited for, and which machines are still billed although their end was asked for."""
    for view in found:
        if view.record.detail:
            render.hint(f"{view.record.name}: {view.record.detail}")
        for machine in view.machines:
            if machine.terminate_after is not None:
                detail = machine.terminate_detail or "not confirmed yet"
                render.warn(f"{machine.key} of {view.record.name} is ending: {detail}")
