"""What can be bought."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Catalog", "Offer"]


@dataclass(frozen=True, slots=True)
class Catalog:
    """Offers with their origin.

    Attributes:
        frame: One row an offer; columns of ``arb_catalog``.
        source: ``live`` or ``bundled``.
        as_of: Date of the prices, seconds since the epoch.
        files: Absolute paths that the rows were read from. Once one of them changes, appears or
            goes, the rows are read again, whatever their age.
        why: Why live prices could not be had, one clause; the user is told it. Empty when these are
            live, and when nobody asked for more, as without credentials.
    """

    frame: pd.DataFrame
    source: str
    as_of: float
    files: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """One buyable thing: a validated catalog row. Columns and units: ``arb_catalog``.

    ``note`` is shown wherever the offer is (``simulated``). ``available``, ``capacity`` (machines that
    can be had at once), ``user_data`` (None: as the provider's capabilities say), ``latitude`` and
    ``longitude`` (degrees) are None when unknown.
    """

    provider: str
    offer_id: str
    region: str
    instance_type: str
    price_usd_hour: float
    zone: str = ""
    accelerator: str = ""
    accelerator_count: float = 0
    accelerator_gib: float = 0
    vcpus: float = 0
    memory_gib: float = 0
    spot: bool = False
    arch: str = "x86_64"
    interconnect: str = ""
    fabric: str = ""
    quota_family: str = ""
    disk_gib: float = 0
    minimum_s: float = 0
    available: bool | None = None
    capacity: int | None = None
    user_data: bool | None = None
    latitude: float | None = None
    longitude: float | None = None
    note: str = ""
    payload: str = "{}"
    source: str = ""
    as_of: float = 0

    @property
    def key(self) -> tuple[str, str, bool]:
        """Identity over all providers: provider, offer id, spot."""
        return (self.provider, self.offer_id, self.spot)

    @property
    def place(self) -> str:
        """``region`` or ``region/zone`` for people to read."""
        return f"{self.region}/{self.zone}" if self.zone else self.region

    def to_json(self) -> str:
        """Return the offer as it is recorded in state."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Offer:
        """Read what ``to_json`` wrote, by this or an older version."""
        known = cls.__dataclass_fields__
        return cls(**{k: v for k, v in json.loads(text).items() if k in known})
