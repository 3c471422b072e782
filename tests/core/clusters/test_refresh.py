"""A node that cannot be reached: whether it is gone is asked of its provider."""

from __future__ import annotations

import pytest

from arb.clusters.refresh import LossWatch, told_if_gone
from arb.clusters.status import views
from arb.errors import NodeError, NodeUnreachable, ProviderUnavailable, UsageError
from arb.types import GoneReason, InstanceState


@pytest.fixture
def cluster(site):
    return site.launch(num_nodes=2).cluster


def test_a_node_that_is_gone_is_named_with_the_reason_and_what_to_do(site, cluster):
    site.cloud.change("i-2", state=InstanceState.GONE, reason=GoneReason.PREEMPTED)
    with pytest.raises(NodeError) as caught, told_if_gone(site.session, cluster):
        raise NodeUnreachable("connection refused")
    assert caught.value.summary == "train rank 1 is gone: preempted"
    assert caught.value.hint == "launch it again to replace it, or end it with: arb down train"


def test_a_node_that_is_there_is_unreachable_and_not_more(site, cluster):
    with (
        pytest.raises(NodeUnreachable, match="connection refused"),
        told_if_gone(site.session, cluster),
    ):
        raise NodeUnreachable("connection refused")


def test_a_provider_that_does_not_answer_says_nothing_of_a_node(site, cluster):
    def failing(_listing):
        raise ProviderUnavailable("503", code="http")

    site.cloud.on_list = [failing]
    with (
        pytest.raises(NodeUnreachable, match="connection refused"),
        told_if_gone(site.session, cluster),
    ):
        raise NodeUnreachable("connection refused")
    assert "could not be asked" in site.told.warnings[-1]


def test_a_node_without_power_is_called_stopped(site, cluster):
    site.cloud.change("i-1", state=InstanceState.STOPPED)
    with pytest.raises(NodeError) as caught, told_if_gone(site.session, cluster):
        raise NodeUnreachable("connection refused")
    assert caught.value.summary == "train rank 0 is stopped"
    (view,) = views(site.session.store)
    assert (view.status, len(view.running), view.usd_hour) == ("stopped", 1, 1.0)


def test_a_launch_on_a_stopped_cluster_is_refused_and_ends_nothing(site, cluster):
    for machine in ("i-1", "i-2"):
        site.cloud.change(machine, state=InstanceState.STOPPED)
    with pytest.raises(UsageError, match="cluster train is stopped") as caught:
        site.launch(num_nodes=2)
    assert "arb down train" in caught.value.hint
    assert site.cloud.called("terminate") == []


def test_waiting_for_a_node_ends_soon_after_its_provider_took_it(site, cluster):
    watch = LossWatch(site.session, cluster)
    site.cloud.change("i-2", state=InstanceState.GONE, reason=GoneReason.PREEMPTED)
    asked = len(site.cloud.called("list_instances"))
    for _ in range(5):
        watch.check()  # not due yet: a provider is not asked at every attempt
    assert len(site.cloud.called("list_instances")) == asked
    site.clock.advance(10)
    with pytest.raises(NodeError, match="train rank 1 is gone: preempted"):
        watch.check()


def test_waiting_goes_on_for_nodes_that_are_there(site, cluster):
    watch = LossWatch(site.session, cluster)
    asked = len(site.cloud.called("list_instances"))
    for _ in range(3):
        site.clock.advance(10)
        watch.check()
    assert len(site.cloud.called("list_instances")) == asked + 3
