"""Listing, giving back, switching off and on, and what is left behind."""

from __future__ import annotations

from dataclasses import replace

import pytest
from clouds.aws.customer import Customer

from arb.errors import (
    CapacityError,
    CredentialsError,
    ProviderUnavailable,
    QuotaError,
    RequestError,
)
from arb.types import ClusterRef, GoneReason, InstanceState
from arb_aws import plugin


def test_every_enabled_region_is_asked_and_named(account):
    _, _, (near,) = account.buy()
    _, _, (far,) = account.buy(account.offer(zone="usw2-az1", region="us-west-2"))
    account.cloud.configure(failing_regions=["us-east-2"])
    listing = account.list()
    assert {m.id for m in listing.instances} == {near.id, far.id}
    assert listing.complete == {"us-east-1", "us-west-2"}
    assert "503" in listing.errors["us-east-2"]
    assert not listing.covers("eu-west-1", listing.account)  # nobody asked there


def test_the_regions_that_are_asked_for_are_the_only_ones(account):
    account.list(regions=frozenset({"us-west-2"}))
    assert account.cloud.ledger().count("DescribeRegions") == 0
    assert account.cloud.ledger().count("DescribeInstances") == 1


def test_the_list_of_regions_is_had_from_another_region_when_the_first_is_down(account):
    account.cloud.fault("status", match="DescribeRegions", count=3)
    assert account.list().complete == {"us-east-1", "us-east-2", "us-west-2"}


def test_a_region_that_the_organization_closed_holds_nothing_up(account):
    """A refused attempt has no handle: it is looked for everywhere, and nothing was made there."""
    request, result, (machine,) = account.buy()
    account.cloud.configure(closed_regions=("us-west-2",))
    listing = account.list()
    assert (listing.complete, listing.errors) == ({"us-east-1", "us-east-2"}, {})
    assert told(account).errors == {}
    refused = f"{request.token[:-3]}9zz"
    cluster = account.cluster(request, result, (machine,))
    cluster = replace(cluster, tokens=(request.token, refused), handles=(result.handle, ""))
    account.terminate(account.ref(machine))
    plugin.arb_cleanup(account.context(), cluster)
    assert account.cloud.ledger().alive() == []


def test_a_closed_region_that_is_asked_for_is_named(account):
    request, result, (machine,) = account.buy()
    cluster = account.cluster(request, result, (machine,))
    account.terminate(account.ref(machine))
    account.cloud.configure(closed_regions=("us-east-1",))
    listing = account.list(regions=frozenset({"us-east-1", "us-west-2"}))
    assert (listing.complete, list(listing.errors)) == ({"us-west-2"}, ["us-east-1"])
    with pytest.raises(CredentialsError) as caught:
        plugin.arb_cleanup(account.context(), cluster)
    assert "provider_options.aws.regions" in caught.value.hint
    account.cloud.configure(closed_regions=("us-east-1", "us-east-2", "us-west-2"))
    account.options["regions"] = ["us-west-2"]
    for call in (account.list, lambda: told(account)):
        with pytest.raises(CredentialsError):
            call()


def test_a_region_that_was_switched_off_is_not_complete(account):
    account.buy()
    account.cloud.configure(regions=("us-west-2",))
    listing = account.list(regions=frozenset({"us-east-1", "us-west-2"}))
    assert listing.complete == {"us-west-2"}


def test_a_new_machine_may_be_missing_and_is_then_not_gone(account):
    account.cloud.configure(listing_lag_s=30)
    request = account.request()
    (machine,) = account.provision(request).instances
    assert account.list().instances == ()
    account.cloud.fault("garbage", match="DescribeInstances", count=9)
    with pytest.raises(ProviderUnavailable):
        account.list()
    account.cloud.clear_faults()
    answer = account.terminate(account.ref(machine))
    assert (answer.gone, answer.detail) == (False, "not listed yet")
    account.cloud.advance(31)
    assert [m.id for m in account.list(tokens=frozenset({request.token})).instances] == [machine.id]


def test_gone_comes_only_with_the_end(account):
    account.cloud.configure(end_delay_s=40)
    _, result, (machine,) = account.buy()
    reference = account.ref(machine, result)
    first = account.terminate(reference)
    assert (first.gone, first.detail) == (False, "shutting-down")
    assert len(account.cloud.ledger().alive("machine")) == 1
    account.cloud.advance(41)
    assert account.terminate(reference).gone
    account.cloud.advance(7200)  # not shown any more
    assert account.terminate(reference).gone


