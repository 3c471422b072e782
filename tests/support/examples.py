"""How many examples the properties are tried with."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings

__all__ = ["examples"]

_ALL = os.environ.get("ARB_TEST_EXAMPLES") == "all"
"""The slow tests want all; else a quarter is tried, every time other ones."""


def examples(most: int = 100, **more: Any) -> settings:
    """Return settings for a property.

    A checkout may be read-only and a loaded machine slow: there is no database and no deadline.

    Args:
        most: So many examples when all are tried.
        more: Of ``hypothesis.settings``.
    """
    count = most if _ALL else max(10, most // 4)
    return settings(max_examples=count, database=None, deadline=None, **more)
