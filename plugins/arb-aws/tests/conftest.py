"""Customers of the simulated AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from clouds.aws.customer import Customer
from clouds.fixtures import *  # noqa: F403 - fixtures are used by name

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def _quick_clients() -> Iterator[None]:
    """Let botocore prepare the methods of a service once; for EC2 that are 700 for each client.

    They depend on the service's description alone. Thousands of clients are made here.
    """
    creator = pytest.importorskip("botocore.client").ClientCreator
    make, load = creator._create_methods, creator._load_service_model
    methods, models = {}, {}

    def create_methods(self, model):
        if model.service_name not in methods:
            methods[model.service_name] = make(self, model)
        return dict(methods[model.service_name])  # what a client adds is its own

    def load_model(self, name, api_version=None):
        if (name, api_version) not in models:
            models[name, api_version] = load(self, name, api_version)
        return models[name, api_version]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(creator, "_create_methods", create_methods)
        patch.setattr(creator, "_load_service_model", load_model)
        yield


@pytest.fixture
def account(paper_aws, tmp_path):
    return Customer(paper_aws, tmp_path / "mine")


@pytest.fixture
def anybody(paper_aws, tmp_path):
    """Somebody without credentials."""
    return Customer(paper_aws, tmp_path / "anybody", key="")
