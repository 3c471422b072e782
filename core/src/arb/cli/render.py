"""The only place that prints. Data goes to stdout, everything else to stderr."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, Final, TextIO

from arb.cli.layout import GAP, as_records, folded_row, whole_width, widths_within
from arb.text import age, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.errors import ArbError

__all__ = [
    "age",
    "confirm",
    "error",
    "hint",
    "interrupted",
    "json_document",
    "line",
    "money",
    "note",
    "number",
    "raw",
    "table",
    "warn",
]

_ROOM_FOR_TABLES: Final = 72
"""Columns of a terminal on which a row that runs over is still easier to compare than a list."""
_BOLD, _DIM, _RED, _YELLOW, _RESET = "\033[1m", "\033[2m", "\033[31m", "\033[33m", "\033[0m"


def line(text: str) -> None:
    """Print one line of data."""
    print(printable(text), flush=True)  # noqa: T201 - this is the place


def raw(data: bytes, *, to_stderr: bool = False) -> None:
    """Write a job's own bytes, unchanged."""
    stream = sys.stderr if to_stderr else sys.stdout
    stream.flush()
    stream.buffer.write(data)
    stream.buffer.flush()


def json_document(document: Any) -> None:
    """Print one JSON document."""
    line(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: str = "",
    notes: Sequence[Sequence[str]] = (),
    to_stderr: bool = False,
) -> None:
    """Print rows under a header, columns aligned.

    On a terminal that is too narrow texts fold; where that is not enough each row is a list.

    Args:
        columns: Header texts.
        rows: One text a column.
        right: Headers of right-aligned columns, separated by commas.
        notes: For each row texts that stand under it, folded to the width of a terminal; a pipe gets whole lines.
        to_stderr: The table accompanies data instead of being it.
    """
    stream = sys.stderr if to_stderr else sys.stdout
    room = _width() if stream.isatty() else 0
    numeric = set(right.split(","))
    lines = [[_cell(text) for text in row] for row in (columns, *rows)]
    texts = [number for number, name in enumerate(columns) if name not in numeric]
    widths = widths_within(lines, room, foldable=texts)
    if is_list := 0 < room < min(whole_width(widths), _ROOM_FOR_TABLES):
        blocks = list(as_records(lines, room))
    else:
        head, *blocks = [_aligned(row, columns, widths, numeric) for row in lines]
        print(*(_styled(text, _BOLD, stream) for text in head), sep="\n", file=stream)
    for number, block in enumerate(blocks):
        print(*block, sep="\n", file=stream)
        for told in map(printable, notes[number] if notes else ()):
            print(_folded(told) if room else f"    {told}", file=stream)
        if is_list:
            print(file=stream)
    stream.flush()


def _aligned(
    row: Sequence[str], columns: Sequence[str], widths: Sequence[int], numeric: set[str]
) -> list[str]:
    """Return the lines that a row takes, its cells under their headers."""
    return [
        (" " * GAP)
        .join(
            text.rjust(width) if name in numeric else text.ljust(width)
            for name, text, width in zip(columns, cells, widths, strict=True)
        )
        .rstrip()
        for cells in folded_row(row, widths)
    ]


def _cell(text: str) -> str:
    """Return a text that takes one line of a table."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _width() -> int:
    """Return the width of the terminal."""
    import shutil

    return max(40, shutil.get_terminal_size((100, 24)).columns)


def _folded(text: str) -> str:
    import textwrap

    return textwrap.fill(
        text,
        _width(),
        initial_indent="    ",
        subsequent_indent="      ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def note(text: str) -> None:
    """Tell something that is not data."""
    _stderr(printable(text))


def warn(text: str) -> None:
    """Tell something that should not be missed."""
    _stderr(f"{_styled('warning:', _YELLOW, sys.stderr)} {printable(text)}")


def hint(text: str) -> None:
    """Tell what can be done next."""
    _stderr(_styled(printable(text), _DIM, sys.stderr))


def error(failure: ArbError, *, as_json: bool) -> None:
    """Show an error's summary and hint; with ``as_json`` a document on stdout."""
    if as_json:
        json_document({"error": failure.to_dict()})
        return
    _stderr(f"{_styled('error:', _RED, sys.stderr)} {printable(failure.summary)}")
    _advise(failure)


def interrupted(stop: ArbError, *, as_json: bool) -> None:
    """Tell what Ctrl-C left and how to go on; with ``as_json`` a document as of an error."""
    if as_json:
        error(stop, as_json=True)
        return
    note(stop.summary)
    _advise(stop)


def _advise(failure: ArbError) -> None:
    for text in failure.hint.split("\n") if failure.hint else ():
        hint(f"  {text}")


def confirm(question: str, *, yes: bool) -> bool:
    """Ask before money is spent; without a terminal only ``--yes`` agrees."""
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        from arb.errors import UsageError

        summary = f"{question}: nobody is there to answer"
        raise UsageError(summary, code="needs-yes", hint="pass --yes to agree")
    sys.stderr.write(f"{printable(question)} [y/N] ")
    sys.stderr.flush()
    answer = ""
    try:
        answer = sys.stdin.readline()
    finally:
        if not answer.endswith("\n"):  # Ctrl-C or Ctrl-D: what follows begins on a line of its own
            _stderr("")
    return answer.strip().lower() in {"y", "yes"}


def money(usd: float) -> str:
    """Return dollars with cents; below a dollar with four digits."""
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}"


def number(value: float) -> str:
    """Return a count without a useless ``.0``."""
    return f"{value:g}"


def _stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is the place


def _styled(text: str, style: str, stream: TextIO) -> str:
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb" or not stream.isatty()
    return text if plain else f"{style}{text}{_RESET}"
