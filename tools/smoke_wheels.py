"""Use installed wheels as a user would: ``python -I smoke_wheels.py WHEEL...``, away from the sources."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from importlib.metadata import distribution
from pathlib import Path

SCRIPTS = Path(sysconfig.get_path("scripts"))
SITE = Path(sysconfig.get_path("purelib")).resolve()


def main(wheels: list[str]) -> None:
    """Check every distribution, then run a task on nodes of this machine."""
    names = [wheel.split("-")[0] for wheel in wheels]
    for name in names:
        check_files(name)
    check_plugins(names)
    try:
        output = arb("launch", "--yes", "-c", "smoke", "--infra", "local", "--num-nodes", "2", TASK)
    finally:
        arb("down", "--yes", "smoke")
    expect("wheel rank 0 of 2", output)
    expect("wheel rank 1 of 2", output)
    print(f"{', '.join(names)}: installed from wheels, and a task ran on two nodes")


TASK = "echo wheel rank $ARB_NODE_RANK of $ARB_NUM_NODES"


def check_files(name: str) -> None:
    """Check that a distribution is installed here, whole, and not a link to its sources."""
    installed = distribution(name)
    files = {str(file): file.locate() for file in installed.files or ()}
    package = "arb" if name == "arb_core" else name
    outside = [path for path in files if not (SITE / path).exists()]
    expect(f"{package}/py.typed", list(files))
    expect("LICENSE", " ".join(files))
    if outside:
        sys.exit(f"{name}: not in {SITE}: {outside[:3]}")


def check_plugins(names: list[str]) -> None:
    """Check that every distribution but the core brings plugins, and that all of them load."""
    plugins = json.loads(arb("plugins", "--json", show=False))
    broken = [plugin for plugin in plugins if plugin["state"] not in {"ok", "installed"}]
    if broken:
        sys.exit(f"plugins that do not load: {broken}")
    bringing = {plugin["distribution"].replace("-", "_") for plugin in plugins}
    print(f"{len(plugins)} plugins of {', '.join(sorted(bringing))}")
    for name in names:
        expect(name, [*bringing, "arb_core"])


def arb(*arguments: str, show: bool = True) -> str:
    """Run one command, show what it said, and return its output."""
    print("$ arb", *arguments, flush=True)
    done = subprocess.run(
        [SCRIPTS / "arb", *arguments], stdout=subprocess.PIPE, text=True, check=False
    )
    if show:
        print(done.stdout, flush=True)
    if done.returncode:
        sys.exit(f"arb {arguments[0]} ended with {done.returncode}")
    return done.stdout


def expect(wanted: str, where: str | list[str]) -> None:
    """Fail when something is not there."""
    if wanted not in where:
        sys.exit(f"{wanted!r} is not in {where}")


if __name__ == "__main__":
    main(sys.argv[1:])
