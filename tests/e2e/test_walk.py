"""Falling through, why it did, and a state that was lost, with the real command."""

from __future__ import annotations

MARKET = """
provider_options:
  local:
    simulated:
      - {instance_type: sim.cheap, price_usd_hour: 2, regions: {west: [a]}, capacity: 0}
      - {instance_type: sim.dear, price_usd_hour: 3, regions: {east: [a]}}
"""


def test_a_launch_says_what_it_tries_and_why_tells_it_afterwards(arb):
    arb.home.mkdir()
    (arb.home / "config.yaml").write_text(MARKET)
    wish = ("launch", "-y", "-c", "x", "--infra", "local", "--cpus", "4", "--memory", "16")

    done = arb(*wish, "true")
    told = arb("why", "x").stdout

    tries = ["1. local sim.cheap (simulated) in west/a at $2.00/h", "no capacity for sim.cheap"]
    tries += ["2. local sim.dear (simulated) in east/a at $3.00/h"]
    for line in tries:
        assert line in done.stderr
        assert line in told
    arb("down", "-y", "x")
    assert all(line in arb("why", "x").stdout for line in tries)


def test_a_state_that_was_lost_leaves_no_machine(arb):
    arb("launch", "-c", "x", "--infra", "local/local", "--num-nodes", "2")
    assert len(arb.machine_folders()) == 2
    for path in arb.home.glob("state.db*"):
        if path.name != "state.db.owner":
            path.unlink()

    done = arb("status")

    assert "The state of this ARB_HOME was lost: looking for its machines" in done.stderr
    assert arb.machine_folders() == []
    assert arb.json("reap", "--yes")["ended"] == []
