"""One pytest fixture for each simulated cloud. Import those that a test wants in its conftest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from arb.testing import FakeClock
from clouds.aws import Aws
from clouds.clock import SharedClock
from clouds.gcp import Gcp
from clouds.http import CloudServer
from clouds.lambda_cloud import Lambda
from clouds.nodes import PaperNodes
from clouds.spheron import Spheron

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "aws",
    "gcp",
    "lambda_cloud",
    "paper_aws",
    "paper_gcp",
    "paper_lambda",
    "paper_spheron",
    "spheron",
]


@pytest.fixture
def spheron(tmp_path: Path) -> Iterator[Spheron]:
    """A simulated Spheron of real nodes; ``.url`` is where it is."""
    server = CloudServer(Spheron(tmp_path / "spheron"))
    yield server.cloud
    server.close()


@pytest.fixture
def paper_spheron(tmp_path: Path) -> Iterator[Spheron]:
    """The same, whose machines are on paper: nobody can log in. Sleeping on its clock costs no time."""
    clock = SharedClock(tmp_path / "clock", sleep_s=0)
    server = CloudServer(Spheron(tmp_path / "spheron", clock=clock, nodes=PaperNodes()))
    yield server.cloud
    server.close()


@pytest.fixture
def gcp(tmp_path: Path) -> Iterator[Gcp]:
    """A simulated Google Cloud of real nodes, whose answers are all as Google describes them."""
    yield from _gcp(CloudServer(Gcp(tmp_path / "gcp")))


@pytest.fixture
def paper_gcp(tmp_path: Path) -> Iterator[Gcp]:
    """The same on paper, where who sleeps lets time pass at once."""
    yield from _gcp(CloudServer(Gcp(tmp_path / "gcp", clock=FakeClock(), nodes=PaperNodes())))


def _gcp(server: CloudServer) -> Iterator[Gcp]:
    pytest.importorskip("googleapiclient", reason="its documents say what the API is")
    yield server.cloud
    server.close()
    assert server.cloud.untrue == []


@pytest.fixture
def lambda_cloud(tmp_path: Path) -> Iterator[Lambda]:
    """A simulated Lambda of real nodes; what others have in the account stays as it is."""
    yield from _lambda(CloudServer(Lambda(tmp_path / "lambda")))


@pytest.fixture
def paper_lambda(tmp_path: Path) -> Iterator[Lambda]:
    """The same on paper, where who sleeps lets time pass at once."""
    clock = SharedClock(tmp_path / "clock", sleep_s=0)
    yield from _lambda(CloudServer(Lambda(tmp_path / "lambda", clock=clock, nodes=PaperNodes())))


def _lambda(server: CloudServer) -> Iterator[Lambda]:
    yield server.cloud
    server.close()
    assert server.cloud.untrue == []
    assert server.cloud.changed_of_others() == []
    assert server.cloud.ledger().harmed() == []


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Aws]:
    """A simulated AWS of real nodes."""
    yield from _aws(CloudServer(Aws(tmp_path / "aws")))


@pytest.fixture
def paper_aws(tmp_path: Path) -> Iterator[Aws]:
    """The same on paper, where who sleeps lets time pass at once."""
    yield from _aws(CloudServer(Aws(tmp_path / "aws", clock=FakeClock(), nodes=PaperNodes())))


def _aws(server: CloudServer) -> Iterator[Aws]:
    pytest.importorskip("moto", reason="the simulated AWS stands on it")
    yield server.cloud
    server.close()
    assert server.cloud.ledger().harmed() == []
