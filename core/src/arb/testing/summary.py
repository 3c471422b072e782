"""A pytest plugin that ends the output with what conformance suites found and could not prove.

Switch it on with ``-p arb.testing.summary``, or in the ``addopts`` of your configuration. It works with
pytest-xdist too. Nothing else here needs pytest, and this module does not import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from arb.testing.skips import PREFIX

if TYPE_CHECKING:
    from arb.testing.report import Outcome, Report

__all__ = ["pytest_terminal_summary"]

_CLASS: Final = "arb.testing.verdict.ContractBroken: "


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Write a section for the suites that ran, if any did."""
    reports = _reports(terminalreporter.stats)
    if reports:
        terminalreporter.section("provider contract")
        for report in reports:
            terminalreporter.write_line(report.text())


def _reports(stats: dict[str, list[Any]]) -> list[Report]:
    """Return a report for each class that holds checks of the suite."""
    from arb.testing.report import Report

    suites: dict[str, list[Outcome]] = {}
    for kind in ("passed", "failed", "error", "skipped"):
        for report in stats.get(kind, ()):
            suite, _, check = getattr(report, "nodeid", "").rpartition("::")
            outcome = _outcome(kind, check, report)
            if outcome is not None and "::" in suite:  # a function may have a check's name, too
                suites.setdefault(suite, []).append(outcome)
    return [Report(suite.rpartition("::")[2], tuple(found)) for suite, found in suites.items()]


def _outcome(kind: str, check: str, report: Any) -> Outcome | None:
    """Return what a test's report says of a promise; None when it is no check."""
    from arb.testing.contract import ProviderContract
    from arb.testing.report import Outcome, Verdict, checks_of

    if check not in checks_of(ProviderContract):
        return None
    if kind == "passed":
        return Outcome(check, Verdict.KEPT) if report.when == "call" else None
    if kind != "skipped":
        crash = getattr(report.longrepr, "reprcrash", None)
        message = getattr(crash, "message", str(report.longrepr))
        return Outcome(check, Verdict.BROKEN, message.removeprefix(_CLASS))
    reason = report.longrepr[2].removeprefix("Skipped: ")
    prefix, _, rest = reason.partition(": ")
    verdict, _, why = rest.partition(": ")
    known = prefix == PREFIX and verdict in set(Verdict)
    return Outcome(check, Verdict(verdict), why) if known else None
