"""The row of a real cloud's whole catalog: every instance type in every zone, spot by zone."""

from __future__ import annotations

import sqlite3
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .harness import Kind, Limit, Measurement, Row, Skipped
from .memory import peak_mb
from .timing import ARB, to_end

if TYPE_CHECKING:
    from .workbench import Home, Workbench

__all__ = ["ROWS"]

_BUDGET_S: Final = 90.0
"""Of the provider's own ``arb_catalog``."""
_TESTS: Final = str(Path(__file__).parents[1])
_OTHERS: Final = "gcp,lambda,local,spheron,ssh"


def _refresh(workbench: Workbench) -> Measurement:
    """Read everything once with nothing kept, then again as every hour does.

    The simulated server takes most of the time: it is one process on the same machine.
    """
    for package in ("moto", "arb_aws"):
        if find_spec(package) is None:
            raise Skipped(f"{package} is not installed")
    home, regions = _home(workbench)
    command = [*ARB, "refresh", "aws"]
    first = to_end(command, home.env)
    again = tuple(to_end(command, home.env) for _ in range(workbench.runs))
    file = home.arb / "cache" / "catalog.db"
    with sqlite3.connect(file) as catalog:
        (rows,) = catalog.execute("select count(*) from offers").fetchone()
    catalog.close()
    listing = [to_end([*ARB, *words], home.env) for words in (("gpus",), ("gpus", "H100:8"))]
    plan = to_end([*ARB, "plan", "--gpus", "H100:8"], home.env)
    megabytes, most = file.stat().st_size / 1e6, peak_mb(command, home.env)
    took = (
        f"the first reading took {first:.1f} s; {most:.0f} MB at most; a file of {megabytes:.0f} MB"
    )
    others = f"`arb gpus` {listing[0]:.2f} s, `arb gpus H100:8` {listing[1]:.2f} s"
    return Measurement(
        again,
        (first,),
        f"{rows:,} offers of {regions} regions",
        notes=(took, f"with it {others}, `arb plan` {plan:.2f} s"),
    )


def _home(workbench: Workbench) -> tuple[Home, int]:
    """Return a home of a customer of a simulated AWS of real size, and how many regions that has."""
    if _TESTS not in sys.path:
        sys.path.insert(0, _TESTS)
    from clouds.aws import OWN_KEY, SECRET
    from clouds.remote import CloudProcess

    cloud = CloudProcess("clouds.aws", workbench.folder / "aws")
    workbench.exits.callback(cloud.close)
    regions = cloud.sell_everything()
    key = {"AWS_ACCESS_KEY_ID": OWN_KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    alone = {"AWS_EC2_METADATA_DISABLED": "true", "ARB_DISABLE_PROVIDERS": _OTHERS}
    home = workbench.home("realsize", AWS_ENDPOINT_URL=cloud.url, **key, **alone)
    return home, len(regions)


ROWS: Final = (
    Row(
        "refresh-aws",
        "`arb refresh` of the simulated AWS at real size, read an hour ago",
        Limit(Kind.TOTAL, _BUDGET_S),
        "the first reading, nothing kept",
        _refresh,
    ),
)
