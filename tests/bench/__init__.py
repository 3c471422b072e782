"""What "fast" means, measured: every row with its yardstick from the same run."""

from __future__ import annotations
