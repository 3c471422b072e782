"""What ``resources`` allows, without choices left."""

from __future__ import annotations

import pytest

from arb.tasks import Alternative, Amount, Resources, SpotUse


def expand(**keys):
    return Resources.model_validate(keys).alternatives()


def told(*found):
    """Return preference, place and accelerator of each."""
    lines = []
    for one in found:
        name = one.accelerator or f"{one.accelerator_maker}/{one.accelerator_gib}"
        lines.append((one.preference, one.place, f"{name}:{one.count}" if one.count else ""))
    return lines


def test_nothing_asked_for_is_one_alternative_that_restricts_nothing():
    (only,) = expand()
    assert only == Alternative(path=("resources",))


def test_one_machine_with_everything():
    (only,) = expand(
        infra="AWS/us-east-1/us-east-1a",
        instance_type="p5.48xlarge",
        accelerators="H100:8",
        cpus="96+",
        memory="1TB+",
        use_spot=True,
        max_hourly_cost=40,
        network_tier="BEST",
        local_disk="1000+",
        disk_size="1TB",
        disk_tier="high",
        image_id={"us-east-1": "ami-1", "us-west-2": "ami-2"},
        labels={"team": "a"},
        ports=[8080, "8081-8090", "22"],
    )
    assert only == Alternative(
        preference=0,
        provider="aws",
        region="us-east-1",
        zone="us-east-1a",
        instance_type="p5.48xlarge",
        accelerator="H100",
        count=Amount(8),
        cpus=Amount(96, at_least=True),
        memory=only.memory,
        spot=SpotUse.ALWAYS,
        max_price_usd_hour=40,
        network_tier="best",
        local_disk="nvme:1000+",
        disk_gib=1024,
        disk_tier="high",
        images={"us-east-1": "ami-1", "us-west-2": "ami-2"},
        labels={"team": "a"},
        ports=("22", "8080-8090"),
        path=("resources",),
    )
    assert (only.memory.value, only.memory.at_least) == (1024, True)


@pytest.mark.parametrize(
    ("written", "meant"),
    [(True, SpotUse.ALWAYS), (False, SpotUse.NEVER), ("prefer", SpotUse.PREFER)],
    ids=str,
)
def test_spot(written, meant):
    assert [one.spot for one in expand(use_spot=written)] == [meant]


def test_memory_for_each_cpu_is_no_amount_of_memory():
    (only,) = expand(memory="4x")
    assert (only.memory, only.memory_per_cpu) == (None, 4)


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("H100", [(0, "", "H100:1")]),
        ("H100:8", [(0, "", "H100:8")]),
        ("H100:2+", [(0, "", "H100:2+")]),
        ("T4:0.5", [(0, "", "T4:0.5")]),
        ("tpu-v5e-8", [(0, "", "tpu-v5e-8:1")]),
        ("80GB", [(0, "", "/80:1")]),
        ("80GB+:4", [(0, "", "/80+:4")]),
        ("NVIDIA:80GB+:2", [(0, "", "NVIDIA/80+:2")]),
        ("AMD:192gb", [(0, "", "AMD/192:1")]),
        ("1TB+", [(0, "", "/1024+:1")]),
        ({"H100": 8}, [(0, "", "H100:8")]),
        ({"H100": 8, "A100": None}, [(0, "", "H100:8"), (0, "", "A100:1")]),
        ({"H100:8": None, "H100:4": None}, [(0, "", "H100:8"), (0, "", "H100:4")]),
        ({"80GB+": 2}, [(0, "", "/80+:2")]),
        (["H100:8", "A100:8"], [(0, "", "H100:8"), (1, "", "A100:8")]),
        (["H100:8", "H100:8"], [(0, "", "H100:8")]),
    ],
    ids=str,
)
def test_accelerators(written, found):
    assert told(*expand(accelerators=written)) == found


def test_any_of_is_without_preference_and_entries_inherit():
    found = expand(
        accelerators="H100:8",
        use_spot=True,
        labels={"a": "1", "b": "2"},
        any_of=[{"infra": "aws"}, {"infra": "gcp", "use_spot": False, "labels": {"b": "3"}}],
    )
    assert told(*found) == [(0, "aws", "H100:8"), (0, "gcp", "H100:8")]
    assert [one.spot for one in found] == [SpotUse.ALWAYS, SpotUse.NEVER]
    assert [one.labels for one in found] == [{"a": "1", "b": "2"}, {"a": "1", "b": "3"}]
    assert [one.path for one in found] == [("resources", "any_of", 0), ("resources", "any_of", 1)]


