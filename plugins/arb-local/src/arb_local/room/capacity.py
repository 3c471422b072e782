"""How many machines a place takes, and who decides: the most specific rule that was set."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["CapacityRule", "Place", "limit_for"]

_PLACE = re.compile(
    r"^(?P<kind>[^@/#]+)(@(?P<region>[^/#]+)(/(?P<zone>[^#]+))?)?(#(?P<market>spot|on-demand))?$"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where machines are counted: an instance type, narrowed by region, zone and capacity class.

    Empty ``region`` and ``zone`` mean all of them; ``spot`` None means both classes.
    """

    kind: str
    region: str = ""
    zone: str = ""
    spot: bool | None = None

    def __str__(self) -> str:
        """Return ``KIND[@REGION[/ZONE]][#spot|#on-demand]``."""
        text = self.kind
        if self.region:
            text += f"@{self.region}" + (f"/{self.zone}" if self.zone else "")
        return text if self.spot is None else text + ("#spot" if self.spot else "#on-demand")

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read what ``str`` wrote.

        Raises:
            ValueError: The text has another form.
        """
        match = _PLACE.match(text)
        if match is None:
            raise ValueError(f"not a place: {text!r} (write INSTANCE_TYPE[@REGION[/ZONE]])")
        market = match["market"]
        spot = None if market is None else market == "spot"
        return cls(match["kind"], match["region"] or "", match["zone"] or "", spot)

    def covers(self, other: Place) -> bool:
        """Say whether a machine at the exact place ``other`` is counted here."""
        return (
            self.kind == other.kind
            and self.region in {"", other.region}
            and self.zone in {"", other.zone}
            and self.spot in {None, other.spot}
        )

    @property
    def detail(self) -> int:
        """How specific the place is: the greater wins."""
        return 4 * bool(self.zone) + 2 * bool(self.region) + (self.spot is not None)


@dataclass(frozen=True, slots=True)
class CapacityRule:
    """A limit that was set: at most ``limit`` machines at once; None lifts the default."""

    place: Place
    limit: int | None


def limit_for(place: Place, rules: Mapping[str, int | None], default: int | None) -> CapacityRule:
    """Find the limit that holds for one more machine at an exact place.

    Args:
        place: Where the machine would be.
        rules: Limits by the text of their place.
        default: The limit of the exact place when no rule covers it.
    """
    covering = [p for p in map(Place.parse, rules) if p.covers(place)]
    if not covering:
        return CapacityRule(place, default)
    best = max(covering, key=lambda p: p.detail)
    return CapacityRule(best, rules[str(best)])


def count(place: Place, used: Iterable[Place]) -> int:
    """Count the machines that stand at a place."""
    return sum(place.covers(other) for other in used)
