"""Use one provider's wheel beside the core and nothing else: ``python -I smoke_provider.py WHEEL``.

What a package uses but does not declare is often brought by another one; here nothing else is there.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import subprocess
import sys
import sysconfig
from importlib.metadata import distribution
from pathlib import Path

SCRIPTS = Path(sysconfig.get_path("scripts"))
UNDERSTOOD = {0, 1, 3, 4}
"""Exit codes of a command that did its work: well, with a finding, nothing to buy, no credentials."""


def main(wheel: str) -> None:
    """Import every module, then ask the commands that need no account."""
    package = wheel.split("-", maxsplit=1)[0]
    modules = import_all(package)
    entries = distribution(package).entry_points.select(group="arb.providers")
    providers = {entry.name for entry in entries}
    listed = json.loads(arb("plugins", "--json"))
    offered = {each["name"] for each in listed if each["group"] == "arb.providers"}
    if not providers or offered != providers:
        sys.exit(f"{package}: offers {sorted(providers)}, arb plugins lists {sorted(offered)}")
    arb("refresh")
    arb("check")
    arb("gpus", "--json")
    arb("status", "--json")
    print(f"{package}: {modules} modules and five commands with nothing but arb-core beside it")


def import_all(package: str) -> int:
    """Import every module of a package; return how many there are."""
    root = importlib.import_module(package)
    names = [module.name for module in pkgutil.walk_packages(root.__path__, f"{package}.")]
    for name in names:
        importlib.import_module(name)
    return len(names) + 1


def arb(*arguments: str) -> str:
    """Run one command without any account; return its output, or end where it broke."""
    env = {name: os.environ[name] for name in ("PATH", "HOME", "ARB_HOME") if name in os.environ}
    done = subprocess.run(
        [SCRIPTS / "arb", *arguments], env=env, capture_output=True, text=True, check=False
    )
    if done.returncode not in UNDERSTOOD or "Traceback" in done.stderr:
        told = f"{done.stdout}\n{done.stderr}"
        sys.exit(f"arb {' '.join(arguments)} ended with {done.returncode}:\n{told}")
    return done.stdout


if __name__ == "__main__":
    main(sys.argv[1])
