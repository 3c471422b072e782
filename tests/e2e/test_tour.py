"""What ``python3 dev.py market`` shows is true: it is run, and its own end says that nothing is left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ORDER = (
    "$ arb check",
    "$ arb gpus H100:8",
    "# somebody else takes all that Spheron has",
    "1. spheron ",
    "   spheron has no ",
    "3. aws p5.48xlarge in us-east-1/use1-az4 spot at $16.35/h",
    "meta-llama/Meta-Llama-3.1-70B-Instruct runs on 1 node",
    "$ arb why chat",
    "still warm",
    "# 20 minutes pass",
    "Cluster chat is gone",
    "# nothing is left; the clouds' own ledgers say $5.4",
)


@pytest.mark.slow
def test_the_story_of_four_clouds_is_told_in_its_order():
    pytest.importorskip("moto", reason="the simulated AWS stands on it")
    pytest.importorskip("googleapiclient", reason="its documents say what Google's API is")
    done = subprocess.run(
        [sys.executable, "-m", "clouds.tour"],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    places = [done.stdout.find(told) for told in ORDER]
    assert -1 not in places, (ORDER[places.index(-1)], done.stdout)
    assert places == sorted(places), done.stdout
