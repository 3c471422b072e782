"""``arb cost``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from arb.cli import render
from arb.cli.completion import complete_cluster
from arb.cli.options import Json
from arb.errors import UsageError

if TYPE_CHECKING:
    from arb.state.costs import ClusterCost, CostRow
    from arb.state.store import Store

app = typer.Typer()


@app.command()
def cost(
    cluster: Annotated[
        str,
        typer.Argument(
            metavar="CLUSTER", help="Only clusters of this name.", autocompletion=complete_cluster
        ),
    ] = "",
    days: Annotated[
        float, typer.Option(metavar="N", help="Only the last so many days; 0 is all time.")
    ] = 0.0,
    machines: Annotated[
        bool, typer.Option("--machines", "-m", help="One line a machine instead of a cluster.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what was paid, to the second.

    Every machine counts from the moment it was made until its provider said that it is gone, at the
    price it was bought for; attempts that failed after a machine was made are in it.
    """
    from arb.clusters.session import Session
    from arb.state.costs import read_costs, totals

    if not days >= 0:  # a number that is none compares with nothing
        raise UsageError("--days cannot be negative", code="cost-days")
    with Session() as session:
        now = session.store.now()
        since = now - days * 86400 if days else 0
        rows = read_costs(session.store, since=since, cluster=cluster)
        if cluster and not rows:
            _refuse_unknown(session.store, cluster)
    sums = totals(rows)
    if as_json:
        render.json_document(
            {
                "usd": sum(total.usd for total in sums),
                "usd_hour": sum(total.hourly_usd for total in sums),
                "clusters": [asdict(total) for total in sums],
                "machines": [asdict(row) for row in rows],
            }
        )
    elif machines:
        _show_machines(rows)
    else:
        _show_clusters(sums, now)
    for row in rows if not as_json else ():
        if row.note:
            render.warn(f"{row.provider}/{row.instance_id} of {row.cluster}: {row.note}")


def _refuse_unknown(store: Store, name: str) -> None:
    """Fail unless a cluster of this name ever was."""
    from arb.errors import closest
    from arb.state.clusters import list_clusters

    known = {record.name for record in list_clusters(store, include_gone=True)}
    if name not in known:
        raise UsageError(closest(name, known, what="cluster"), code="unknown-cluster")


def _show_clusters(sums: list[ClusterCost], now: float) -> None:
    rows = [
        (
            total.cluster,
            str(total.machines),
            render.age(total.seconds),
            "running" if total.running else "ended",
            render.age(now - total.started_at) + " ago",
            f"{total.hourly_usd:.2f}",
            render.money(total.usd),
            "-" if total.billed_usd is None else render.money(total.billed_usd),
        )
        for total in sums
    ]
    whole = render.money(sum(total.usd for total in sums))
    hourly = f"{sum(total.hourly_usd for total in sums):.2f}"
    rows.append(("total", "", "", "", "", hourly, whole, ""))
    columns = ["cluster", "machines", "machine time", "state", "started", "$/h now", "cost"]
    if any(total.billed_usd is not None for total in sums):
        columns.append("billed")  # what the provider itself says, where it does
    render.table(
        columns,
        [row[: len(columns)] for row in rows],
        right="machines,machine time,$/h now,cost,billed",
    )


def _show_machines(rows: list[CostRow]) -> None:
    cells = [
        (
            row.cluster,
            f"{row.provider}/{row.instance_id}",
            str(row.rank),
            row.instance_type + (" spot" if row.spot else ""),
            row.attempt_state,
            render.age(row.seconds),
            f"{row.price_usd_hour:.4f}",
            render.money(row.usd),
        )
        for row in rows
    ]
    columns = ("cluster", "machine", "rank", "instance type", "attempt", "paid", "$/h", "cost")
    render.table(columns, cells, right="rank,paid,$/h,cost")