def test_a_machine_that_has_ended_is_gone_even_where_ending_it_again_is_refused(account):
    _, _, (machine,) = account.buy()
    account.cloud.say("TerminateInstances", "IncorrectInstanceState", count=2)
    with pytest.raises(ProviderUnavailable):
        account.terminate(account.ref(machine))
    account.cloud.clear_faults()
    assert account.terminate(account.ref(machine)).gone
    account.cloud.say("TerminateInstances", "InvalidNetworkInterfaceID.NotFound")
    assert account.terminate(account.ref(machine)).gone
    account.cloud.say("TerminateInstances", "InternalError", status=500, count=3)
    assert account.terminate(account.ref(machine)).gone


def test_a_listing_without_its_list_is_no_empty_one(account):
    account.buy()
    body = "<DescribeInstancesResponse><requestId>1</requestId></DescribeInstancesResponse>"
    account.cloud.fault("status", match="DescribeInstances", status=200, body=body, count=99)
    with pytest.raises(ProviderUnavailable, match="cannot be read"):
        account.list()


def test_more_attempts_than_a_filter_takes_are_asked_about_in_parts(account):
    request, result, (machine,) = account.buy(ports=("8080",))
    others = tuple(f"arb-ownerabc-clusterx-{n:03d}" for n in range(500, 720))
    cluster = account.cluster(request, result, (machine,))
    cluster = replace(cluster, tokens=(*others, request.token), handles=(result.handle,) * 221)
    plugin.arb_open_ports(account.context(), cluster, ("9090",))
    account.terminate(account.ref(machine))
    plugin.arb_cleanup(account.context(), cluster)
    assert account.cloud.ledger().alive() == []
    asked = [c.body for c in account.cloud.ledger().calls if c.operation.startswith("Describe")]
    assert not any("Filter.1.Value.201" in body for body in asked)


def test_termination_protection_is_told(account):
    _, _, (machine,) = account.buy()
    account.cloud.say("TerminateInstances", "OperationNotPermitted", "may not be terminated")
    answer = account.terminate(account.ref(machine))
    assert (answer.gone, answer.retry_after_s) == (False, 60)
    assert "protection" in answer.detail


def test_an_interruption_is_told_with_its_reason(account):
    request, _, (machine,) = account.buy(account.offer(spot=True))
    account.cloud.preempt(machine.id)
    (shown,) = account.list(tokens=frozenset({request.token})).instances
    assert (shown.state, shown.reason) == (InstanceState.GONE, GoneReason.PREEMPTED)


def test_cleanup_waits_for_what_is_in_use_and_takes_what_is_left(account):
    request, result, (machine,) = account.buy(ports=("8080",))
    cluster = account.cluster(request, result, (machine,))
    with pytest.raises(ProviderUnavailable, match="still in use"):
        plugin.arb_cleanup(account.context(), cluster)
    account.terminate(account.ref(machine))
    plugin.arb_cleanup(account.context(), cluster)
    assert account.cloud.ledger().alive() == []
    plugin.arb_cleanup(account.context(), cluster)


def test_a_lost_attempt_is_cleaned_up_in_whatever_region_it_was(account):
    request = account.request(account.offer(zone="usw2-az1", region="us-west-2"))
    account.cloud.fault("status", match="RunInstances", status=500)
    with pytest.raises(ProviderUnavailable):
        account.provision(request)
    assert [e.kind for e in account.cloud.ledger().alive()] == ["security-group"]
    lost = ClusterRef("mine", "ownerabc", (request.token,), frozenset(), handles=("",))
    plugin.arb_cleanup(account.context(), lost)
    assert account.cloud.ledger().alive() == []


def told(account, owner="ownerabc"):
    return plugin.arb_list_leftovers(account.context(), owner)


def test_groups_of_orders_that_nobody_knows_are_told_by_owner(account):
    account.cloud.configure(page_size=1)
    near, *_ = account.buy()
    far = account.request(account.offer(zone="usw2-az1", region="us-west-2"))
    account.cloud.fault("status", match="RunInstances", status=500)
    with pytest.raises(ProviderUnavailable):
        account.provision(far)
    found = told(account)
    assert found.tokens == {near.token, far.token}
    assert (found.account, found.errors) == (account.list().account, {})
    assert told(account, "otherabc").tokens == frozenset()


def test_a_region_that_does_not_tell_what_is_left_is_named(account):
    request, *_ = account.buy()
    account.cloud.configure(failing_regions=["us-west-2"])
    found = told(account)
    assert found.tokens == {request.token}
    assert list(found.errors) == ["us-west-2"]


def test_no_region_that_tells_what_is_left_is_an_error(account):
    account.cloud.fault("status", match="DescribeSecurityGroups", status=503, count=99)
    with pytest.raises(ProviderUnavailable):
        told(account)


