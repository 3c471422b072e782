"""What plugin authors test with. Public; its names change as the hook API does."""

from __future__ import annotations

from arb.testing.clock import FakeClock

__all__ = ["FakeClock"]
