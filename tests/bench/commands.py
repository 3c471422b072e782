"""Rows of commands that only read: help, status, cost."""

from __future__ import annotations

import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from .harness import Kind, Limit, Measurement, Row, Skipped, interleave
from .history import CLUSTERS, EVENTS, MACHINES, fill
from .memory import memory_note
from .timing import ARB, TIMEOUT_S, to_end

if TYPE_CHECKING:
    from collections.abc import Callable

    from .workbench import Home, Workbench

__all__ = ["FRESH_S", "HEAVY", "ROWS", "TYPER", "against_typer", "heavy"]

HEAVY: Final = frozenset(
    {
        "asyncssh", "boto3", "cryptography", "google", "httpx", "numpy", "pandas", "paramiko",
        "requests", "rich", "sqlalchemy", "yaml",
    }
)  # fmt: skip
"""What a command that only reads must not import; pydantic is typer's own, see its yardstick."""

# The plugin table is not kept while an installation is so young: see arb.plugins.table.
FRESH_S: Final = 2.5

# Without typer's rich help, which alone takes longer than all of ours.
_HELLO: Final = '''
import typer

app = typer.Typer(rich_markup_mode=None)


@app.command()
def hello(name: str = "world") -> None:
    """Say hello."""
    print(f"hello {name}")


app()
'''
_SIZE: Final = f"{CLUSTERS} clusters, {MACHINES} machines, {EVENTS:,} events"


def against_typer(workbench: Workbench, home: Home, *arguments: str, size: str) -> Measurement:
    """Compare one command with a typer application of one file."""
    hello = workbench.folder / "hello.py"
    hello.write_text(_HELLO)
    own = ("--help",) if "--help" in arguments else ()
    ours, bare = [*ARB, *arguments], [sys.executable, str(hello), *own]
    subject, yardstick = interleave(
        partial(to_end, ours, home.env), partial(to_end, bare, home.env), workbench.runs
    )
    note = memory_note((ours, home.env), (bare, home.env))
    return Measurement(subject, yardstick, size, faults=heavy(home, arguments), notes=(note,))


def heavy(home: Home, arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a command imports against the rules."""
    code = (
        "import sys; from arb.cli.app import run; "
        f"code = run({list(arguments)!r}); print('\\nmodules:', *sys.modules); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=home.env, text=True, capture_output=True, check=True,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    names = {name.partition(".")[0] for name in done.stdout.rpartition("modules:")[2].split()}
    return tuple(f"imports {name}" for name in sorted(HEAVY & names))


def _help(workbench: Workbench) -> Measurement:
    from importlib.metadata import entry_points

    plugins = [e for group in ("arb.providers", "arb.commands") for e in entry_points(group=group)]
    home = workbench.home("help")
    time.sleep(FRESH_S)
    return against_typer(workbench, home, "--help", size=f"{len(plugins)} entry points")


def _reading(command: str) -> Callable[[Workbench], Measurement]:
    def measure(workbench: Workbench) -> Measurement:
        home = workbench.home(command)
        home.arb.mkdir(mode=0o700)
        fill(f"sqlite:///{home.arb}/state.db")
        return against_typer(workbench, home, command, size=_SIZE)

    return measure


def _reading_postgres(command: str) -> Callable[[Workbench], Measurement]:
    def measure(workbench: Workbench) -> Measurement:
        from tests.support.postgres import PostgresServer, find_binaries

        binaries = find_binaries()
        if binaries is None:
            raise Skipped("needs a PostgreSQL server (initdb, pg_ctl)")
        with PostgresServer(binaries) as server:
            url = server.new_database()
            fill(url)
            home = workbench.home(f"{command}-postgresql", ARB_DATABASE_URL=url)
            return against_typer(workbench, home, command, size=_SIZE)

    return measure


TYPER: Final = "a typer command of one file that runs"

ROWS: Final = (
    Row(
        "help",
        "`arb --help`, all plugins installed; nothing heavy imported",
        Limit(Kind.RATIO, 1.25),
        "--help of a typer command of one file, rich switched off",
        _help,
    ),
    *(
        Row(name, f"`arb {name}`, warm", Limit(Kind.RATIO, 1.6), TYPER, _reading(name))
        for name in ("status", "cost")
    ),
    *(
        Row(
            f"{name}-postgresql",
            f"`arb {name}` on a PostgreSQL server here",
            Limit(Kind.RATIO, 2.6),
            TYPER,
            _reading_postgres(name),
        )
        for name in ("status", "cost")
    ),
)
