"""Running a simulated cloud by hand or for another process: ``python -m clouds.NAME``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from clouds.http import CloudServer

if TYPE_CHECKING:
    from clouds.cloud import Cloud

__all__ = ["main"]


def main(kind: type[Cloud]) -> None:
    """Serve a cloud until a signal comes or standard input ends; print where it is, as JSON."""
    parser = argparse.ArgumentParser(description=kind.__doc__)
    parser.add_argument("--port", type=int, default=0, help="a free one by default")
    parser.add_argument(
        "--path", type=Path, help="folder for clock and machines; a new one by default"
    )
    options = parser.parse_args()
    path = options.path or Path(tempfile.mkdtemp(prefix=f"{kind.__name__.lower()}-"))
    server = CloudServer(kind(path), options.port)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    print(json.dumps({"url": server.url, "path": str(path)}), flush=True)
    threading.Thread(target=_await_input, args=(ended,), daemon=True).start()
    ended.wait()
    server.close()


def _await_input(ended: threading.Event) -> None:
    """End with the process that started this one, however that ends. A terminal never does."""
    if not sys.stdin.isatty():
        sys.stdin.read()
        ended.set()
