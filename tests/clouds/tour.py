"""The guide's story, to watch: ``python3 dev.py market``.

Four simulated clouds over HTTP, whose machines are real SSH nodes of this computer, and the commands of
somebody who has accounts with all of them. Time is the clouds': what takes minutes there passes at once.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from clouds.market import Market

if TYPE_CHECKING:
    from clouds.command import CloudArb

__all__ = ["TASK", "Tour", "main"]

TASK = """\
name: chat-70b
resources:
  accelerators: H100:8
  use_spot: prefer
  any_of: [{infra: aws}, {infra: gcp}, {infra: lambda}, {infra: spheron}]
envs: {MODEL: meta-llama/Meta-Llama-3.1-70B-Instruct}
setup: echo set up once
run: echo "$MODEL runs on $ARB_NUM_NODES node"
"""
_MINUTES = 60.0


class Tour:
    """Commands and what the clouds do between them, told as they happen.

    Args:
        market: The clouds.
        arb: The command of a home with accounts at all of them.
    """

    def __init__(self, market: Market, arb: CloudArb) -> None:
        self._market = market
        self._arb = arb
        self._arb.write("chat-70b.yaml", TASK)

    def run(self) -> None:
        """Look, buy where it is cheapest, lose that cloud, buy at the next one, give all back."""
        self._look()
        self._tell("somebody else takes all that Spheron has: the price list does not know yet")
        self._market["spheron"].set_capacity("*", 0)
        self.arb("launch", "--yes", "--cluster", "chat", "chat-70b.yaml")
        self.arb("why", "chat")
        self.arb("exec", "chat", "echo still warm")
        self._tell("20 minutes pass")
        self._market.advance(20 * _MINUTES)
        self.arb("status")
        self.arb("down", "--yes", "--all")
        self.arb("cost")

    def _look(self) -> None:
        self.arb("plugins")
        self.arb("check")
        self.arb("gpus", "H100:8")
        self.arb("plan", "chat-70b.yaml", "--limit", "8")

    def arb(self, *arguments: str) -> None:
        """Run one command before the eyes of whoever watches.

        Raises:
            CalledProcessError: It failed, which is not part of the story.
        """
        print("\n$ arb", *arguments, flush=True)
        command = [*self._arb.command, *arguments]
        env, root = self._arb.env, self._arb.root
        subprocess.run(command, env=env, cwd=root, stderr=subprocess.STDOUT, check=True)

    def _tell(self, what: str) -> None:
        print(f"\n# {what}", flush=True)


def main() -> None:
    """Show the story; fail when a cloud still bills anything afterwards."""
    with tempfile.TemporaryDirectory(prefix="arb-tour-") as folder:
        market = Market(Path(folder) / "market")
        arb = market.arb(Path(folder))
        try:
            Tour(market, arb).run()
        finally:
            arb.close()
            market.give_back(arb)
            market.close()
        print(f"\n# nothing is left; the clouds' own ledgers say ${market.usd():.4f} was spent")


if __name__ == "__main__":
    sys.exit(main())
