"""``arb config``."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arb.cli import render
from arb.cli.completion import complete_setting
from arb.cli.options import Json
from arb.errors import UsageError, closest

if TYPE_CHECKING:
    from arb.home import Home

app = typer.Typer(invoke_without_command=True)

_Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="For example default_infra, or provider_options.local.room.",
        autocompletion=complete_setting,
    ),
]


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
def get(name: _Name, as_json: Json = False) -> None:
    """Print one setting."""
    from arb.config import KEYS, read_config

    value: Any = asdict(read_config(_home().config_file))
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            known = name.split(".", maxsplit=1)[0] in KEYS
            text = f"{name} is not set" if known else closest(name, KEYS, what="setting")
            raise UsageError(text, code="config-unset")
        value = value[part]
    if as_json:
        render.json_document({name: value})
    else:
        render.line(_text(value))


@app.command("set")
def set_(
    name: _Name,
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="A YAML value; empty removes the setting.")
    ],
    as_json: Json = False,
) -> None:
    """Change one setting.

    What a provider's plugin does not know is refused at once, without asking the provider.
    """
    from arb.cli.progress import PlainProgress
    from arb.clusters.session import Session
    from arb.clusters.settings import check_setting
    from arb.config import parse_value, write_value

    with Session(progress=PlainProgress(), only_looks=True) as session:
        check_setting(session, name, parse_value(name, value))
    stored = write_value(_home().config_file, name, value)
    if as_json:
        render.json_document({name: stored})
    else:
        render.note(f"{name} is {_text(stored)}")


@app.command()
def unset(name: _Name, as_json: Json = False) -> None:
    """Remove one setting, so that its default counts again."""
    from arb.config import remove_value

    was_set = remove_value(_home().config_file, name)
    if as_json:
        render.json_document({name: None})
    else:
        render.note(f"{name} is not set any more" if was_set else f"{name} was not set")


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
