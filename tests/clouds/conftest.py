"""Fixtures of the simulated clouds for their own tests."""

from __future__ import annotations

from clouds.fixtures import *  # noqa: F403 - fixtures are used by name
