"""From hosts to offers."""

from __future__ import annotations

import json

import pytest

from arb_ssh.hosts import Gpus, Hardware, Host
from arb_ssh.offers import kinds, row

H100 = Gpus("NVIDIA H100 80GB HBM3", 8, 79.6)


def host(name, pool="lab", **more):
    return Host(name, pool, name, "me", **more)


def names(*known):
    return [(kind.name, [h.name for h in kind.hosts]) for kind in kinds(known)]


def test_equal_hosts_of_a_pool_are_one_offer():
    one = (host("a"), Hardware(128, 1007.4, H100))
    other = (host("b"), Hardware(128, 1007.6, H100))
    (kind,) = kinds([one, other])
    assert (kind.name, kind.pool, kind.offer_id) == ("lab-H100x8", "lab", "lab-H100x8@lab")
    assert kind.hardware.memory_gib == 1007.4  # each has so much at least
    told = row(kind, 1)
    assert (told["capacity"], told["available"], told["price_usd_hour"]) == (1, True, 0)
    assert json.loads(told["payload"]) == {"instance_type": "lab-H100x8", "hosts": ["a", "b"]}


def test_none_free_is_not_available():
    (kind,) = kinds([(host("a"), Hardware(8, 32))])
    assert (row(kind, 0)["capacity"], row(kind, 0)["available"]) == (0, False)


@pytest.mark.parametrize(
    "other",
    [
        (host("b", "old"), Hardware(8, 32)),
        (host("b", price_usd_hour=1), Hardware(8, 32)),
        (host("b", labels={"rack": "2"}), Hardware(8, 32)),
        (host("b"), Hardware(16, 32)),
        (host("b"), Hardware(8, 64)),
        (host("b"), Hardware(8, 32, arch="arm64")),
        (host("b"), Hardware(8, 32, Gpus("T4", 1, 15))),
    ],
    ids=["pool", "price", "labels", "cpus", "memory", "arch", "gpus"],
)
def test_what_differs_is_another_offer(other):
    found = kinds([(host("a"), Hardware(8, 32)), other])
    assert [len(kind.hosts) for kind in found] == [1, 1]
    assert len({kind.name for kind in found}) == 2 or found[0].pool != found[1].pool


def test_types_are_named_after_pool_and_hardware():
    known = [
        (host("a"), Hardware(128, 1000, H100)),
        (host("b"), Hardware(64, 500, H100)),
        (host("c", price_usd_hour=1), Hardware(64, 500, H100)),
        (host("d", "a/b"), Hardware(8, 31.2)),
        (host("e"), Hardware(8, 16, Gpus("RTX 4090", 2, 24))),
        (host("f"), Hardware(8, 16, Gpus("Tesla T4", 1, 15))),
    ]
    assert [name for name, _ in names(*known)] == [
        "lab-H100x8",
        "lab-H100x8-64cpu-500gib",
        "lab-H100x8-64cpu-500gib-2",
        "a-b-8cpu-31gib",
        "lab-RTX-4090x2",
        "lab-T4x1",
    ]


def test_labels_are_shown():
    (kind,) = kinds([(host("a", labels={"rack": "12", "owner": "bio"}), Hardware(8, 32))])
    assert row(kind, 1)["note"] == "owner=bio, rack=12"
