"""What plugin authors test with. Public; its names change as the hook API does.

Nothing here needs a test runner: ``ProviderContract`` is a plain class that pytest collects when it
is subclassed. A module is imported when the first of its names is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from arb.testing.clock import FakeClock
    from arb.testing.cloud import (
        CloudMachine,
        CloudThing,
        ContractCloud,
        Login,
        MachineRow,
        ThingRow,
    )
    from arb.testing.contract import ProviderContract
    from arb.testing.report import Outcome, Report, Verdict, prove
    from arb.testing.skips import Deviation, DoesNotApply, NotProven
    from arb.testing.verdict import ContractBroken

__all__ = [
    "CloudMachine",
    "CloudThing",
    "ContractBroken",
    "ContractCloud",
    "Deviation",
    "DoesNotApply",
    "FakeClock",
    "Login",
    "MachineRow",
    "NotProven",
    "Outcome",
    "ProviderContract",
    "Report",
    "ThingRow",
    "Verdict",
    "prove",
]

_MODULES: Final = {
    "clock": ("FakeClock",),
    "cloud": (
        "CloudMachine",
        "CloudThing",
        "ContractCloud",
        "Login",
        "MachineRow",
        "ThingRow",
    ),
    "contract": ("ProviderContract",),
    "report": ("Outcome", "Report", "Verdict", "prove"),
    "skips": ("Deviation", "DoesNotApply", "NotProven"),
    "verdict": ("ContractBroken",),
}
_HOMES: Final = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a name from its module; afterwards it is an ordinary attribute."""
    module = _HOMES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
