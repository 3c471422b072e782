"""Recorded deployments in the contract's words."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from clouds.spheron.customer import recorded

from arb.types import GoneReason, InstanceState
from arb_spheron.deployments import has_ended, instance_of, token_of

TOKEN = "arb-ownerabc-clusterx-000-0001"
MADE_AT = datetime(2026, 11, 24, 6, tzinfo=UTC).timestamp()


def read(name="running", **changes):
    return instance_of("spheron", {**recorded(f"deployment-{name}"), **changes})


def test_a_running_deployment_is_read_whole():
    instance = instance_of("spheron", {**recorded("deployment-running"), "name": TOKEN})
    assert (instance.id, instance.token, instance.region) == ("dep_00000001", TOKEN, "CANADA-1")
    assert (instance.state, instance.detail) == (InstanceState.RUNNING, "running")
    assert (instance.address, instance.spot, instance.made_at) == ("127.77.0.1", True, MADE_AT)
    assert (instance.price_usd_hour, instance.reported_usd) == (1.15, 0)
    assert instance.instance_type == "n3-A100x1-spot__CANADA-1"


def test_a_deploying_one_has_no_address_yet():
    instance = read("deploying")
    assert (instance.state, instance.address) == (InstanceState.PENDING, "")


@pytest.mark.parametrize(
    ("status", "kind", "state", "reason"),
    [
        ("terminated", "SPOT", InstanceState.GONE, GoneReason.USER),
        ("terminated-provider", "SPOT", InstanceState.GONE, GoneReason.PREEMPTED),
        ("terminated-provider", "DEDICATED", InstanceState.GONE, GoneReason.HARDWARE),
        ("failed", "SPOT", InstanceState.TERMINATING, GoneReason.FAILED_START),
        ("deploying", "SPOT", InstanceState.PENDING, GoneReason.NONE),
        ("something-new", "SPOT", InstanceState.PENDING, GoneReason.NONE),
        ("terminating", "SPOT", InstanceState.TERMINATING, GoneReason.NONE),
        ("RUNNING", "SPOT", InstanceState.RUNNING, GoneReason.NONE),
        ("Terminated-Provider", "spot", InstanceState.GONE, GoneReason.PREEMPTED),
    ],
)
def test_every_status_has_its_state(status, kind, state, reason):
    instance = read("deploying", status=status, instanceType=kind)
    assert (instance.state, instance.reason) == (state, reason)


def test_a_failed_one_has_ended_once_spheron_says_when():
    assert read("deploying", status="failed").state is InstanceState.TERMINATING
    stopped = "2026-11-24T06:40:00.000Z"
    assert read("deploying", status="failed", stoppedAt=stopped).state is InstanceState.GONE


def test_a_status_that_nobody_knows_is_never_the_end():
    stopped = {"status": "hibernating", "stoppedAt": "2026-11-24T06:40:00.000Z"}
    assert not has_ended({**recorded("deployment-running"), **stopped})


@pytest.mark.parametrize(
    ("told", "endpoint"),
    [
        ({}, ("ubuntu", 22)),
        ({"sshPort": None, "user": "root"}, ("root", 22)),
        ({"sshPort": 2222}, ("ubuntu", 2222)),
        ({"sshPort": "2222"}, ("ubuntu", 2222)),
        ({"sshPort": 70000}, ("ubuntu", 22)),
        ({"sshPort": 22, "portForwards": [{"external": "40022", "internal": "22"}]}, ("ubuntu", 40022)),
        ({"sshPort": None, "sshCommand": "ssh root@1.2.3.4 -p 31022", "user": None}, ("root", 31022)),
        (
            {"sshPort": None, "portForwards": [
                {"external": 8080, "internal": 80}, {"external": 40022, "internal": 22}
            ]},
            ("ubuntu", 40022),
        ),
        ({"user": None, "sshCommand": "ssh -p 2222 shadeform@1.2.3.4"}, ("shadeform", 2222)),
        ({"user": None, "sshCommand": None, "portForwards": "none"}, ("ubuntu", 22)),
    ],
)  # fmt: skip
def test_user_and_port_are_found_where_they_are_told(told, endpoint):
    payload = json.loads(read(**told).payload)
    assert (payload["user"], payload["port"]) == endpoint


@pytest.mark.parametrize(
    "name",
    ["web-1", "arb-training", "arb-ownerabc", f"my-{TOKEN}", f"{TOKEN}-x", TOKEN.upper(), None],
)
def test_names_of_others_are_no_tokens(name):
    assert token_of({"name": name}) == ""


def test_times_and_amounts_that_are_missing_are_unknown():
    instance = read(createdAt=None, hourlyRate=None, totalCost="?")
    assert (instance.made_at, instance.price_usd_hour, instance.reported_usd) == (0, None, None)
    assert read(hourlyRate=float("nan")).price_usd_hour is None


def test_amounts_may_be_texts():
    instance = read(hourlyRate="1.15", totalCost="0.50")
    assert (instance.price_usd_hour, instance.reported_usd) == (1.15, 0.5)
