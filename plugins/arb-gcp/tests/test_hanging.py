"""A Google that takes calls and never answers: it is told within the hook's time, not after it."""

from __future__ import annotations

import dataclasses
import time

from arb.types import CheckStatus, SystemClock
from arb_gcp import plugin

BUDGET_S = 2.0


class Ticking(SystemClock):
    """Real seconds, and the cloud's date."""

    def __init__(self, date):
        self._date = date

    def now(self):
        return self._date


def test_a_check_that_hangs_says_so_before_its_time_is_over(account):
    assert plugin.arb_check(account.context()).status is CheckStatus.OK
    account.cloud.fault("late", count=99, delay_s=1e9, hang_s=10)
    clock = Ticking(account.cloud.clock.now())
    deadline = clock.monotonic() + BUDGET_S
    context = dataclasses.replace(account.context(), clock=clock, deadline=deadline)
    assert plugin.arb_check(context).status is CheckStatus.UNREACHABLE
    assert time.monotonic() < deadline
