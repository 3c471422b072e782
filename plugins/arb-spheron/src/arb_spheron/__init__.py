"""The Spheron provider of ``arb``."""

from __future__ import annotations
