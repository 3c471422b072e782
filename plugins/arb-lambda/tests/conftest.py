"""Customers of the simulated Lambda."""

from __future__ import annotations

import pytest
from clouds.fixtures import *  # noqa: F403 - fixtures are used by name
from clouds.lambda_cloud.customer import Customer


@pytest.fixture
def account(paper_lambda, tmp_path):
    return Customer(paper_lambda, tmp_path / "mine")


@pytest.fixture
def anybody(paper_lambda, tmp_path):
    """Somebody without a key."""
    return Customer(paper_lambda, tmp_path / "anybody", key="")
