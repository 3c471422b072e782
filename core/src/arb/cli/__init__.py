"""The command line. Importing it is light: command modules load when they run."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from typing import Final

__all__ = ["main"]

_GARBAGE_WORTH_LOOKING: Final = 50_000
"""Objects; what a start imports lives to the end, and searching it takes 4 % of an exec."""

_INTERRUPTED: Final = 130


def main() -> None:
    """Run the process's own arguments and exit."""
    _open_closed_streams()
    gc.set_threshold(_GARBAGE_WORTH_LOOKING)
    if (
        not sys.warnoptions
    ):  # libraries warn their programmers, and plugins import them side by side
        warnings.simplefilter("ignore")
    try:
        from arb.cli.app import main as run

        run()
    except KeyboardInterrupt:  # while it was still being imported, or while it was ending
        sys.exit(_INTERRUPTED)


def _open_closed_streams() -> None:
    """Put nothing in the place of standard streams that the process was started without.

    Else a print fails, and the next file that is opened, such as the database, is written into by
    whatever writes to stdout.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(
                os.devnull, os.O_RDWR
            )  # takes the lowest number, that of the stream
            setattr(sys, name, os.fdopen(descriptor, "w" if number else "r"))
