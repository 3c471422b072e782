"""Machines in the contract's words, from recorded answers."""

from __future__ import annotations

import pytest
from clouds.lambda_cloud.customer import recorded

from arb.types import GoneReason, InstanceState
from arb_lambda.instances import blocked, instance_of, token_of

TOKEN = "arb-ownerabc-clusterx-000-0000"
BOOTING = recorded("instance-booting")["data"]
(ACTIVE,) = recorded("instances-list")["data"]
(ENDING,) = recorded("terminate-response")["data"]["terminated_instances"]


def tagged(row, **tags):
    return {**row, "tags": [{"key": key.replace("_", "-"), "value": v} for key, v in tags.items()]}


def test_a_machine_is_told_with_address_place_and_price():
    instance = instance_of("lambda", tagged(ACTIVE, arb_token=TOKEN))
    assert instance.id == "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
    assert (instance.state, instance.detail) == (InstanceState.RUNNING, "active")
    assert (instance.address, instance.private_address) == ("127.77.0.1", "10.19.0.5")
    assert (instance.region, instance.instance_type) == ("us-east-1", "gpu_1x_a10")
    assert (instance.price_usd_hour, instance.made_at, instance.spot) == (1.29, 0, False)
    assert instance.token == TOKEN


def test_nothing_secret_of_a_machine_is_kept():
    assert "jupyter" not in repr(instance_of("lambda", ACTIVE))
    assert "0" * 32 not in repr(instance_of("lambda", ACTIVE))


def test_a_booting_machine_has_no_address():
    instance = instance_of("lambda", BOOTING)
    assert (instance.state, instance.address) == (InstanceState.PENDING, "")


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        ("booting", InstanceState.PENDING, GoneReason.NONE),
        ("active", InstanceState.RUNNING, GoneReason.NONE),
        ("unhealthy", InstanceState.RUNNING, GoneReason.NONE),
        ("terminating", InstanceState.TERMINATING, GoneReason.NONE),
        ("preempted", InstanceState.TERMINATING, GoneReason.PREEMPTED),
        ("terminated", InstanceState.GONE, GoneReason.USER),
        ("something new", InstanceState.PENDING, GoneReason.NONE),
    ],
)
def test_only_terminated_is_gone(status, state, reason):
    instance = instance_of("lambda", {**ACTIVE, "status": status})
    assert (instance.state, instance.reason, instance.detail) == (state, reason, status)


@pytest.mark.parametrize(
    ("row", "token"),
    [
        (tagged(ACTIVE, arb_token=TOKEN), TOKEN),
        ({**ACTIVE, "name": TOKEN}, TOKEN),
        ({**tagged(ACTIVE, arb_token=TOKEN), "name": "renamed by hand"}, TOKEN),
        (tagged(ACTIVE, arb_token="arb-x"), ""),
        (tagged(ACTIVE, team=TOKEN), ""),
        ({**ACTIVE, "name": f"my-{TOKEN}"}, ""),
        ({**ACTIVE, "tags": None, "name": None}, ""),
    ],
    ids=["tag", "name", "tag before name", "another tag", "other key", "in a name", "nothing"],
)
def test_the_token_is_in_the_tag_or_else_the_name(row, token):
    assert token_of(row) == token


def test_why_a_machine_cannot_end_now_is_told():
    assert blocked(BOOTING) == "cannot end while booting"
    assert blocked(ENDING) == "terminating"
    assert blocked(ACTIVE) == ""
    old = {"available": False, "reason_code": "vm-is-too-old"}
    assert blocked({**ACTIVE, "actions": {"terminate": old}}) == ""
