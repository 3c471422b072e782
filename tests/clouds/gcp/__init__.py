"""A simulated Google Cloud: ``python -m clouds.gcp``."""

from __future__ import annotations

from clouds.gcp.cloud import Gcp
from clouds.gcp.state import PROJECT, GcpSettings

__all__ = ["PROJECT", "Gcp", "GcpSettings"]
