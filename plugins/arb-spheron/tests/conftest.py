"""Customers of the simulated Spheron."""

from __future__ import annotations

import pytest
from clouds.fixtures import *  # noqa: F403 - fixtures are used by name
from clouds.spheron.customer import Account


@pytest.fixture
def account(paper_spheron, tmp_path):
    return Account(paper_spheron, tmp_path / "mine")


@pytest.fixture
def anybody(paper_spheron, tmp_path):
    """Somebody without a key."""
    return Account(paper_spheron, tmp_path / "anybody", key="")
