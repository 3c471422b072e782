"""Every check of the conformance suite finds a provider that breaks its promise, and no other."""

from __future__ import annotations

import pytest
from tests.core.testing import (  # noqa: F401 - they register
    broken_endings,
    broken_habits,
    broken_info,
    broken_listings,
    broken_orders,
    heavy_plugin,
)
from tests.core.testing.broken import BROKEN
from tests.core.testing.suite import ReferenceContract, suite_of

from arb.testing import Verdict, prove
from arb.testing.report import checks_of


def test_a_provider_that_keeps_every_promise_passes_every_check() -> None:
    report = prove(ReferenceContract)
    assert report.named(Verdict.KEPT) == frozenset(checks_of(ReferenceContract)), report.text()


@pytest.mark.parametrize(
    ("check", "provider"), BROKEN, ids=[provider.__name__ for _, provider in BROKEN]
)
def test_a_broken_provider_fails_just_its_check(check: str, provider: type) -> None:
    report = prove(suite_of(provider))
    assert report.named(Verdict.BROKEN) == {check}, report.text()


def test_there_is_a_broken_provider_for_every_check() -> None:
    assert {check for check, _ in BROKEN} == set(checks_of(ReferenceContract))
