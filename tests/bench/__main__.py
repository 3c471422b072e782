"""``python -m tests.bench [--only NAME ...] [--runs N] [--json]``.

The exit code is 0 when every row that was measured is inside its limit, 1 when one is not, 2 for
a wrong command line.
"""

from __future__ import annotations

import argparse
import json
import sys

from . import table
from .harness import LEAST_RUNS, Verdict, measure
from .rows import ROWS
from .workbench import Workbench


def main(arguments: list[str]) -> int:
    """Measure, print, and return the exit code."""
    names = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument("--runs", type=int, default=7, help=f"samples a row, {LEAST_RUNS} or more")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    chosen = parser.parse_args(arguments)
    if chosen.runs < 1:
        parser.error("--runs must be 1 or more")
    results = []
    with Workbench(chosen.runs) as workbench:
        for row in ROWS:
            if chosen.only and row.name not in chosen.only:
                continue
            print(f"measuring {row.name} ...", file=sys.stderr, flush=True)
            results.append(measure(row, workbench))
    print(json.dumps(table.document(results), indent=2) if chosen.json else table.text(results))
    return int(any(result.verdict in {Verdict.OUTSIDE, Verdict.FAILED} for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
