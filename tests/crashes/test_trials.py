"""Commands die at steps that a seed chooses, and whatever they were doing, nothing is left.

``ARB_CRASH_SEED`` is the seed. All points: ``python -m tests.crashes --provider NAME --all``.
"""

from __future__ import annotations

import json

import pytest

from crashes.markets import PROVIDERS
from crashes.scenarios import SCENARIOS, scenarios_of

FEW = {"gang": 4, "down": 3, "preempted": 2, "reap": 2}
"""Points a scenario by default; the others are for the slow tests."""
MANY = 24


def trials(campaign, scenario, count, record_property):
    before = len(campaign.tally.failures)
    campaign.run(campaign.sample(scenario, count))
    failures = campaign.tally.failures[before:]
    ran = {"provider": campaign.market.name, "scenario": scenario, "tried": count}
    ran |= {"points": len(campaign.points(scenario)), "failed": len(failures)}
    record_property("crashes", json.dumps(ran))
    assert not failures, "\n".join(map(str, failures))


@pytest.mark.parametrize("scenario", FEW)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_nothing_is_left_of_a_command_that_died(campaigns, provider, scenario, record_property):
    trials(campaigns(provider), scenario, FEW[scenario], record_property)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_nothing_is_left_wherever_it_dies(campaigns, provider, scenario, record_property):
    campaign = campaigns(provider)
    if scenario not in scenarios_of(campaign.market):
        pytest.skip(f"listings of {provider} do not lag")
    trials(campaign, scenario, MANY, record_property)
