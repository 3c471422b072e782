"""``python -m arb``."""

from __future__ import annotations

from arb.cli import main

main()
