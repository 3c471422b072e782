"""Running the suite without a test runner, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from arb.testing.skips import Deviation, DoesNotApply, Skipped
from arb.testing.verdict import ContractBroken

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from arb.testing.contract import ProviderContract

__all__ = ["Outcome", "Report", "Verdict", "checks_of", "prove"]


class Verdict(StrEnum):
    """What a check found."""

    KEPT = "kept"
    BROKEN = "broken"
    DEVIATION = "deviation"
    NOT_PROVEN = "not proven"
    DOES_NOT_APPLY = "does not apply"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check. ``reason`` says what was seen, or why nothing was; empty for a kept promise."""

    check: str
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Every check of a suite, in order."""

    suite: str
    outcomes: tuple[Outcome, ...]

    def named(self, verdict: Verdict) -> frozenset[str]:
        """Return the names of the checks with a verdict."""
        return frozenset(o.check for o in self.outcomes if o.verdict is verdict)

    def text(self) -> str:
        """Return a summary for people: the counts, then a line for each that is not kept."""
        counts = {verdict: len(self.named(verdict)) for verdict in Verdict}
        said = ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n)
        number = len(self.outcomes)
        lines = [f"{self.suite}: {number} check{'' if number == 1 else 's'}: {said}"]
        for verdict in list(Verdict)[1:]:
            for outcome in self.outcomes:
                if outcome.verdict is verdict:
                    first = outcome.reason.partition("\n")[0]
                    lines.append(f"  {verdict}: {outcome.check}: {first}")
        return "\n".join(lines)


def checks_of(contract: type[ProviderContract]) -> Sequence[str]:
    """Return the names of a suite's checks, in the order of the hooks.

    Raises:
        ContractBroken: ``deviations`` names one that does not exist.
    """
    names: dict[str, None] = {}
    for base in contract.__mro__:
        own = [n for n, v in vars(base).items() if getattr(v, "is_contract_check", False)]
        names |= dict.fromkeys(own)
    unknown = ", ".join(sorted(set(contract.deviations) - set(names)))
    if unknown:
        raise ContractBroken(f"deviations of {contract.__name__} name no check: {unknown}")
    return tuple(names)


def prove(contract: type[ProviderContract], *, only: Collection[str] = ()) -> Report:
    """Run the checks of a suite one after the other, each on an instance of its own.

    Args:
        contract: A subclass of ``ProviderContract``.
        only: Names of checks; empty runs all.

    Raises:
        ContractBroken: ``deviations`` names a check that does not exist.
    """
    names = [name for name in checks_of(contract) if not only or name in only]
    return Report(contract.__name__, tuple(_run(contract, name) for name in names))


def _run(contract: type[ProviderContract], name: str) -> Outcome:
    suite = contract()
    try:
        getattr(suite, name)()
    except Skipped as skipped:
        return Outcome(name, _verdict(skipped), skipped.reason)
    except ContractBroken as broken:
        return Outcome(name, Verdict.BROKEN, str(broken))
    except Exception as error:  # noqa: BLE001 - a result of a wrong kind breaks the check itself
        return Outcome(name, Verdict.BROKEN, f"{type(error).__name__}: {error}")
    finally:
        suite.teardown_method()
    return Outcome(name, Verdict.KEPT)


def _verdict(skipped: Skipped) -> Verdict:
    if isinstance(skipped, Deviation):
        return Verdict.DEVIATION
    applies = not isinstance(skipped, DoesNotApply)
    return Verdict.NOT_PROVEN if applies else Verdict.DOES_NOT_APPLY
