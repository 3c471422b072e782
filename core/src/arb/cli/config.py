"""``arb config``."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arb.cli import render
from arb.cli.options import Json
from arb.errors import UsageError

if TYPE_CHECKING:
    from arb.home import Home

app = typer.Typer(invoke_without_command=True)


@app.callback()
def config(ctx: typer.Context, as_json: Json = False) -> None:
    """Show or change settings."""
    if ctx.invoked_subcommand is None:
        show(as_json=as_json)


@app.command()
def show(as_json: Json = False) -> None:
    """Show all settings and where they come from."""
    from arb.config import KEYS, read_config

    home = _home()
    values = asdict(read_config(home.config_file))
    if as_json:
        render.json_document({"file": str(home.config_file), "settings": values})
        return
    rows = [(name, _text(values[name]), KEYS[name][1]) for name in KEYS]
    render.table(("setting", "value", "meaning"), rows)
    render.hint(f"file: {home.config_file}")


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="For example provider_options.local.room.")],
    as_json: Json = False,
) -> None:
    """Print one setting."""
    from arb.config import read_config

    value: Any = asdict(read_config(_home().config_file))
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            raise UsageError(f"{name} is not set", code="config-unset")
        value = value[part]
    if as_json:
        render.json_document({name: value})
    else:
        render.line(_text(value))


@app.command("set")
def set_(
    name: Annotated[str, typer.Argument(help="For example default_infra.")],
    value: Annotated[str, typer.Argument(help="A YAML value; empty removes the setting.")],
    as_json: Json = False,
) -> None:
    """Change one setting."""
    from arb.config import write_value

    stored = write_value(_home().config_file, name, value)
    if as_json:
        render.json_document({name: stored})
    else:
        render.note(f"{name} is {_text(stored)}")


@app.command()
def path(as_json: Json = False) -> None:
    """Print the path of the settings file."""
    file = str(_home().config_file)
    if as_json:
        render.json_document({"file": file})
    else:
        render.line(file)


def _home() -> Home:
    from arb.home import Home

    return Home.from_env(os.environ)


def _text(value: Any) -> str:
    if value in (None, "", (), [], {}):
        return "-"
    if isinstance(value, str):
        return value
    import json

    return json.dumps(value, default=str)
