"""One question to many regions, each of which says for itself whether it answered."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from arb.errors import ArbError, CredentialsError, ProviderUnavailable, RateLimited
from arb_aws.faults import is_closed
from arb_aws.regions import enabled_regions
from arb_aws.threads import side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from arb_aws.client import Client

__all__ = ["Answers", "ask_regions"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answers(Generic[T]):
    """What regions said.

    Attributes:
        found: Region -> its answer.
        errors: Region -> what went wrong, one line.
    """

    found: Mapping[str, T]
    errors: Mapping[str, str]


def ask_regions(
    client: Client, ask: Callable[[Client, str], T], regions: Collection[str] = ()
) -> Answers[T]:
    """Ask some regions side by side, or all that are enabled for the account.

    Of all, those that an organization closed are left out: nothing was bought there.

    Args:
        client: Of the hook call.
        ask: The question, for one region; raises as ``Client.call``.
        regions: Whom; empty is all.

    Raises:
        CredentialsError, ProviderUnavailable, RateLimited: No region answered.
    """
    wanted = tuple(sorted(regions)) or enabled_regions(client)
    outcomes = side_by_side(partial(ask, client), wanted)
    found: dict[str, T] = {}
    errors: dict[str, str] = {}
    for region, outcome in zip(wanted, outcomes, strict=True):
        if not isinstance(outcome, Exception):
            found[region] = outcome
        elif not isinstance(outcome, ArbError):
            raise outcome
        elif regions or not is_closed(outcome):
            errors[region] = outcome.summary
    if wanted and not found:
        raise _worst(outcomes)
    return Answers(found, errors)


def _worst(outcomes: Sequence[object]) -> Exception:
    """Return what is raised when no region answered."""
    errors = [error for error in outcomes if isinstance(error, Exception)]
    for kind in (ProviderUnavailable, RateLimited, CredentialsError):
        chosen = next((error for error in errors if isinstance(error, kind)), None)
        if chosen is not None:
            return chosen
    return errors[0]
