"""Rows of ``arb refresh``: real plugins in a folder of their own, one of which hangs."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from .commands import FRESH_S
from .harness import Kind, Limit, Measurement, Row
from .memory import peak_mb
from .timing import ARB, to_end

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .workbench import Home, Workbench

__all__ = ["ROWS"]

_DEADLINE_S: Final = 2.0
_OFFERS: Final = 5_000
_MANY, _SELLERS = 1_000_000, 20
_SOME_FAILED: Final = 1

# Reading a pickle stands for the network: what is measured is ours.
_PLUGIN: Final = """
import time
from pathlib import Path

from arb.hookspecs import hookimpl
from arb.types import Capability, Catalog, CheckResult, CheckStatus, Listing, ProviderInfo
from arb.types import ProvisionResult, SshEndpoint, Termination

ARB_API = 1


@hookimpl
def arb_provider_info():
    budgets = {{"arb_catalog": {budget_s}}}
    return ProviderInfo("A seller", frozenset({{Capability.ON_DEMAND}}), hook_budgets_s=budgets)


@hookimpl
def arb_check(context):
    return CheckResult(CheckStatus.OK, "fine")


@hookimpl
def arb_catalog(context):
    import pandas as pd

    time.sleep({sleep_s})
    frame = pd.read_pickle(Path(__file__).with_suffix(".pickle"))
    return Catalog(frame, "live", context.clock.now())


@hookimpl
def arb_provision(context, request):
    return ProvisionResult(())


@hookimpl
def arb_list_instances(context, query):
    return Listing((), frozenset({{"*"}}))


@hookimpl
def arb_terminate(context, instance):
    return Termination.GONE


@hookimpl
def arb_ssh_ports(context, instance):
    return SshEndpoint("192.0.2.1")
"""


def _install(folder: Path, sellers: Iterable[tuple[str, int]], *, hangs: str = "") -> None:
    """Put plugins into a folder as pip would; each sells so many offers."""
    from tests.support.catalogs import make_frame

    for name, offers in sellers:
        info = folder / f"arb_{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: arb-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[arb.providers]\n{name} = arb_{name}\n")
        told = {"sleep_s": 600, "budget_s": _DEADLINE_S} if name == hangs else {}
        source = _PLUGIN.format(**{"sleep_s": 0, "budget_s": 60, **told})
        (folder / f"arb_{name}.py").write_text(source)
        make_frame(name, offers).to_pickle(folder / f"arb_{name}.pickle")


def _home(workbench: Workbench, name: str, folder: Path) -> Home:
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return workbench.home(name, PYTHONPATH=path, ARB_DISABLE_PROVIDERS="local")


def _refresh(workbench: Workbench) -> Measurement:
    from tests.support.catalogs import provider_names

    names = provider_names(4)
    folder = workbench.folder / "sellers"
    _install(folder, [(name, _OFFERS) for name in names], hangs=names[-1])
    home = _home(workbench, "refresh", folder)
    time.sleep(FRESH_S)
    take = partial(to_end, [*ARB, "refresh"], home.env, code=_SOME_FAILED)
    take()
    return Measurement(
        tuple(take() for _ in range(workbench.runs)),
        (_DEADLINE_S,) * workbench.runs,
        f"{4 * _OFFERS:,} offers, 4 providers, one hung",
        notes=(_large(workbench),),
    )


def _large(workbench: Workbench) -> str:
    """Return what reading a very large catalog takes."""
    from tests.support.catalogs import provider_names

    folder = workbench.folder / "large-sellers"
    share = _MANY // _SELLERS
    _install(folder, [(name, share) for name in provider_names(_SELLERS)])
    home = _home(workbench, "refresh-large", folder)
    command = [*ARB, "refresh"]
    all_s, all_mb = to_end(command, home.env), peak_mb(command, home.env)
    one = [*command, provider_names(1)[0]]
    one_s, one_mb = to_end(one, home.env), peak_mb(one, home.env)
    megabytes = (home.arb / "cache" / "catalog.db").stat().st_size / 1e6
    return (
        f"{_MANY:,} offers of {_SELLERS} providers: all read in {all_s:.1f} s with {all_mb:.0f} MB at "
        f"most, one of them in {one_s:.1f} s with {one_mb:.0f} MB; a file of {megabytes:.0f} MB"
    )


ROWS: Final = (
    Row(
        "refresh",
        "`arb refresh`, four providers, one hung",
        Limit(Kind.EXTRA, 1.0),
        "the hung one's deadline",
        _refresh,
    ),
)
