"""Rows of ``arb plan`` over a large catalog, in a process of its own each time."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Final

from .harness import Kind, Limit, Measurement, Row, interleave
from .market import PROVIDERS, market_of
from .memory import memory_note
from .timing import ARB, to_end

if TYPE_CHECKING:
    from .workbench import Home, Workbench

__all__ = ["ROWS"]

_OFFERS: Final = 100_000
_PANDAS: Final = "a typer command of one file that imports pandas"

_HELLO: Final = '''
import typer

app = typer.Typer(rich_markup_mode=None)


@app.command()
def hello(name: str = "world") -> None:
    """Say hello."""
    import pandas

    print(f"hello {name} {pandas.__version__}")


app()
'''


def _home(workbench: Workbench) -> Home:
    """Return the home of both rows: its catalog takes a while to write."""
    if "plan-home" not in vars(workbench):
        made = market_of(workbench).home(workbench, "plan", _OFFERS)
        vars(workbench)["plan-home"] = made
    home: Home = vars(workbench)["plan-home"]
    return home


def _plan(workbench: Workbench, *arguments: str) -> Measurement:
    home = _home(workbench)
    hello = workbench.folder / "hello_pandas.py"
    hello.write_text(_HELLO)
    subject = [*ARB, "plan", *arguments]
    yardstick = [sys.executable, str(hello)]
    taken = interleave(
        partial(to_end, subject, home.env), partial(to_end, yardstick, home.env), workbench.runs
    )
    notes = (memory_note((subject, home.env), (yardstick, home.env)),)
    return Measurement(*taken, f"{_OFFERS:,} offers of {PROVIDERS} providers", notes=notes)


def _eight_h100(workbench: Workbench) -> Measurement:
    return _plan(workbench, "--gpus", "H100:8")


def _any_gpu(workbench: Workbench) -> Measurement:
    return _plan(workbench, "--gpus", "1GB+:1+")


ROWS: Final = (
    Row(
        "plan",
        f"`arb plan` H100:8 over {_OFFERS:,} offers, cold process",
        Limit(Kind.RATIO, 1.7),
        _PANDAS,
        _eight_h100,
    ),
    Row(
        "plan-any",
        f"`arb plan` any GPU over {_OFFERS:,} offers, cold process",
        Limit(Kind.RATIO, 3.0),
        _PANDAS,
        _any_gpu,
    ),
)
