"""Ctrl-C, kill -9 and two shells at once."""

from __future__ import annotations

import os
import signal
import time

import pytest
from support.command import eventually, read_until

SLOW_BOOT = """
provider_options:
  local:
    simulated:
      - {instance_type: slow-1, vcpus: 2, memory_gib: 4, price_usd_hour: 1.5,
         regions: {moon: [a]}, boot_delay_s: 20}
"""


def configure(arb, text):
    arb.home.mkdir(exist_ok=True)
    (arb.home / "config.yaml").write_text(text)


def wait_for_machine(arb):
    eventually(arb.machine_folders, what="a machine")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_an_interrupted_purchase_leaves_nothing(arb, how):
    configure(arb, SLOW_BOOT)
    launch = arb.start("launch", "-y", "-c", "x", "--infra", "local/moon", "true")
    wait_for_machine(arb)
    launch.send_signal(how)
    output, _ = launch.communicate(timeout=30)
    assert launch.returncode == 130, output
    assert arb.machine_folders() == []
    assert arb.json("status") == []
    assert arb.json("cost")["usd"] > 0


@pytest.mark.parametrize(
    "after_s",
    [
        pytest.param(0.0, id="at-once", marks=pytest.mark.slow),
        pytest.param(0.15, id="booting"),
        pytest.param(0.4, id="later", marks=pytest.mark.slow),
    ],
)
def test_a_killed_launch_is_cleaned_up_by_the_next_command(arb, after_s):
    configure(arb, SLOW_BOOT)
    launch = arb.start("launch", "-y", "-c", "x", "--infra", "local/moon", "true")
    wait_for_machine(arb)
    time.sleep(after_s)
    launch.kill()
    launch.wait()
    arb("launch", "-y", "-c", "other", "--infra", "local/local", "true")
    assert [view["name"] for view in arb.json("status")] == ["other"]
    assert len(arb.machine_folders()) == 1


@pytest.mark.slow
def test_a_killed_down_is_carried_on_by_the_next_command(arb):
    arb("launch", "-c", "x", "--infra", "local", "--num-nodes", "2", "true")
    ending = arb.start("down", "-y", "x")
    time.sleep(0.3)
    ending.kill()
    ending.wait()
    arb("down", "--all", "--yes")
    assert arb.machine_folders() == []
    assert arb.json("status") == []


def test_ctrl_c_while_following_detaches_and_says_how_to_come_back(arb):
    launch = arb.start("launch", "-c", "x", "--infra", "local", "echo begun; sleep 3; echo ended")
    read_until(launch, "begun")
    launch.send_signal(signal.SIGINT)
    output, _ = launch.communicate(timeout=30)
    assert launch.returncode == 130
    assert "arb logs x 1" in output
    assert "ended" in arb("logs", "x", "1").stdout


def test_the_job_goes_on_and_the_gang_holds_without_the_client(arb):
    command = "echo begun; sleep 1; [ $SKYPILOT_NODE_RANK = 1 ] && exit 9; sleep 300"
    launch = arb.start("launch", "-c", "x", "--infra", "local", "--num-nodes", "2", command)
    read_until(launch, "begun")
    os.killpg(launch.pid, signal.SIGKILL)
    launch.wait()
    job = eventually(
        lambda: [j for j in arb.json("queue", "x") if j["state"] == "FAILED"],
        what="the end",
        every_s=0.5,
    )[0]
    assert job["exit_code"] == 9
    assert [rank["exit_code"] is not None for rank in job["ranks"]][1]


def test_two_shells_launching_one_name_get_one_cluster(arb):
    wish = ("launch", "-c", "same", "--infra", "local", "--num-nodes", "2", "echo mine $$")
    both = [arb.start(*wish) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert len(arb.json("status")) == 1
    assert len(arb.machine_folders()) == 2
    assert sum("Using cluster same" in output for output in outputs) == 1
    assert len(arb.json("queue", "same")) == 2


def test_down_ends_a_launch_that_is_under_way(arb):
    configure(arb, SLOW_BOOT)
    launch = arb.start("launch", "-y", "-c", "x", "--infra", "local/moon", "true")
    wait_for_machine(arb)
    done = arb("down", "-y", "x")
    output, _ = launch.communicate(timeout=30)
    assert "Cluster x is gone" in done.stderr
    assert launch.returncode == 125
    assert "ended by another command" in output
    assert arb.machine_folders() == []
