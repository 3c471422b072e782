"""One warm process and one campaign a provider for all trials of a test session."""

from __future__ import annotations

import os

import pytest

from crashes.campaign import Campaign
from crashes.forks import Forks
from crashes.markets import PROVIDERS


@pytest.fixture(scope="session")
def forks():
    with Forks() as warm:
        yield warm


@pytest.fixture(scope="session")
def campaigns(forks):
    """Return the campaign of a provider; skips where the provider cannot be tried."""
    made = {}

    def campaign(name):
        market = PROVIDERS[name]
        if why_not := market.why_not():
            pytest.skip(why_not)
        if name not in made:
            made[name] = Campaign(market, forks, seed=int(os.environ.get("ARB_CRASH_SEED", "0")))
        return made[name]

    yield campaign
    for each in made.values():
        each.close()
