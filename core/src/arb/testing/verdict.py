"""How a check says that a promise is broken, and what became of it under declared deviations."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, TypeVar

from arb.testing.skips import Deviation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ContractBroken", "check", "demand"]

_Suite = TypeVar("_Suite")


class ContractBroken(AssertionError):
    """The provider broke a promise; the docstring of the check quotes it."""


def demand(kept: object, otherwise: str) -> None:
    """Raise unless a promise is kept.

    Args:
        kept: True when it is.
        otherwise: What was seen instead.

    Raises:
        ContractBroken: It is not.
    """
    __tracebackhide__ = True  # pytest shows the check instead
    if not kept:
        raise ContractBroken(otherwise)


def check(function: Callable[[_Suite], None]) -> Callable[[_Suite], None]:
    """Mark a method as one check of the suite.

    A check whose name is in ``deviations`` is expected to find its promise broken: it is skipped
    with the declared reason. When it finds the promise kept it fails, so that a deviation is not
    declared for longer than it is true.
    """

    @functools.wraps(function)
    def judged(suite: _Suite) -> None:
        __tracebackhide__ = True
        deviations: Mapping[str, str] = getattr(suite, "deviations", {})
        reason = deviations.get(function.__name__)
        try:
            function(suite)
        except ContractBroken as broken:
            if reason is not None:
                raise Deviation(reason) from None
            broken.add_note(f"promised: {_promise(function)}")
            raise
        if reason is not None:
            raise ContractBroken(
                f"{function.__name__} is declared as a deviation ({reason}), yet the promise is"
                " kept: take it out of deviations"
            )

    judged.is_contract_check = True  # type: ignore[attr-defined]
    return judged


def _promise(function: Callable[..., None]) -> str:
    """Return the quotation in a check's docstring."""
    return " ".join((function.__doc__ or "").partition("\n\n")[2].split())
