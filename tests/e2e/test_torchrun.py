"""Real torchrun finds its rank, its peers and the master in the injected variables."""

from __future__ import annotations

import sys

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import os
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
value = torch.tensor([float(dist.get_rank() + 1)])
dist.all_reduce(value)
print(f"rank {dist.get_rank()} of {dist.get_world_size()} has sum {value.item():g}", flush=True)
dist.destroy_process_group()
"""

TASK = """
name: allreduce
num_nodes: 2
workdir: {workdir}
resources: {{cloud: local}}
run: |
  {python} -m torch.distributed.run --nproc_per_node=2 --nnodes=$SKYPILOT_NUM_NODES \
    --node_rank=$SKYPILOT_NODE_RANK --master_port=29512 \
    --master_addr=$(head -n1 <<< "$SKYPILOT_NODE_IPS") allreduce.py
"""


def test_torchrun_all_reduces_over_two_nodes(arb):
    pytest.importorskip("torch")
    arb.write("work/allreduce.py", SCRIPT)
    task = arb.write("task.yaml", TASK.format(workdir=arb.root / "work", python=sys.executable))
    done = arb("launch", "-c", "torch", task)
    for rank in range(4):
        assert f"rank {rank} of 4 has sum 10" in done.stdout
