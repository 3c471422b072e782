"""Customers of the simulated Google."""

from __future__ import annotations

import pytest
from clouds.fixtures import *  # noqa: F403 - fixtures are used by name
from clouds.gcp.customer import Customer


@pytest.fixture
def account(paper_gcp, tmp_path):
    return Customer(paper_gcp, tmp_path / "mine")


@pytest.fixture
def anybody(paper_gcp, tmp_path):
    """Somebody without credentials."""
    return Customer(paper_gcp, tmp_path / "anybody", key="")
