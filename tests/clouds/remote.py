"""A simulated cloud in another process: started, controlled over HTTP, ended."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clouds.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CloudProcess", "RemoteCloud"]

_TESTS = Path(__file__).parents[1]


class RemoteCloud:
    """The methods of ``Cloud.CONTROLS`` and ``ledger``, of a cloud that runs at an address."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        return functools.partial(self._call, name)

    def ledger(self) -> Ledger:
        """Return a copy of the ledger."""
        return Ledger.from_plain(self._call("ledger"))

    def _call(self, name: str, /, **arguments: Any) -> Any:
        request = urllib.request.Request(
            f"{self.url}/_control/{name}",
            data=json.dumps(arguments).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise ValueError(json.loads(error.read())["error"]) from None
        return json.loads(text) if text else None


class CloudProcess(RemoteCloud):
    """A cloud in a process of its own, which outlives whoever it serves.

    Args:
        module: What to run, for instance ``clouds.spheron``.
        path: The cloud's folder.
    """

    def __init__(self, module: str, path: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(_TESTS)}
        command = [sys.executable, "-m", module, "--path", str(path)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            self.close()
            raise RuntimeError(f"{module} does not start")
        super().__init__(json.loads(line)["url"])

    def close(self) -> None:
        """End the process, which ends every machine."""
        self._process.communicate()  # the end of its input is its end
