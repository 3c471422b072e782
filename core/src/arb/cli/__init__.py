"""The command line. Importing it is light: command modules load when they run."""

from __future__ import annotations

from arb.cli.app import main

__all__ = ["main"]
