"""``arb reap``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from arb.cli import render
from arb.cli.completion import complete_provider
from arb.cli.options import Json, Yes

if TYPE_CHECKING:
    from arb.clusters.session import Session
    from arb.provision.reaper import Sighting, Survey
    from arb.state.machines import Machine

app = typer.Typer()

_COLUMNS = ("provider", "region", "machine", "cluster", "state", "$/h", "why")
_PATIENCE_S = 120.0


@app.command()
def reap(
    providers: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PROVIDER", autocompletion=complete_provider, help="Only these providers."
        ),
    ] = None,
    all_owners: Annotated[
        bool, typer.Option("--all-owners", help="Show other owners' machines as well.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """End machines that nobody asked for, and what is left beside them.

    Lists every provider and compares with what is known here. Machines of other owners are never
    touched, nor is a launch that is under way. Every launch ends such machines of the providers that it
    uses.
    """
    from arb.cli.progress import open_progress
    from arb.clusters.reaping import end, ended, find, removed
    from arb.clusters.session import Session
    from arb.provision.resume import resume

    with open_progress() as progress, Session(progress=progress) as session:
        resume(session.shop)
        progress.state("listing machines")
        found = find(session, providers or (), all_owners=all_owners)
        progress.state("")
        if not as_json:
            _show(found, session.store.owner())
        if any(each.orphans or each.leftovers for each in found) and not render.confirm(
            _question(found), yes=yes
        ):
            return 1
        left = end(session, found, patience_s=_PATIENCE_S)
        gone, clean = ended(session, found), removed(session, found)
        failed = _failed(session, found, left)
    if as_json:
        render.json_document({**_document(found, gone, left), "removed": clean})
    else:
        _tell(found, gone, left)
        _tell_beside(found, clean)
    return 1 if failed else 0


def _failed(session: Session, found: list[Survey], left: list[Machine]) -> bool:
    """Say whether something was not looked at, or could not be ended, that matters here."""
    from arb.errors import CredentialsError
    from arb.state.machines import open_machines

    for each in found:
        matters = bool(open_machines(session.store, provider=each.provider))
        errors = (each.error, each.beside.error if each.beside else None)
        if each.unlisted or any(e and not isinstance(e, CredentialsError) for e in errors):
            return True
        if each.error and matters:
            return True
    return any(machine.key in session.shop.unfinished for machine in left)


def _show(found: list[Survey], owner: str) -> None:
    from arb.errors import CredentialsError

    shown = [s for each in found for s in each.sightings if _is_shown(s)]
    if shown:
        render.table(_COLUMNS, [_row(s, owner) for s in shown], right="$/h")
    for each in found:
        if each.error is not None:
            tell = render.hint if isinstance(each.error, CredentialsError) else render.warn
            tell(f"{each.provider} was not listed: {each.error.summary}")
        for region, reason in each.unlisted.items():
            render.warn(f"{each.provider} {region} was not listed: {reason}")
        if each.beside and each.beside.error:
            tell = render.hint if isinstance(each.beside.error, CredentialsError) else render.warn
            tell(f"{each.provider}: rules, groups and disks were not listed: {each.beside.error}")
        for leftover in each.leftovers:
            render.note(f"{each.provider}: something is left of the purchase {leftover.token}")
        for machine in each.gone:
            render.note(f"{machine.key} is gone: {machine.reason.value or 'no longer listed'}")


def _is_shown(sighting: Sighting) -> bool:
    from arb.provision.verdicts import ORPHANS, Kind

    return sighting.kind in {*ORPHANS, Kind.FOREIGN}


def _row(sighting: Sighting, owner: str) -> tuple[str, ...]:
    instance = sighting.instance
    price = instance.price_usd_hour
    return (
        instance.provider,
        f"{instance.region}/{instance.zone}" if instance.zone else instance.region,
        instance.id,
        sighting.cluster or "-",
        instance.detail or instance.state.value,
        "-" if price is None else f"{price:.2f}",
        _why(sighting, owner),
    )


def _why(sighting: Sighting, owner: str) -> str:
    from arb.provision.verdicts import Kind
    from arb.types.tokens import parse_token

    token = parse_token(sighting.instance.token)
    if sighting.kind is Kind.FOREIGN:
        return f"owner {token.owner}: left alone" if token else "no token: left alone"
    return {
        Kind.LATE: "turned up after its purchase had ended",
        Kind.BACK: "was called gone and is not",
        Kind.DOUBLE: "made beside the machines in use",
        Kind.STRAY: f"owner {owner}, and not known here",
        Kind.HALTED: "ended itself and may still be billed",
    }.get(sighting.kind, sighting.kind.value)


def _question(found: list[Survey]) -> str:
    from arb.text import counted

    orphans = [orphan for each in found for orphan in each.orphans]
    leftovers = sum(len(each.leftovers) for each in found)
    rest = f"what is left of {counted(leftovers, 'purchase')}"
    if not orphans:
        return f"Remove {rest}?"
    prices = [orphan.instance.price_usd_hour for orphan in orphans]
    told = [price for price in prices if price is not None]
    cost = f" ({render.money(sum(told))} an hour)" if told else ""
    more = f" and remove {rest}" if leftovers else ""
    return f"End {counted(len(orphans), 'machine')}{cost}{more}?"


def _tell(found: list[Survey], gone: list[str], left: list[Machine]) -> None:
    from arb.provision.verdicts import Kind
    from arb.text import counted

    for machine in left:
        why = machine.terminate_detail or "the provider has not confirmed it yet"
        render.warn(f"{machine.key} ends later: {why}")
    orphans = [orphan for each in found for orphan in each.orphans]
    kinds = [sighting.kind for each in found for sighting in each.sightings]
    used, under_way = kinds.count(Kind.OURS), kinds.count(Kind.UNDER_WAY)
    parts = [f"{counted(len(gone), 'machine')} ended" if orphans else "nothing to end"]
    parts += [f"{used} in use"] if used else []
    parts += [f"{under_way} being bought or given back"] if under_way else []
    render.note(", ".join(parts))


def _tell_beside(found: list[Survey], clean: list[str]) -> None:
    from arb.text import counted

    leftovers = sum(len(each.leftovers) for each in found)
    if clean:
        render.note(f"removed what was left of {counted(len(clean), 'purchase')}")
    if len(clean) < leftovers:
        rest = counted(leftovers - len(clean), "purchase")
        render.warn(f"what is left of {rest} is removed by the next command")


def _document(found: list[Survey], gone: list[str], left: list[Machine]) -> dict[str, Any]:
    return {
        "providers": [
            {
                "provider": each.provider,
                "account": each.account,
                "error": each.error.to_dict() if each.error else None,
                "unlisted": dict(each.unlisted),
                "gone": [machine.key for machine in each.gone],
                "machines": [_machine(sighting) for sighting in each.sightings],
                "leftovers": [leftover.token for leftover in each.leftovers],
            }
            for each in found
        ],
        "ended": gone,
        "pending": [
            {"instance": m.key, "detail": m.terminate_detail, "retry_at": m.terminate_after}
            for m in left
        ],
    }


def _machine(sighting: Sighting) -> dict[str, Any]:
    instance = sighting.instance
    return {
        "id": instance.id,
        "token": instance.token,
        "cluster": sighting.cluster,
        "kind": sighting.kind.value,
        "region": instance.region,
        "zone": instance.zone,
        "instance_type": instance.instance_type,
        "state": instance.state.value,
        "price_usd_hour": instance.price_usd_hour,
        "made_at": instance.made_at,
    }
