from __future__ import annotations

import re

import pytest

from arb.clusters import names
from arb.errors import UsageError
from arb.state.clusters import ClusterRecord, ClusterStatus, insert_cluster
from arb.state.store import open_store
from arb.types.tokens import new_id


@pytest.fixture
def store(tmp_path):
    with open_store(f"sqlite:///{tmp_path / 'home' / 'state.db'}") as opened:
        with opened.write() as tx:
            for name in ("train-1", "train-2", "web"):
                insert_cluster(tx, ClusterRecord(new_id(), name, ClusterStatus.UP, 1.0, 1))
        yield opened


@pytest.mark.parametrize("name", ["a", "A1", "train-70b", "a.b_c", "x" * 62])
def test_a_host_name_is_a_cluster_name(name):
    assert names.check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "1a", "-a", "a-", "a b", "a/b", "a*", "../a", "é", "a\n", "x" * 63]
)
def test_anything_else_is_not(name):
    with pytest.raises(UsageError, match="is not a cluster name"):
        names.check_name(name)


@pytest.mark.parametrize("task", ["", "train", "1st", "a" * 80, "a..."])
def test_a_new_name_is_a_name_and_new(task):
    made = {names.new_name(task) for _ in range(20)}
    assert len(made) > 10
    for name in made:
        names.check_name(name)
        assert re.search(r"-[0-9a-f]{4}$", name)


def matched(store, *patterns, everything=False):
    return [r.name for r in names.matching(store, patterns, everything=everything)]


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["web"], ["web"]),
        (["train-*"], ["train-1", "train-2"]),
        (["train-[13]"], ["train-1"]),
        (["*", "web"], ["train-1", "train-2", "web"]),
        (["web", "web", "w?b"], ["web"]),
        (["nothing-*"], []),
    ],
    ids=str,
)
def test_names_and_globs_choose_each_cluster_once(store, patterns, found):
    assert matched(store, *patterns) == found


def test_everything_is_all(store):
    assert matched(store, everything=True) == ["train-1", "train-2", "web"]


def test_a_name_that_is_none_gets_the_closest(store):
    with pytest.raises(UsageError, match="unknown cluster 'trian-1': did you mean 'train-1'"):
        matched(store, "trian-1")


def test_a_cluster_that_is_gone_is_called_so_and_not_unknown(store):
    with store.write() as tx:
        insert_cluster(tx, ClusterRecord(new_id(), "old", ClusterStatus.GONE, 1.0, 1))
    with pytest.raises(UsageError, match="cluster old is gone") as caught:
        matched(store, "old")
    assert caught.value.hint == "what became of it: arb why old"
    assert matched(store, "old*") == []
