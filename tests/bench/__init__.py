"""The benchmarks: every speed claim of the design, measured beside its yardstick in one run.

``python -m tests.bench`` in the workspace's folder, or ``nox -s bench``.
"""

from __future__ import annotations