def test_a_disk_that_outlives_its_machine_is_removed(account):
    request, result, (machine,) = account.buy()
    instance = account.cloud.engine.records[machine.id].instance
    for _, disk in instance.get_block_device_mapping:
        disk.delete_on_termination = False
    account.terminate(account.ref(machine))
    assert [e.kind for e in account.cloud.ledger().alive("volume")] == ["volume"]
    assert told(account).tokens == {request.token}
    plugin.arb_cleanup(account.context(), account.cluster(request, result))
    assert account.cloud.ledger().alive() == []


def test_another_account_touches_nothing(account, paper_aws, tmp_path):
    request, result, (machine,) = account.buy()
    other = Customer(paper_aws, tmp_path / "other", key="other")
    with pytest.raises(CredentialsError, match="is of account"):
        other.terminate(account.ref(machine, result))
    with pytest.raises(CredentialsError, match="is of account"):
        plugin.arb_cleanup(other.context(), account.cluster(request, result))
    assert other.list().instances == ()


def test_somebody_without_an_account_has_nothing_to_clean_up(account, anybody):
    plugin.arb_cleanup(
        anybody.context(), ClusterRef("x", "ownerabc", ("t",), frozenset(), handles=("",))
    )
    request, result, _ = account.buy()
    with pytest.raises(CredentialsError):
        plugin.arb_cleanup(anybody.context(), account.cluster(request, result))


# -- switching -----------------------------------------------------------------------------


def test_stopped_machines_start_again_unless_there_is_no_room(account):
    _, result, machines = account.buy(count=2)
    refs = [account.ref(m, result) for m in machines]
    assert {m.state for m in plugin.arb_stop(account.context(), refs)} <= {"stopping", "stopped"}
    account.cloud.set_capacity("g6.xlarge@us-east-1/use1-az1#on-demand", 0)
    with pytest.raises(CapacityError):
        plugin.arb_start(account.context(), refs)
    account.cloud.set_capacity("g6.xlarge@us-east-1/use1-az1#on-demand", None)
    account.cloud.set_quota("L-DB2E81BA@us-east-1", 0)
    with pytest.raises(QuotaError):
        plugin.arb_start(account.context(), refs)
    account.cloud.set_quota("L-DB2E81BA@us-east-1", None)
    assert {m.state for m in plugin.arb_start(account.context(), refs)} <= {"pending", "running"}


def test_a_spot_machine_cannot_be_stopped(account):
    _, result, (machine,) = account.buy(account.offer(spot=True))
    with pytest.raises(RequestError, match="can't stop"):
        plugin.arb_stop(account.context(), [account.ref(machine, result)])


def test_a_machine_that_is_not_listed_yet_is_not_called_gone_when_it_is_stopped(account):
    account.cloud.configure(listing_lag_s=30)
    (machine,) = account.provision(account.request()).instances
    with pytest.raises(ProviderUnavailable, match="not listed yet"):
        plugin.arb_stop(account.context(), [account.ref(machine)])


def test_a_machine_on_its_way_is_asked_again(account):
    account.cloud.configure(boot_delay_s=60, stop_delay_s=60)
    (machine,) = account.provision(account.request()).instances
    with pytest.raises(ProviderUnavailable):
        plugin.arb_stop(account.context(), [account.ref(machine)])
    account.cloud.advance(61)
    plugin.arb_stop(account.context(), [account.ref(machine)])
    with pytest.raises(CapacityError) as caught:
        plugin.arb_start(account.context(), [account.ref(machine)])
    assert (caught.value.code, caught.value.block_s) == ("aws-busy", 10)


# -- ports ---------------------------------------------------------------------------------


def test_ports_are_opened_beside_those_that_are_open(account):
    request, result, (machine,) = account.buy(ports=("8080",))
    cluster = account.cluster(request, result, (machine,))
    plugin.arb_open_ports(account.context(), cluster, ("8080", "9090"))
    (group,) = account.cloud.engine.records[machine.id].instance.nics[0].group_set
    ports = sorted(r.from_port for r in group.ingress_rules if r.from_port)
    assert ports == [2222, 8080, 9090]


def test_no_more_rules_is_a_quota_and_no_group_is_no_answer(account):
    request, result, (machine,) = account.buy()
    cluster = account.cluster(request, result, (machine,))
    account.cloud.say("AuthorizeSecurityGroupIngress", "RulesPerSecurityGroupLimitExceeded")
    with pytest.raises(QuotaError):
        plugin.arb_open_ports(account.context(), cluster, ("9090",))
    with pytest.raises(ProviderUnavailable, match="no security group"):
        plugin.arb_open_ports(account.context(), replace(cluster, tokens=("other",)), ("9090",))
    plugin.arb_open_ports(account.context(), replace(cluster, tokens=("other",)), ())
