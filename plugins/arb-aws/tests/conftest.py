"""Customers of the simulated AWS."""

from __future__ import annotations

import pytest
from clouds.aws.customer import Customer
from clouds.fixtures import *  # noqa: F403 - fixtures are used by name


@pytest.fixture
def account(paper_aws, tmp_path):
    return Customer(paper_aws, tmp_path / "mine")


@pytest.fixture
def anybody(paper_aws, tmp_path):
    """Somebody without credentials."""
    return Customer(paper_aws, tmp_path / "anybody", key="")
