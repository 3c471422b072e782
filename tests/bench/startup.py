"""Commands that only read, against a bare typer program."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from support.postgres import PostgresServer, find_binaries
from tests.bench.rows import Row, alternately, run_s

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.bench.world import World

HELLO = '''\
import typer

app = typer.Typer()


@app.command()
def hello(name: str = "you") -> None:
    """Greet somebody."""
    print(f"hello {name}")


app()
'''
IMPORT_MS = """\
import time
import arb.hookspecs
begun = time.perf_counter()
import arb_local.plugin
print((time.perf_counter() - begun) * 1000)
"""


def rows(world: World) -> Iterator[Row]:
    """Yield the rows of start-up."""
    hello = world.root / "hello.py"
    hello.write_text(HELLO)
    yield help_row(world, hello)
    yield from reading_rows(world, hello, dict(world.env), 1.6, "SQLite")
    if binaries := find_binaries():
        server = PostgresServer(binaries)
        try:
            key = base64.urlsafe_b64encode(os.urandom(32)).decode()
            shared = {"ARB_DATABASE_URL": server.new_database(), "ARB_VAULT_KEY": key}
            env = {**world.env, **shared}
            yield from reading_rows(world, hello, env, 2.6, "PostgreSQL")
        finally:
            server.stop()
    yield import_row()


def help_row(world: World, hello: Path) -> Row:
    """Compare ``arb --help`` with a bare program's."""
    ours, bare = alternately(
        lambda: run_s([world.arb, "--help"], world.env),
        lambda: run_s([sys.executable, hello, "--help"], world.env),
        runs=15,
    )
    detail = f"{ours * 1000:.0f} ms against {bare * 1000:.0f} ms of a typer hello --help"
    return Row("arb --help", ours / bare, 1.25, "x", detail)


def reading_rows(
    world: World, hello: Path, env: dict[str, str], limit: float, store: str
) -> Iterator[Row]:
    """Compare ``status`` and ``cost`` with a bare program that runs; one cluster is up."""
    run_s([world.arb, "launch", "-y", "-c", "warm", "--infra", "local", "true"], env)
    for command in ("status", "cost"):
        ours, bare = alternately(
            lambda command=command: run_s([world.arb, command], env),
            lambda: run_s([sys.executable, hello], env),
            runs=15,
        )
        detail = f"{ours * 1000:.0f} ms against {bare * 1000:.0f} ms of a typer hello"
        yield Row(f"arb {command}, {store}", ours / bare, limit, "x", detail)
    run_s([world.arb, "down", "-y", "warm"], env)


def import_row() -> Row:
    """Time the import of a provider once the contract is there."""

    def taken_s() -> float:
        output = subprocess.check_output([sys.executable, "-c", IMPORT_MS], text=True)
        return float(output) / 1000

    (taken,) = alternately(taken_s, runs=15)
    return Row("import arb_local.plugin", taken * 1000, 5, "ms", "over arb.hookspecs")
