"""The root group: names first, modules later."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from arb.cli.commands import COMMANDS
from arb.errors import ArbError, StateError

if TYPE_CHECKING:
    from arb.plugins.table import PluginEntry

__all__ = ["Interrupted", "LazyGroup", "plugin_commands"]


class Interrupted(ArbError):
    """Ctrl-C, and what it left. The parser would turn it into an exit without a word."""

    exit_code = 130


class LazyGroup(TyperGroup):
    """Commands of the core and of the entry-point group ``arb.commands``, loaded when run.

    A plugin cannot replace a command of the core.
    """

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - click's signature
        """Return every command's name without importing any."""
        return [*COMMANDS, *(name for name in plugin_commands() if name not in COMMANDS)]

    def invoke(self, ctx: Any) -> Any:
        """Run the command.

        Raises:
            Interrupted: Ctrl-C was pressed.
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Interrupted("interrupted", code="interrupted") from error

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - click's signature
        """Import one command."""
        if entry := COMMANDS.get(cmd_name):
            module = importlib.import_module(f"arb.cli.{entry.module}")
            return _as_command(module.app, cmd_name, entry.help)
        if plugin := _plugin_commands().get(cmd_name):
            from arb.plugins.loading import load_command

            return _as_command(load_command(plugin), cmd_name, plugin.summary)
        return None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command, or fail with the closest name."""
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None and not ctx.resilient_parsing and not name.startswith("-"):
            from arb.cli.usage import unknown_command

            error = unknown_command(name, self.list_commands(ctx))
            if os.environ.get("ARB_NO_PLUGINS"):
                error.hint += "; those of plugins are switched off"
            raise error
        return name if command else None, command, args[1:]

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - click's signature
        """Write the commands by section, from their help lines alone."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, entry in COMMANDS.items():
            sections.setdefault(entry.section, []).append((name, entry.help))
        for name, plugin in plugin_commands().items():
            if name not in COMMANDS:
                sections.setdefault("Plugins", []).append((name, plugin.summary))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)


def _as_command(app: typer.Typer, name: str, summary: str) -> Any:
    app.rich_markup_mode = None
    app._add_completion = False  # noqa: SLF001 - typer has no public switch after construction
    command = typer.main.get_command(app)
    command.name = name
    if not command.help:
        command.help = summary
    return command


def plugin_commands() -> dict[str, PluginEntry]:
    """Return the commands of plugins by name; help must work also where ``ARB_HOME`` does not."""
    try:
        return _plugin_commands()
    except StateError:
        return {}


def _plugin_commands() -> dict[str, PluginEntry]:
    if os.environ.get("ARB_NO_PLUGINS"):
        return {}
    from arb.home import Home
    from arb.plugins.table import PluginTable

    table = PluginTable.load(Home.from_env(os.environ).folder("cache"))
    return {entry.name: entry for entry in table.entries("arb.commands")}
