"""Why some of a catalog is not of now, in one clause for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.errors import ArbError
from arb_aws.faults import is_closed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from arb_aws.catalog.compose import RegionPart

__all__ = ["why_not_live"]


def why_not_live(parts: Iterable[RegionPart], outcomes: Mapping[str, object]) -> str:
    """Return one clause: what of which regions could not be read, and why; empty when all could.

    Regions that the account's organization closed are as they should be and are not told.

    Args:
        parts: What is known of regions.
        outcomes: Region -> what reading it came to: a part, or an error when nothing is known.
    """
    failed: dict[str, dict[str, str]] = {}
    for part in parts:
        for what, why in part.missing.items():
            failed.setdefault(f"{what} prices of", {})[part.region] = why
    for region, outcome in outcomes.items():
        if isinstance(outcome, ArbError) and not is_closed(outcome):
            failed.setdefault("offers of", {})[region] = outcome.summary
    return "; ".join(f"no new {what} {_named(regions)}" for what, regions in failed.items())


def _named(failed: Mapping[str, str]) -> str:
    """Return the first region with its reason, and how many there are more."""
    region, why = next(iter(failed.items()))
    more = len(failed) - 1
    return f"{region}{f' and {more} more' if more else ''} ({why})"
