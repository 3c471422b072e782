"""The Google Cloud provider of ``arb``."""

from __future__ import annotations