def test_an_entry_takes_back_what_stands_beside_the_list_when_it_says_so():
    first, second = expand(use_spot=True, disk_size=100, any_of=[{"use_spot": False}, {}])
    assert (first.spot, first.disk_gib) == (SpotUse.NEVER, 100)
    assert (second.spot, second.disk_gib) == (SpotUse.ALWAYS, 100)


def test_ordered_is_a_strict_preference():
    found = expand(ordered=[{"cloud": "b"}, {"cloud": "a"}, {"cloud": "b", "region": "r"}])
    assert told(*found) == [(0, "b", ""), (1, "a", ""), (2, "b/r", "")]


def test_ordered_comes_before_a_list_of_accelerators():
    found = expand(accelerators=["H100:8", "A100:8"], ordered=[{"cloud": "x"}, {"cloud": "y"}])
    assert told(*found) == [
        (0, "x", "H100:8"),
        (1, "x", "A100:8"),
        (2, "y", "H100:8"),
        (3, "y", "A100:8"),
    ]


def test_a_list_of_accelerators_orders_any_of():
    found = expand(accelerators=["H100:8", "A100:8"], any_of=[{"cloud": "x"}, {"cloud": "y"}])
    assert told(*found) == [
        (0, "x", "H100:8"),
        (0, "y", "H100:8"),
        (1, "x", "A100:8"),
        (1, "y", "A100:8"),
    ]


def test_a_map_of_accelerators_within_ordered_shares_a_rank():
    found = expand(ordered=[{"accelerators": {"H100": 8, "H200": 8}}, {"accelerators": "A100:8"}])
    assert told(*found) == [(0, "", "H100:8"), (0, "", "H200:8"), (1, "", "A100:8")]


def test_what_stands_twice_is_kept_once_at_its_better_rank():
    found = expand(ordered=[{"cloud": "a"}, {"cloud": "b"}, {"infra": "a"}])
    assert told(*found) == [(0, "a", ""), (1, "b", "")]


@pytest.mark.parametrize(
    ("infra", "place"),
    [
        ("aws", ("aws", "", "")),
        ("AWS/us-east-1", ("aws", "us-east-1", "")),
        ("aws/*/us-east-1a", ("aws", "", "us-east-1a")),
        ("*/us-east-1", ("", "us-east-1", "")),
        ("*/*/us-east-1a", ("", "", "us-east-1a")),
        ("*", ("", "", "")),
        ("k8s", ("kubernetes", "", "")),
        ("K8s/arn:aws:eks:us-east-1:1:cluster/a/b", None),
        ("kubernetes/*", ("kubernetes", "", "")),
        ("ssh/pool", ("ssh", "pool", "")),
    ],
)
def test_places(infra, place):
    (only,) = expand(infra=infra)
    expected = place or ("kubernetes", "arn:aws:eks:us-east-1:1:cluster/a/b", "")
    assert (only.provider, only.region, only.zone) == expected


@pytest.mark.parametrize(
    ("resources", "node", "gpus"),
    [
        ({}, ("H100", 8), 0),
        ({"accelerators": "H100:8"}, ("H100", 8), 8),
        ({"accelerators": "H100:1"}, ("H100", 8), 1),
        ({"accelerators": "H100:2+"}, ("H100", 8), 8),
        ({"accelerators": "T4:0.5"}, ("T4", 1), 0.5),
        ({"accelerators": {"A100": 8, "H100": 4}}, ("h100", 4), 4),
        ({"accelerators": {"A100": 8, "H100": 4}}, ("H100-80GB", 4), 4),
        ({"ordered": [{"accelerators": "A100:8"}, {"accelerators": "H100:2"}]}, ("H100", 2), 2),
        ({"ordered": [{"accelerators": "A100:1"}, {"accelerators": "H100:2"}]}, ("H100", 8), 2),
        ({"accelerators": "80GB+:2"}, ("H100", 2), 2),
        ({"accelerators": "H100:4"}, ("", 0), 4),
        ({"ordered": [{"accelerators": "H100:1"}, {"cpus": "4+"}]}, ("", 0), 0),
        ({"ordered": [{"accelerators": "H100:1"}, {"cpus": "4+"}]}, ("H100", 1), 1),
    ],
    ids=str,
)
def test_how_many_gpus_of_a_node_a_job_takes(resources, node, gpus):
    assert Resources.model_validate(resources).gpus_on(*node) == gpus
