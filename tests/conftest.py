"""What tests of several folders share, and what the output of a run ends with."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from support.examples import examples
from support.postgres import PostgresServer, find_binaries

if TYPE_CHECKING:
    from collections.abc import Iterator

settings.register_profile("arb", examples())
settings.load_profile("arb")

# A shell lets what it starts in the background ignore Ctrl-C, and so do all children of that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server a worker: starting it costs as much as fifty databases."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's server is not installed")
    with PostgresServer(binaries) as server:
        yield server


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
        points = {each["scenario"]: each["points"] for each in own}
        tried, failed = (sum(each[key] for each in own) for key in ("tried", "failed"))
        terminalreporter.write_line(
            f"{provider}: {sum(points.values())} points in {len(points)} scenarios, "
            f"{tried} tried, {failed} failed"
        )
