"""``python -m tests.crashes --provider NAME [--all | --count N | --scenario NAME | --point POINT]``.

Prints how many points there are and what was tried; a trial that fails prints the command that runs
it again. The exit code is 0 when nothing failed, 1 when something did, 2 for a wrong command line.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crashes.campaign import Campaign
    from crashes.points import Point


def main(arguments: list[str]) -> int:
    """Run what is asked for, and return the exit code."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from crashes.campaign import Campaign
    from crashes.markets import PROVIDERS
    from crashes.scenarios import SCENARIOS

    parser = argparse.ArgumentParser(prog="python -m tests.crashes", description=__doc__)
    parser.add_argument("--provider", choices=sorted(PROVIDERS), action="append", metavar="NAME")
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), action="append", metavar="NAME")
    parser.add_argument("--point", action="append", help="one that was printed before")
    parser.add_argument("--all", action="store_true", help="every point")
    parser.add_argument("--count", type=int, default=5, help="points a scenario; 5 by default")
    parser.add_argument("--seed", type=int, default=0, help="chooses points; 0 by default")
    parser.add_argument("--list", action="store_true", help="print points, and try none")
    parser.add_argument("--verbose", action="store_true", help="print what commands said")
    chosen = parser.parse_args(arguments)
    failed = False
    for name in chosen.provider or sorted(PROVIDERS):
        market = PROVIDERS[name]
        if why_not := market.why_not():
            print(f"{name}: {why_not}")
            continue
        with Campaign(market, seed=chosen.seed) as campaign:
            _run(campaign, chosen)
            print(campaign.tally, flush=True)
            failed |= bool(campaign.tally.failures)
    return int(failed)


def _run(campaign: Campaign, chosen: argparse.Namespace) -> None:
    from crashes.points import Point
    from crashes.scenarios import scenarios_of

    if chosen.point:
        _try(campaign, [Point.parse(text) for text in chosen.point], chosen)
        return
    possible = scenarios_of(campaign.market)
    for scenario in [name for name in chosen.scenario or possible if name in possible]:
        points = campaign.points(scenario)
        if not chosen.all:
            points = campaign.sample(scenario, chosen.count)
        if chosen.list:
            print(*points, sep="\n")
        else:
            _try(campaign, points, chosen)
            there = campaign.tally.points[scenario]
            print(f"{campaign.market.name} {scenario}: {len(points)} of {there} tried", flush=True)
    for failure in campaign.tally.failures:
        if failure.point is None:
            print(failure, failure.told if chosen.verbose else "", sep="\n", flush=True)


def _try(campaign: Campaign, points: list[Point], chosen: argparse.Namespace) -> None:
    for point in points:
        before = len(campaign.tally.missed)
        for failure in campaign.run([point]):
            print(failure, flush=True)
            if chosen.verbose:
                print(failure.told, flush=True)
        if len(campaign.tally.missed) > before:
            print(f"not reached: {point}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
