"""What must be true: of the cloud's ledger, of the state, of the bill."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clouds.ledger import claims

from arb.state.attempts import AttemptState, get_attempt, open_attempts
from arb.state.clusters import ClusterStatus, list_clusters
from arb.state.costs import read_costs
from arb.state.machines import open_machines
from arb.state.marks import STATE_LOST, get_mark
from arb.state.vault import open_vault
from arb.types.tokens import attempt_token, parse_token

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from clouds.ledger import Entry

    from arb.state.costs import CostRow
    from arb.state.store import Store
    from crashes.world import Ran, World

__all__ = [
    "bill",
    "claimed",
    "harm",
    "internal_errors",
    "leftovers",
    "of_neighbours",
    "phantoms",
    "still_open",
    "surplus",
    "unsteady",
]

_ROUNDING_S = 2.0
"""What providers tell of times is cut to seconds, and a command takes a moment."""
_RETRY_S = 15.0
"""Who was told that an end is under way asks again after so long at most."""
_BLIND = frozenset({"cost"})
"""Commands that ask nobody."""


@contextmanager
def opened(world: World) -> Iterator[Store | None]:
    """Open the state as it is; None when there is none, and none is made."""
    store = world.database.open(world.clock)
    try:
        yield store
    finally:
        if store is not None:
            store.close()


def claimed(world: World) -> list[str]:
    """Return what is there and no state knows of.

    A machine must be known by its id or by its purchase; what is not a machine may belong to a whole
    cluster.
    """
    with opened(world) as store:
        state = claims(store) if store else set()
        clusters = _clusters(store) if store else ()
    unclaimed = [
        entry
        for entry in world.ledger().unclaimed(state)
        if entry.kind == "machine" or not (entry.name.startswith(clusters) or _stays(world, entry))
    ]
    return [f"nobody claims {_name(entry)}" for entry in unclaimed]


def harm(world: World) -> list[str]:
    """Return what was done to things of other people."""
    return [f"{_name(entry)} of somebody else was ended" for entry in world.ledger().harmed()]


def of_neighbours(world: World) -> list[str]:
    """Return what is there of other homes at the account."""
    alive = world.ledger().alive(foreign=True)
    here = {entry.id for entry in world.account.ledger().alive(foreign=True)}
    return [_name(entry) for entry in alive if entry.id not in here]


def phantoms(world: World) -> list[str]:
    """Return what state calls alive that is not, and launches that nobody carries on with."""
    alive = world.ledger().alive("machine")
    there = {entry.id for entry in alive} | {entry.name for entry in alive}
    with opened(world) as store:
        if store is None:
            return []
        machines, records = open_machines(store), list_clusters(store)
    found = [
        f"{machine.key} is {machine.state} here, and does not exist"
        for machine in machines
        if machine.instance_id not in there and machine.terminate_after is None
    ]
    used = {machine.cluster_id for machine in machines if machine.terminate_after is None}
    for record in records:
        if record.status is ClusterStatus.INIT:
            found.append(f"cluster {record.name} is still {record.status}")
        if record.status is ClusterStatus.UP and record.id not in used:
            found.append(f"cluster {record.name} is up, without a machine")
    return found


def surplus(world: World, nodes: int) -> list[str]:
    """Return what is wrong with a launch that went well: its nodes, and who is there beside them."""
    with opened(world) as store:
        if store is None:
            return ["there is no state"]
        machines, attempts = open_machines(store), open_attempts(store)
    used = {m.instance_id for m in machines if m.terminate_after is None}
    ending = {m.instance_id for m in machines} - used
    tokens = tuple(f"{a.id}-" for a in attempts if a.state is not AttemptState.READY)
    alive = world.ledger().alive("machine")
    serving = [entry for entry in alive if used & {entry.id, entry.name}]
    others = [entry for entry in alive if not (used | ending) & {entry.id, entry.name}]
    found = [f"{len(serving)} machines serve {nodes} nodes"] if len(serving) != nodes else []
    return found + [
        f"{_name(entry)} is there beside them"
        for entry in others
        if not entry.name.startswith(tokens)
    ]


def unsteady(world: World, before: Collection[str]) -> list[str]:
    """Return what was bought anew, or called gone, although what was bought before is there."""
    made = {entry.id: entry for entry in world.ledger().of("machine")}
    found = [f"{_name(entry)} was bought anew" for id_, entry in made.items() if id_ not in before]
    found += [f"{_name(made[id_])} was ended" for id_ in before if made[id_].gone_at is not None]
    with opened(world) as store:
        machines = open_machines(store) if store else []
        records = list_clusters(store) if store else []
    serving = {machine.instance_id for machine in machines if machine.terminate_after is None}
    found += [
        f"{_name(made[id_])} is gone here" for id_ in before if not serving & {id_, made[id_].name}
    ]
    return found + [f"cluster {r.name} is {r.status}" for r in records if r.status != "up"]


def still_open(world: World) -> bool:
    """Say whether there is something that a next command would have to carry on with."""
    with opened(world) as store:
        known = store is not None and bool(
            open_machines(store)
            or list_clusters(store)
            or open_attempts(store)
            or get_mark(store, STATE_LOST)
        )
    return known or bool(_alive(world))


def leftovers(world: World) -> list[str]:
    """Return what is left although everything was given back."""
    found = [f"{_name(entry)} is left" for entry in _alive(world)]
    stay = Counter(entry.name for entry in world.ledger().alive() if _stays(world, entry))
    found += [
        f"there are {count} things called {name}" for name, count in stay.items() if count > 1
    ]
    with opened(world) as store:
        if store is None:
            return found
        found += [f"cluster {record.name} is {record.status}" for record in list_clusters(store)]
        found += [f"{machine.key} is {machine.state} here" for machine in open_machines(store)]
        found += [f"purchase {attempt.id} is {attempt.state}" for attempt in open_attempts(store)]
        vault = open_vault(world.home / "vault", store, world.env)
        found += [f"the vault keeps {name}" for name in vault.names("host/")]
        found += [f"the vault keeps {name}" for name in vault.names("gang/")]
    return found


def bill(world: World) -> list[str]:
    """Return what the bill does not explain, or explains too well.

    Of each machine no second may be missing. A second too many is one of those between the end of a
    machine and the first command that could hear of it, or of the billing floor. An order that listings
    showed as a machine before it was refused may have been counted as one.
    """
    ledger = world.ledger()
    with opened(world) as store:
        rows = read_costs(store) if store else []
    billed = {row.instance_id: row for row in rows}
    made = ledger.of("machine")
    known = {name for entry in made for name in (entry.id, entry.name)}
    strange = set(billed) - known - world.account.ghosts()
    found = [
        f"the bill has {billed[name].seconds:.1f} s of {name}, which never was"
        for name in sorted(strange)
    ]
    for entry in made:
        row = billed.get(entry.id) or billed.get(entry.name)  # whatever the provider names it by
        if row is None and not _was_unwritable(world, entry):
            found.append(f"the bill lacks {_name(entry)}")
        elif row is not None:
            found += _difference(world, entry, row, ledger.now)
    return found


def internal_errors(world: World) -> list[str]:
    """Return what commands said that no command should ever say."""
    return [
        f"arb {' '.join(ran.words)} broke: {line.strip()}"
        for ran in world.ran
        for line in ran.output.splitlines()
        if line.startswith(("Traceback", "error: arb failed")) or "arb failed:" in line
    ]


def _alive(world: World) -> list[Entry]:
    """Return what is there and does not stay."""
    return [entry for entry in world.ledger().alive() if not _stays(world, entry)]


def _stays(world: World, entry: Entry) -> bool:
    """Say whether it is the customer's, whatever clusters there are."""
    is_machine = entry.kind == "machine"
    return not is_machine and re.fullmatch(world.market.keeps, entry.name) is not None


