"""``python -m tests.bench [PART...]``: print the table; fail when a row is over its limit."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # tests/support, as pytest does

from tests.bench import clusters, startup
from tests.bench.world import World

PARTS = {"startup": startup.rows, "clusters": clusters.rows}


def main(wanted: list[str]) -> int:
    """Measure the parts asked for, or all; return an exit code."""
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; medians", flush=True)
    print(f"{'what':<46}{'measured':>12}{'at most':>10}  yardstick")
    kept = True
    with World() as world:
        for name in wanted or PARTS:
            for row in PARTS[name](world):
                mark = "" if row.is_kept else "  OVER"
                value, limit = f"{row.value:.2f} {row.unit}", f"{row.limit:g} {row.unit}"
                print(f"{row.what:<46}{value:>12}{limit:>10}  {row.detail}{mark}", flush=True)
                kept = kept and row.is_kept
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
