"""Write the pages of ``docs`` that say what the code says: hooks and commands.

``python tools/generate_docs.py`` writes them; with ``--check`` it only names those that are out of
date and fails, which a test does.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).resolve().parent.parent / "docs"
SECTIONS = {
    "Args:": "Arguments",
    "Attributes:": "Attributes",
    "Returns:": "Returns",
    "Raises:": "Raises",
}
ITEMISED = {"Arguments", "Attributes", "Raises"}
COMMON = """\
Data goes to stdout, everything else to stderr. `--json` prints one JSON document. Exit codes: 0 done,
1 failed, 2 usage, 3 no offer, 4 credentials, 130 interrupted; commands that return a task's exit code
use 125 when arb itself failed.

`arb --install-completion` lets bash, zsh, fish and PowerShell complete commands and options, and names
of clusters, jobs, providers, accelerators and settings."""
CHECKS = """\
Every check of `arb.testing.ProviderContract`, in the order of the hooks, with the promise that it quotes
and what it needs of your `ContractCloud` (see [conformance.md](conformance.md)). Checks that buy need
`in_stock` and `machines` besides."""
TABLE_RULE = re.compile(r"^=+( +=+)+$")


def main(arguments: list[str]) -> int:
    """Write or check every page; return an exit code."""
    from tasks_page import tasks_page
    from types_page import types_page

    pages = {"hooks.md": hooks_page(), "cli.md": commands_page(), "checks.md": checks_page()}
    pages["tasks.md"] = tasks_page()
    pages["types.md"] = types_page(paragraphs)
    stale = [name for name, text in pages.items() if current(name) != text]
    for name in stale:
        if "--check" in arguments:
            print(f"docs/{name} is out of date: python3 dev.py docs")
        else:
            (DOCS / name).write_text(pages[name])
            print(f"wrote docs/{name}")
    return 1 if stale and "--check" in arguments else 0


def current(name: str) -> str:
    """Return the page as it is, empty when it is not there."""
    path = DOCS / name
    return path.read_text() if path.exists() else ""


def hooks_page() -> str:
    """Return the page of all hooks, from their specifications."""
    from arb import hookspecs

    intro = inspect.getdoc(hookspecs) or ""
    parts = ["# Hooks", *paragraphs(intro)]
    for module_name in hookspecs.SPEC_MODULES:
        module = importlib.import_module(f"arb.hookspecs.{module_name}")
        parts += [f"## {module_name.capitalize()}", *paragraphs(inspect.getdoc(module) or "")]
        for name, hook in vars(module).items():
            if name.startswith("arb_") and inspect.isfunction(hook):
                parts += hook_parts(name, hook)
    return "\n\n".join(parts) + "\n"


def hook_parts(name: str, hook: Any) -> list[str]:
    """Return heading, signature and documentation of one hook."""
    signature = f"```python\n{name}{inspect.signature(hook)}\n```".replace("'", "")
    return [f"### `{name}`", signature, *paragraphs(inspect.getdoc(hook) or "")]


def paragraphs(documentation: str) -> Iterator[str]:
    """Turn a docstring's blocks into Markdown blocks."""
    for block in blocks(documentation.splitlines()):
        title = SECTIONS.get(block[0].strip(), "")
        if title:
            yield f"**{title}**"
        body = textwrap.dedent("\n".join(block[1:] if title else block)).splitlines()
        if title in ITEMISED and is_list(body):
            yield "\n".join(f"* {item}" for item in folded(body))
        elif TABLE_RULE.match(body[0]):
            yield "\n".join(["```text", *body, "```"])
        elif body[0].endswith("::"):
            code = textwrap.dedent("\n".join(body[1:])).strip()
            yield f"{body[0][:-1]}\n\n```python\n{code}\n```"
        else:
            yield markdown("\n".join(body))


def blocks(lines: list[str]) -> Iterator[list[str]]:
    """Split at empty lines, but keep an example with the line that ends in two colons."""
    block: list[str] = []
    for line in [*lines, ""]:
        example = bool(block) and block[0].endswith("::") and (not line or line.startswith("    "))
        if line.strip() or (example and line is not lines[-1]):
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def is_list(lines: list[str]) -> bool:
    """Say whether the lines are ``name: text`` items with indented continuations."""
    return all(line.startswith("    ") or re.match(r"^[A-Za-z_, ]+: ", line) for line in lines)


