"""``arb local``: what happens to nodes on this machine, at will."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from arb.api import Json, UsageError, closest, render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb_local.room import CapacityRule, Machine, MachineHistory, Room

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)

Node = Annotated[
    str, typer.Argument(metavar="NODE", help="CLUSTER, CLUSTER-RANK, an instance id or a token.")
]


@app.callback()
def local() -> None:
    """Preempt, reboot and break nodes on this machine, and limit what it sells."""


@app.command()
def preempt(
    node: Node,
    notice: Annotated[
        float, typer.Option("--notice", min=0, metavar="S", help="Warn the node S seconds before.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Take a node away, as a cloud takes a spot node."""
    room = _room()
    machine = _find(room, node)
    gone = room.preempt(machine.id, notice)
    done = "is gone" if gone else f"is gone in {notice:g} s"
    _tell(f"{_title(machine)} {done}", machine, {"gone": gone, "notice_s": notice}, as_json=as_json)


@app.command()
def reboot(node: Node, as_json: Json = False) -> None:
    """Switch a node off and on; its home folder is kept."""
    room = _room()
    machine = room.reboot(_find(room, node).id)
    _tell(f"{_title(machine)} boots", machine, {"boot_id": machine.boot_id}, as_json=as_json)


@app.command()
def start(
    node: Annotated[
        str, typer.Argument(metavar="[NODE]", help="One node; all that are stopped if left out.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Switch stopped nodes on, with their files, for instance after the computer was restarted."""
    from arb_local.room import MachineState

    room = _room()
    found = [_find(room, node)] if node else room.list()
    stopped = [m for m in found if m.state is MachineState.STOPPED]
    started = [room.start(machine.id) for machine in stopped]
    if as_json:
        render.json_document(
            [{"id": m.id, "token": m.token, "boot_id": m.boot_id} for m in started]
        )
    for machine in started if not as_json else ():
        render.line(f"{_title(machine)} boots")
    if not started and not as_json:
        render.note("no node is stopped")


@app.command()
def fail(node: Node, as_json: Json = False) -> None:
    """Break a node without a warning, as broken hardware does."""
    room = _room()
    machine = _find(room, node)
    gone = room.fail(machine.id)
    _tell(f"{_title(machine)} is gone", machine, {"gone": gone}, as_json=as_json)


@app.command()
def capacity(
    place: Annotated[
        str, typer.Argument(metavar="[INSTANCE_TYPE[@REGION[/ZONE]]]", help="Where.")
    ] = "",
    limit: Annotated[
        str, typer.Argument(metavar="[N|unlimited]", help="Machines at once, at most.")
    ] = "",
    spot: Annotated[
        bool | None, typer.Option("--spot/--on-demand", help="One capacity class only.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show limits, or set how many machines a place has for sale."""
    from dataclasses import replace

    from arb_local.room import Place

    room = _room()
    if place:
        if not limit:
            raise _usage("capacity needs a number", "arb local capacity INSTANCE_TYPE 0")
        try:
            where = Place.parse(place)
        except ValueError as error:
            raise _usage(str(error), "arb local capacity H100x8@east/a 0") from error
        where = where if spot is None else replace(where, spot=spot)
        room.set_capacity(where, _limit(limit))
    _show_capacity(room.capacity_rules(), as_json=as_json)


@app.command("list")
def list_nodes(
    everything: Annotated[
        bool, typer.Option("--all", help="Every node that was ever made, from the ledger.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the nodes on this machine."""
    room = _room()
    if everything:
        _show_history(room.history(), as_json=as_json)
    else:
        _show_machines(room.list(), as_json=as_json)


def _room() -> Room:
    import os

    from arb.api import Home, read_config
    from arb_local.room import Room
    from arb_local.settings import room_path

    home = Home.from_env(os.environ)
    options = read_config(home.config_file).provider_options.get("local", {})
    return Room(room_path(options, os.environ, home.provider_folder("data", "local")))


def _find(room: Room, name: str) -> Machine:
    """Find a node by id, token, cluster and rank, or by its cluster when that has one node.

    Raises:
        UsageError: There is none, or the cluster has several.
    """
    machines = room.list()
    found = [m for m in machines if name in _names(m)]
    if len(found) == 1:
        return found[0]
    if found:
        ranks = ", ".join(sorted(f"{name}-{_rank(m)}" for m in found))
        raise _usage(f"{name} has {len(found)} nodes", f"name one: {ranks}")
    known = [_title(m) for m in machines]
    raise _usage(closest(name, known, what="node"), "arb local list")


def _names(machine: Machine) -> set[str]:
    names = {machine.id, machine.token}
    if cluster := machine.tags.get("cluster"):
        names |= {cluster, f"{cluster}-{_rank(machine)}"}
    return names


def _title(machine: Machine) -> str:
    """Return the name that people know a node by."""
    cluster = machine.tags.get("cluster")
    return f"{cluster}-{_rank(machine)}" if cluster else machine.token


def _rank(machine: Machine) -> str:
    return machine.tags.get("rank") or machine.token.rpartition("-")[2]


def _limit(text: str) -> int | None:
    if text == "unlimited":
        return None
    if not text.isdecimal():
        raise _usage(f"not a number of machines: {text!r}", "write 0, 1, 2, ... or unlimited")
    return int(text)


def _usage(summary: str, hint: str) -> UsageError:
    return UsageError(summary, code="local-usage", hint=hint)


def _tell(text: str, machine: Machine, facts: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        render.json_document({"id": machine.id, "token": machine.token, **facts})
    else:
        render.line(text)


def _show_capacity(rules: Sequence[CapacityRule], *, as_json: bool) -> None:
    if as_json:
        render.json_document([{"place": str(r.place), "limit": r.limit} for r in rules])
    elif rules:
        rows = [[str(r.place), "unlimited" if r.limit is None else str(r.limit)] for r in rules]
        render.table(["place", "limit"], rows, right="limit")
    else:
        render.note("no limits were set; simulated types have those of the configuration")


def _show_machines(machines: Sequence[Machine], *, as_json: bool) -> None:
    if as_json:
        render.json_document([_document(m) for m in machines])
    elif machines:
        columns = ["id", "cluster", "rank", "type", "place", "state", "address"]
        render.table(columns, [_row(m) for m in machines])
    else:
        render.note("no node on this machine")


def _row(machine: Machine) -> list[str]:
    place = "/".join(part for part in (machine.region, machine.zone) if part)
    kind = machine.kind + (" (spot)" if machine.spot else "")
    address = f"{machine.address}:{machine.port}"
    cluster = machine.tags.get("cluster", "")
    return [machine.id, cluster, _rank(machine), kind, place, machine.state, address]


def _document(machine: Machine) -> dict[str, object]:
    from dataclasses import asdict

    return {**asdict(machine), "folder": str(machine.folder)}


def _show_history(histories: Sequence[MachineHistory], *, as_json: bool) -> None:
    if as_json:
        render.json_document([_history_document(h) for h in histories])
    elif histories:
        columns = ["id", "token", "type", "made", "seconds", "ended"]
        render.table(columns, [_history_row(h) for h in histories], right="seconds")
    else:
        render.note("no node was ever made on this machine")


def _history_row(history: MachineHistory) -> list[str]:
    from datetime import UTC, datetime

    machine = history.made.facts["machine"]
    made = datetime.fromtimestamp(history.made.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    seconds = f"{history.gone_at - history.made.at:.0f}" if history.gone else ""
    ended = str(history.gone.facts["reason"]) if history.gone else "is there"
    return [history.id, machine["token"], machine["kind"], made, seconds, ended]


def _history_document(history: MachineHistory) -> dict[str, object]:
    gone = history.gone
    return {
        **history.made.facts["machine"],
        "gone_at": gone.at if gone else None,
        "reason": gone.facts["reason"] if gone else None,
        "detail": gone.facts["detail"] if gone else None,
        "events": [{"at": e.at, "event": e.event} for e in history.events],
    }
