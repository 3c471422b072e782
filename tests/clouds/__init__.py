"""Simulated clouds: servers that behave as the real APIs do, over real SSH machines.

Every cloud stands on the same base (``cloud.Cloud``), which tests control in one way, from Python
or over HTTP, and keeps one ledger of everything that was ever made. See README.md.
"""

from __future__ import annotations