def _clusters(store: Store) -> tuple[str, ...]:
    """Return how names begin of what belongs to a cluster that is not over."""
    ids = {record.id for record in list_clusters(store)}
    ids |= {attempt.cluster_id for attempt in open_attempts(store)}
    return tuple(f"arb-{store.owner()}-{cluster_id}-" for cluster_id in ids)


def _difference(world: World, entry: Entry, row: CostRow, now: float) -> list[str]:
    paid_s = entry.seconds(now)
    unheard_s = _unheard_s(world, entry)
    longest_s = max(paid_s + unheard_s + _untold_s(world, entry), row.minimum_s)
    least, most = paid_s - _ROUNDING_S, longest_s + _ROUNDING_S
    found = []
    if not least <= row.seconds <= most:
        found.append(
            f"the bill has {row.seconds:.1f} s of {_name(entry)}, which cost {paid_s:.1f} s "
            f"({unheard_s:.1f} s until its end could be heard of)"
        )
    if abs(row.price_usd_hour - entry.price_usd_hour) > 1e-6:
        found.append(f"the bill has {row.price_usd_hour} an hour for {_name(entry)}")
    return found


def _was_unwritable(world: World, entry: Entry) -> bool:
    """Say whether it ended before anybody could write it down."""
    if world.market.forgets and entry.reason == "preempted":
        return True  # nobody saw it, and its provider does not know of it either
    troubled = next((ran for ran in world.ran if ran.met and ran.cannot_write), None)
    if troubled is None or troubled.ended is None or entry.gone_at is None:
        return False
    return entry.gone_at <= troubled.ended + _ROUNDING_S


def _untold_s(world: World, entry: Entry) -> float:
    """Return how long before it was made it may be counted from: its purchase, where nobody tells."""
    if world.market.tells_when:
        return 0.0
    token = parse_token(entry.name)
    with opened(world) as store:
        if store is None or token is None:
            return 0.0
        attempt = get_attempt(store, attempt_token(token.owner, token.cluster_id, token.seq))
    return max(0.0, entry.made_at - attempt.opened_at) if attempt else 0.0


def _unheard_s(world: World, entry: Entry) -> float:
    """Return how long after its end a command first ended that could have heard of it."""
    if entry.gone_at is None:
        return 0.0
    heard = [ran.ended for ran in world.ran if ran.ended is not None and _hears(world, ran, entry)]
    return max(0.0, min(heard, default=float("inf")) - entry.gone_at)


def _hears(world: World, ran: Ran, entry: Entry) -> bool:
    """Say whether a command must have heard of an end: because it brought it about, or asked later.

    The one that met with trouble may not have heard. Nobody asks about a machine that cannot be ended
    yet, although it may be taken away meanwhile.
    """
    gone_at = entry.gone_at or 0.0
    if ran.home or ran.words[0] in _BLIND or (ran.ended or 0.0) < gone_at:
        return False
    is_ours = entry.reason == "user"
    if is_ours and world.market.ends_at_once and not ran.met:
        return True
    asks_at = gone_at + _RETRY_S
    return ran.began >= (
        asks_at if is_ours else max(asks_at, entry.made_at + world.account.floor_s)
    )


def _name(entry: Entry) -> str:
    return f"{entry.kind} {entry.id} ({entry.name})"
