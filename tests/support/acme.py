"""A provider that somebody else wrote: the example, renamed as CONTRIBUTING.md says, as its wheel installs."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from clouds.nodes import Nodes
from clouds.userdata import UserData

__all__ = ["AcmeCloud", "installed", "renamed"]

_ROOT = Path(__file__).resolve().parents[2]
_NAMES = {"arb_example": "arb_acme", "arb-example": "arb-acme", "Example": "Acme"}
_NAMES |= {"EXAMPLE_": "ACME_"}
_PORTS = {
    'example = "arb_acme.plugin"': 'acme = "arb_acme.plugin"',
    'address="192.0.2.1"': 'address=row.get("address", "")',
    "else InstanceState.RUNNING": (
        'else InstanceState.RUNNING if row.get("address") else InstanceState.PENDING'
    ),
    'user="ubuntu")': 'user="ubuntu", port=2222)',
}
"""What makes the copy a cloud of machines that one can log in to."""
_LOOK_S = 0.05


def renamed(folder: Path) -> Path:
    """Copy the example below a folder, under another name, and return where it is."""
    copy = folder / "arb-acme"
    shutil.copytree(_ROOT / "examples" / "arb-example", copy)
    (copy / "src" / "arb_example").rename(copy / "src" / "arb_acme")
    _replace(copy, _NAMES)
    return copy


def installed(source: Path, folder: Path) -> Path:
    """Build a wheel, install it alone below a folder as pip does, and return where."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "wheel", *offline, "-w", folder, source], check=True)
    (wheel,) = folder.glob("*.whl")
    target = folder / "site"
    subprocess.run([*pip, "install", *offline, "--target", target, wheel], check=True)
    return target


class AcmeCloud:
    """The cloud of the copy: a file that its plugin writes orders to, and machines that follow.

    Args:
        folder: One of its own. ``site`` is where the plugin is installed, ``env`` what it needs.
    """

    def __init__(self, folder: Path) -> None:
        source = renamed(folder)
        _replace(source, _PORTS)
        self.site = installed(source, folder)
        self.path = folder / "cloud.json"
        self.env = {"ACME_API_KEY": "team-1:not-a-secret", "ACME_CLOUD": str(self.path)}
        self._nodes = Nodes(folder / "room", sshd="none")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def machines(self) -> list[dict[str, Any]]:
        """Return what was ever made."""
        text = self.path.read_text() if self.path.exists() else ""
        return list(json.loads(text)["machines"].values()) if text else []

    def close(self) -> None:
        """End every machine."""
        self._ended.set()
        self._thread.join()
        self._nodes.close()

    def _follow(self) -> None:
        while not self._ended.wait(_LOOK_S):
            if self.path.exists():
                self._look()

    def _look(self) -> None:
        """Make the machines that were ordered and end those that are given back."""
        with self.path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            text = file.read()
            cloud = json.loads(text) if text else {"machines": {}}
            for name, row in cloud["machines"].items():
                if "address" not in row:
                    node = self._nodes.make(name, UserData(authorized_keys=(row["key"],)))
                    row |= {"address": node.address, "node": node.id}
                elif row["gone_at"] and row["node"]:
                    self._nodes.end(row["node"])
                    row["node"] = ""
            if text and (now := json.dumps(cloud)) != text:
                file.seek(0)
                file.truncate()
                file.write(now)


def _replace(copy: Path, names: dict[str, str]) -> None:
    """Replace texts in a package; each must be there."""
    unseen = set(names)
    for path in [*copy.rglob("*.py"), copy / "pyproject.toml"]:
        text = path.read_text()
        for old, new in names.items():
            if old in text:
                unseen.discard(old)
                text = text.replace(old, new)
        path.write_text(text)
    assert not unseen, f"the example says no longer: {sorted(unseen)}"
