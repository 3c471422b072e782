"""What the output of a test run ends with: how many crash points there are, and were tried."""

from __future__ import annotations

import json


def pytest_terminal_summary(terminalreporter):
    """Add up what the trials of ``crashes`` told, of all workers."""
    told = [
        json.loads(value)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == "crashes"
    ]
    if told:
        terminalreporter.section("crash points")
    for provider in dict.fromkeys(each["provider"] for each in told):
        own = [each for each in told if each["provider"] == provider]
        points, tried, failed = (sum(e[key] for e in own) for key in ("points", "tried", "failed"))
        line = (
            f"{provider}: {points} points in {len(own)} scenarios, {tried} tried, {failed} failed"
        )
        terminalreporter.write_line(line)
