"""Whether a task fits the cluster that is up, as far as hardware and place go."""

from __future__ import annotations

import pytest
from support.fakecloud import offer

from arb.clusters.fit import check_fits
from arb.errors import UsageError
from arb.state.clusters import ClusterRecord, ClusterStatus
from arb.tasks import Task

BOUGHT = offer(
    "h100.8", accelerator="H100", accelerator_count=8, accelerator_gib=79.6, vcpus=96, zone="a"
)


R2 = "the task asks for r2"
A100 = "has accelerators H100:8, the task asks for A100:1"


def record(bought=BOUGHT, num_nodes=2):
    return ClusterRecord(
        "id", "train", ClusterStatus.UP, 0.0, num_nodes, provider=bought.provider,
        region=bought.region, offer_json=bought.to_json(),
    )  # fmt: skip


def check(num_nodes=1, bought=BOUGHT, **resources):
    check_fits(
        Task.model_validate({"num_nodes": num_nodes, "resources": resources}), record(bought)
    )


@pytest.mark.parametrize(
    "resources",
    [
        {},
        {"accelerators": "H100:8"},
        {"accelerators": "h100-80gb:4"},
        {"accelerators": "H100:2+"},
        {"accelerators": "80GB+:8"},
        {"accelerators": "nvidia:80GB+:8"},
        {"accelerators": {"A100": 8, "H100": 8}},
        {"cloud": "fake"},
        {"infra": "fake/R1/a"},
        {"infra": "*/r*"},
        {"instance_type": "H100.8"},
        {"cpus": "999+", "memory": "999+", "use_spot": True},
        {"any_of": [{"cloud": "other"}, {"accelerators": "H100"}]},
    ],
    ids=str,
)
def test_what_the_cluster_has_fits(resources):
    check(**resources)
    check(2, **resources)


@pytest.mark.parametrize(
    ("resources", "told"),
    [
        ({"cloud": "other"}, "is at fake, the task asks for other"),
        ({"region": "r2"}, "is in region r1, the task asks for r2"),
        ({"infra": "fake/r1/b"}, "is in zone a, the task asks for b"),
        (
            {"instance_type": "h100.1"},
            "has instances of type h100.8, the task asks for h100.1",
        ),
        ({"accelerators": "A100"}, "has accelerators H100:8, the task asks for A100:1"),
        ({"accelerators": "H100:16"}, "has accelerators H100:8, the task asks for H100:16"),
        ({"accelerators": "90GB+"}, "has accelerators H100:8, the task asks for 90GB+:1"),
        ({"accelerators": "AMD:80GB+:8"}, "has accelerators H100:8, the task asks for AMD:80GB+:8"),
        ({"region": "r2", "accelerators": "A100"}, f"is in region r1, {R2}, and {A100}"),
        (
            {"any_of": [{"region": "r2", "accelerators": "A100"}, {"cloud": "other"}]},
            "is at fake, the task asks for other",
        ),
    ],
    ids=str,
)
def test_what_differs_is_named(resources, told):
    with pytest.raises(UsageError) as caught:
        check(**resources)
    assert caught.value.summary == f"cluster train {told}"
    assert caught.value.hint == "use another cluster name"


def test_more_nodes_do_not_fit():
    with pytest.raises(UsageError, match="has 2 nodes, not 3"):
        check(3)


def test_a_cluster_without_accelerators_says_none():
    with pytest.raises(UsageError, match="has accelerators none, the task asks for H100:1"):
        check(bought=offer("cpu"), accelerators="H100")
