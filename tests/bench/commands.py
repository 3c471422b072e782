"""Rows of commands that only read: help, status, cost."""

from __future__ import annotations

import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from .harness import Kind, Limit, Measurement, Row, Skipped, interleave
from .history import CLUSTERS, EVENTS, MACHINES, fill
from .timing import ARB, TIMEOUT_S, to_end

if TYPE_CHECKING:
    from collections.abc import Callable

    from .workbench import Home, Workbench

__all__ = ["HEAVY", "ROWS"]

HEAVY: Final = frozenset(
    {
        "asyncssh", "boto3", "cryptography", "google", "httpx", "numpy", "pandas", "paramiko",
        "requests", "rich", "sqlalchemy", "yaml",
    }
)  # fmt: skip
"""What a command that only reads must not import; pydantic is typer's own, see its yardstick."""

# The plugin table is not kept while an installation is so young: see arb.plugins.table.
FRESH_S = 2.5

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


def _against_typer(workbench: Workbench, home: Home, *arguments: str, size: str) -> Measurement:
    """Compare one command with a typer application of one file."""
    hello = workbench.folder / "hello.py"
    hello.write_text(_HELLO)
    own = ("--help",) if "--help" in arguments else ()
    subject, yardstick = interleave(
        partial(to_end, [*ARB, *arguments], home.env),
        partial(to_end, [sys.executable, str(hello), *own], home.env),
        workbench.runs,
    )
    return Measurement(subject, yardstick, size, faults=_heavy(home, arguments))


def _heavy(home: Home, arguments: tuple[str, ...]) -> tuple[str, ...]:
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
    return _against_typer(workbench, home, "--help", size=f"{len(plugins)} entry points")


def _reading(command: str) -> Callable[[Workbench], Measurement]:
    def measure(workbench: Workbench) -> Measurement:
        home = workbench.home(command)
        home.arb.mkdir(mode=0o700)
        fill(f"sqlite:///{home.arb}/state.db")
        return _against_typer(workbench, home, command, size=_SIZE)

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
            return _against_typer(workbench, home, command, size=_SIZE)

    return measure


_TYPER: Final = "a typer command of one file that runs"

ROWS: Final = (
    Row(
        "help",
        "`arb --help`, all plugins installed; nothing heavy imported",
        Limit(Kind.RATIO, 1.25),
        "--help of a typer command of one file, rich switched off",
        _help,
    ),
    *(
        Row(name, f"`arb {name}`, warm", Limit(Kind.RATIO, 1.6), _TYPER, _reading(name))
        for name in ("status", "cost")
    ),
    *(
        Row(
            f"{name}-postgresql",
            f"`arb {name}` on a PostgreSQL server here",
            Limit(Kind.RATIO, 2.6),
            _TYPER,
            _reading_postgres(name),
        )
        for name in ("status", "cost")
    ),
)
