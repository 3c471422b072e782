"""What can be had: the kinds of hosts, and how many of each are free."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from arb.types import Catalog
from arb_ssh.access import Access
from arb_ssh.limits import Limit
from arb_ssh.looks import look_at, nobody
from arb_ssh.memory import Records, SeenHosts
from arb_ssh.offers import kinds, row
from arb_ssh.settings import need_fleet, read_fleet

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from arb.types import Offer, ProviderContext
    from arb_ssh.hosts import Host
    from arb_ssh.looks import Look
    from arb_ssh.offers import Kind
    from arb_ssh.settings import Fleet

__all__ = ["hosts_of", "read_catalog", "read_prices"]

_LOOK_S: Final = 6.0
_QUERY_S: Final = 4.0
_MEASURED_S: Final = 86400.0
"""Hardware is measured again after so long."""
_MOST_REASONS: Final = 3
_COLUMNS: Final[dict[str, Any]] = {
    "offer_id": "str",
    "region": "category",
    "zone": "category",
    "instance_type": "category",
    "accelerator": "category",
    "accelerator_count": "float32",
    "accelerator_gib": "float32",
    "vcpus": "float32",
    "memory_gib": "float32",
    "arch": "str",
    "spot": bool,
    "price_usd_hour": "float64",
    "available": "boolean",
    "capacity": "Int64",
    "note": "str",
    "payload": "str",
}


def read_catalog(context: ProviderContext) -> Catalog:
    """Return one offer for each kind of hosts. Beside one that answers, who is silent is taken.

    Raises:
        UsageError: The list of hosts cannot be used.
        CredentialsError, ProviderUnavailable: Nothing is known of any host, and none can be asked.
    """
    fleet = read_fleet(context)
    looks = _look(context, fleet) if fleet.hosts else []
    seen = SeenHosts(context)
    known = [(host, hw) for host in fleet.hosts if (hw := host.hardware(seen.of(host).hardware))]
    error = nobody(looks)
    if error is not None and not known:
        raise error
    by_name = {look.host.name: look for look in looks}
    rows = [_row(kind, [by_name[host.name] for host in kind.hosts]) for kind in kinds(known)]
    # What is claimed and given back from here changes what is free at once.
    files = [str(fleet.file)] if fleet.file else []
    files += [str(Records(context).folder)] if fleet.hosts else []
    return Catalog(_frame(rows), source="live", as_of=context.clock.now(), files=tuple(files))


def read_prices(context: ProviderContext, offers: Sequence[Offer]) -> pd.DataFrame:
    """Return of some offers whether a host of them is free at this moment.

    Raises:
        CredentialsError: No host is configured, or every one refused the key.
        ProviderUnavailable: No host answered.
    """
    import pandas as pd

    fleet = need_fleet(context)
    wanted = {host.name for offer in offers for host in hosts_of(fleet, offer)}
    hosts = [host for host in fleet.hosts if host.name in wanted]
    access = Access(context, fleet.known_hosts)
    looks = look_at(context, access, hosts, Limit.of(context, _QUERY_S))
    error = nobody(looks)
    if error is not None:
        raise error
    free = {look.host.name for look in looks if look.is_free}
    rows = [_price(offer, hosts_of(fleet, offer), free) for offer in offers]
    frame = pd.DataFrame(rows, columns=["offer_id", "spot", "price_usd_hour", "available"])
    return frame.astype(
        {"offer_id": "str", "spot": bool, "price_usd_hour": "float64", "available": "boolean"}
    )


def hosts_of(fleet: Fleet, offer: Offer) -> tuple[Host, ...]:
    """Return the hosts that an offer is about and that are still in the list.

    An offer that does not come from here has none.
    """
    try:
        payload = json.loads(offer.payload)
        names = payload["hosts"] if payload["instance_type"] == offer.instance_type else ()
    except (ValueError, TypeError, KeyError):
        return ()
    return tuple(host for host in fleet.of_pool(offer.region) if host.name in names)


def _look(context: ProviderContext, fleet: Fleet) -> list[Look]:
    """Look at all hosts; measure those of which too little is known."""
    seen, now = SeenHosts(context), context.clock.now()

    def is_unknown(host: Host) -> bool:
        age_s = now - seen.of(host).measured_at
        return host.told() is None and not 0 <= age_s <= _MEASURED_S

    measure = [host for host in fleet.hosts if is_unknown(host)]
    access = Access(context, fleet.known_hosts)
    limit = Limit.of(context, 2 * _LOOK_S if measure else _LOOK_S)
    return look_at(context, access, fleet.hosts, limit, measure=measure)


def _row(kind: Kind, looks: Sequence[Look]) -> dict[str, Any]:
    if all(look.answer is None for look in looks):
        return row(kind, None)
    free = sum(look.is_free for look in looks)
    # Not while one can be had: what was bought keeps its note.
    why_not = [] if free else [look.why_not for look in looks]
    if len(why_not) > _MOST_REASONS:
        why_not = [f"{len(why_not)} hosts are taken or silent"]
    return row(kind, free, why_not)


def _price(offer: Offer, hosts: Sequence[Host], free: set[str]) -> dict[str, Any]:
    price = hosts[0].price_usd_hour if hosts else offer.price_usd_hour
    return {
        "offer_id": offer.offer_id,
        "spot": offer.spot,
        "price_usd_hour": price,
        "available": any(host.name in free for host in hosts),
    }


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)
