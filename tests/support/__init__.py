"""What several test suites share. Imported as ``support``: see pythonpath in pyproject.toml."""

from __future__ import annotations
