"""A simulated Spheron AI: ``python -m clouds.spheron``."""

from __future__ import annotations

from clouds.spheron.cloud import Spheron
from clouds.spheron.settings import KEY, OTHER_KEY, SpheronSettings

__all__ = ["KEY", "OTHER_KEY", "Spheron", "SpheronSettings"]
