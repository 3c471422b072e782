"""The main job: a two-node task over SSH, from the first command to the last."""

from __future__ import annotations

import re

TWO_NODES = """
name: pair
num_nodes: 2
workdir: {workdir}
envs:
  GREETING: hello
resources:
  cloud: local
setup: |
  echo "setup on $SKYPILOT_SETUP_NODE_RANK" && echo prepared > prepared.txt
run: |
  echo "$GREETING from rank $SKYPILOT_NODE_RANK of $SKYPILOT_NUM_NODES"
  cat data.txt prepared.txt
  echo "head is $(head -n1 <<< "$SKYPILOT_NODE_IPS")"
"""


def two_nodes(arb):
    arb.write("work/data.txt", "from the workdir\n")
    return arb.write("task.yaml", TWO_NODES.format(workdir=arb.root / "work"))


def test_both_ranks_stream_their_output(arb):
    done = arb("launch", "-c", "pair", two_nodes(arb))
    for rank in (0, 1):
        printed = [line for line in done.stdout.splitlines() if line.startswith(f"(rank {rank}) ")]
        text = "\n".join(line.removeprefix(f"(rank {rank}) ") for line in printed)
        assert re.fullmatch(
            rf"setup on {rank}\nhello from rank {rank} of 2\n"
            r"from the workdir\nprepared\nhead is 127\.\d+\.\d+\.\d+",
            text,
        )
    assert "Job 1 succeeded" in done.stderr


def test_exec_uses_the_cluster_and_relaunch_buys_nothing(arb):
    arb("launch", "-c", "pair", two_nodes(arb))
    before = arb.json("status")
    warm = arb("exec", "pair", "--num-nodes", "2", "cat prepared.txt 2>/dev/null || pwd")
    again = arb("launch", "-c", "pair", two_nodes(arb), "--env", "GREETING=bye")
    assert warm.stdout.count("(rank ") == 2
    assert "Using cluster pair" in again.stderr
    assert "bye from rank 1 of 2" in again.stdout
    nodes = [node["instance_id"] for node in arb.json("status")[0]["nodes"]]
    assert nodes == [node["instance_id"] for node in before[0]["nodes"]]
    assert len(nodes) == 2


def test_a_failing_rank_stops_the_other_and_gives_its_code(arb):
    command = "[ $SKYPILOT_NODE_RANK = 1 ] && exit 7; sleep 300"
    done = arb("launch", "-c", "f", "--infra", "local", "--num-nodes", "2", command, code=7)
    assert "Job 1 failed" in done.stderr
    assert arb.json("queue", "f")[0]["state"] == "FAILED"


def test_down_leaves_nothing(arb):
    arb("launch", "-c", "one", "--infra", "local", "(setsid sleep 1000 &) ; true")
    assert arb.node_processes()
    assert arb.machine_folders()
    arb("down", "--all", "--yes")
    assert arb.node_processes() == []
    assert arb.machine_folders() == []
    assert arb.json("status") == []
    costs = arb.json("cost")
    assert [machine["running"] for machine in costs["machines"]] == [False]


def test_the_exit_code_is_the_tasks_own(warm):
    warm("exec", "train", "true")
    warm("exec", "train", "exit 43", code=43)
    warm("logs", "train", "1", code=42)


def test_a_missing_cluster_names_the_closest(warm):
    done = warm("exec", "trian", "true", code=2)
    assert "did you mean 'train'?" in done.stderr


def test_owned_machines_must_be_asked_for_by_name(arb):
    done = arb("launch", "-c", "any", "echo hi", code=3)
    assert "--infra local" in done.stderr
    assert arb.json("status") == []
