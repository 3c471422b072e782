"""The row of a provider's import: free, whatever the provider's own libraries cost."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

from .harness import Kind, Limit, Measurement, Row, Skipped
from .timing import TIMEOUT_S

if TYPE_CHECKING:
    from .workbench import Workbench

__all__ = ["ROWS"]

_CODE: Final = """
import importlib, sys, time
begun = time.perf_counter()
import arb.hookspecs
between = time.perf_counter()
importlib.import_module(sys.argv[1])
print(between - begun, time.perf_counter() - between)
"""


def _import(workbench: Workbench) -> Measurement:
    """Import every installed provider in processes of their own; the dearest one counts."""
    from importlib.metadata import entry_points

    modules = {e.name: e.value.partition(":")[0] for e in entry_points(group="arb.providers")}
    if not modules:
        raise Skipped("no provider is installed")
    taken = {name: _samples(module, workbench.runs) for name, module in modules.items()}
    name = max(taken, key=lambda each: sorted(taken[each][0])[len(taken[each][0]) // 2])
    subject, yardstick = taken[name]
    return Measurement(subject, yardstick, f"{name}, of {', '.join(sorted(taken))}")


def _samples(module: str, runs: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return seconds of the module's import after the contract's, and those of the contract."""
    pairs = [_sample(module) for _ in range(runs + 1)][1:]
    return tuple(own for _, own in pairs), tuple(contract for contract, _ in pairs)


def _sample(module: str) -> tuple[float, float]:
    command = [sys.executable, "-c", _CODE, module]
    printed = subprocess.check_output(command, text=True, timeout=TIMEOUT_S)
    contract, own = map(float, printed.split())
    return contract, own


ROWS: Final = (
    Row(
        "plugin-import",
        "import of a provider's plugin.py after arb.hookspecs",
        Limit(Kind.TOTAL, 0.005),
        "import of arb.hookspecs itself",
        _import,
    ),
)
