"""Commands die at steps that a seed chooses, and whatever they were doing, nothing is left.

``ARB_CRASH_SEED`` is the seed. All points: ``python -m tests.crashes --provider NAME --all``.
"""

from __future__ import annotations

import json
import os
import random

import pytest

from crashes.campaign import Campaign
from crashes.databases import ServerDatabase
from crashes.markets import PROVIDERS
from crashes.scenarios import SCENARIOS, scenarios_of

FEW_SCENARIOS, FEW = 2, 2
"""So many scenarios of a provider, by the seed, and so many points of each; the slow tests try all."""
MANY = 6
pytestmark = pytest.mark.timeout(600)  # many commands each, on machines that are busy, too
SEED = int(os.environ.get("ARB_CRASH_SEED", "0"))


def trials(campaign, scenario, count, record_property, kind=""):
    tally, points = campaign.tally, campaign.sample(scenario, count)
    failed, missed = len(tally.failures), len(tally.missed)
    campaign.run(points)
    failures, unseen = tally.failures[failed:], tally.missed[missed:]
    ran = {"provider": kind or campaign.market.name, "scenario": scenario, "tried": len(points)}
    ran |= {"points": tally.points[scenario], "failed": len(failures)}
    record_property("crashes", json.dumps(ran))
    assert not failures, "\n".join(map(str, failures))
    assert not unseen, f"not reached: {unseen}"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_nothing_is_left_of_a_command_that_died(campaigns, provider, record_property):
    campaign = campaigns(provider)
    chance = random.Random(f"{campaign.seed} {provider}")
    for scenario in chance.sample(scenarios_of(campaign.market), FEW_SCENARIOS):
        trials(campaign, scenario, FEW, record_property)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_nothing_is_left_wherever_it_dies(campaigns, provider, scenario, record_property):
    campaign = campaigns(provider)
    if scenario not in scenarios_of(campaign.market):
        pytest.skip(f"{provider} cannot do that")
    trials(campaign, scenario, MANY, record_property)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["launch", "gang", "down"])
def test_nothing_is_left_while_state_is_on_postgresql(
    forks, postgres_server, scenario, record_property
):
    database = ServerDatabase(postgres_server)
    with Campaign(PROVIDERS["local"], forks, seed=SEED, server=database) as campaign:
        trials(campaign, scenario, MANY, record_property, kind="local on PostgreSQL")
