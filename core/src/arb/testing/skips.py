"""Why a check of the conformance suite says nothing about a provider.

All are ``unittest.SkipTest``, which pytest shows as skipped: the suite needs no test runner.
"""

from __future__ import annotations

from typing import ClassVar, Final
from unittest import SkipTest

__all__ = ["Deviation", "DoesNotApply", "NotProven", "Skipped"]

PREFIX: Final = "contract"


class Skipped(SkipTest):
    """A check that ended without a verdict.

    Args:
        reason: One line.
    """

    kind: ClassVar[str] = ""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{PREFIX}: {self.kind}: {reason}")
        self.reason = reason


class NotProven(Skipped):
    """The promise holds or not: this suite cannot bring the situation about."""

    kind = "not proven"


class DoesNotApply(Skipped):
    """The provider never made the promise, for instance because it lacks the capability."""

    kind = "does not apply"


class Deviation(Skipped):
    """The provider breaks the promise, and its suite declares why."""

    kind = "deviation"