def folded(lines: list[str]) -> Iterator[str]:
    """Join the continuations of each item."""
    item = ""
    for line in lines:
        if line.startswith("    "):
            item += " " + line.strip()
        else:
            if item:
                yield markdown(item)
            names, text = line.split(": ", 1)
            item = f"``{names}``: {text}" if names != "Nothing" else line
    yield markdown(item)


def markdown(text: str) -> str:
    """Turn reStructuredText literals into Markdown ones."""
    return text.replace("``", "`")


def commands_page() -> str:
    """Return the page of all commands of the core, from the command line's own definitions."""
    from arb.cli.commands import COMMANDS

    parts = ["# Commands", COMMON]
    for name, entry in COMMANDS.items():
        parts += [f"## arb {name}", *command_parts(f"arb {name}", load(entry.module))]
    return "\n\n".join(parts) + "\n"


def checks_page() -> str:
    """Return the page of the conformance suite's checks, from their docstrings."""
    from arb.testing import ProviderContract

    parts = ["# Checks of the conformance suite", CHECKS]
    for base in ProviderContract.__bases__:
        parts.append("## " + markdown((inspect.getdoc(base) or "").rstrip(".")))
        checks = [check for check in vars(base).values() if hasattr(check, "is_contract_check")]
        parts.append("\n".join(map(check_item, checks)))
    return "\n\n".join(parts) + "\n"


def check_item(check: Any) -> str:
    """Return one check as a list item: what it does, what it quotes, what it needs of the cloud."""
    what, *promises = blocks((inspect.getdoc(check) or "").splitlines())
    words = " ".join(line.strip() for block in promises for line in block)
    quoted = markdown(re.sub(r'" (?=``)', '"; ', words))
    used = re.findall(r"self\.cloud\.(\w+)\(", inspect.getsource(inspect.unwrap(check)))
    needs = ", ".join(f"`{name}`" for name in dict.fromkeys(used) if name != "advance")
    told = markdown(" ".join(what)) + (f" Needs {needs}." if needs else "")
    return f"* `{check.__name__}`: {told} {quoted}"


def load(module: str) -> Any:
    """Return the click command of one command module."""
    import typer

    return typer.main.get_command(importlib.import_module(f"arb.cli.{module}").app)


def command_parts(path: str, command: Any) -> list[str]:
    """Return usage, help and options of a command, and of its sub-commands."""
    subcommands = getattr(command, "commands", {})
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    words = [path, "[OPTIONS]", *(word_of(argument) for argument in arguments)]
    usage = " ".join([*words, "COMMAND"] if subcommands else words)
    parts = [f"```text\n{usage}\n```", inspect.cleandoc(command.help or "").replace("``", "`")]
    rows = [option_row(p) for p in command.params if is_documented(p)]
    if rows:
        parts.append("\n".join(["| option | meaning |", "|---|---|", *rows]))
    for name, subcommand in subcommands.items():
        parts += [f"### {path} {name}", *command_parts(f"{path} {name}", subcommand)]
    return [part for part in parts if part]


def word_of(argument: Any) -> str:
    """Return how usage lines write an argument."""
    word = argument.metavar or argument.name.upper()
    more = "..." if argument.nargs == -1 else ""
    return f"{word}{more}" if argument.required else f"[{word}]{more}"


def is_documented(parameter: Any) -> bool:
    """Leave out what every command has, and what is hidden."""
    return not getattr(parameter, "hidden", False) and parameter.name not in {
        "help",
        "install_completion",
        "show_completion",
    }


def option_row(parameter: Any) -> str:
    """Return one row of a command's table."""
    if parameter.param_type_name == "argument":
        names = parameter.metavar or parameter.name.upper()
    else:
        names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    text = " ".join((getattr(parameter, "help", "") or "").split())
    cells = [cell.replace("|", r"\|") for cell in (f"`{names}`", text)]
    return f"| {cells[0]} | {cells[1]} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
