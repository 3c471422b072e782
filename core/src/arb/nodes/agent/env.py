"""The environment of a job: what the user gave, and what tells a rank where it is."""

from __future__ import annotations

import json
import math
import os

from . import files, procs
from .protocol import AgentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping

_OURS = ("SSH_", "ARB_AGENT_", "XDG_", "SUDO_")
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NAME = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


def base() -> dict[str, str]:
    """Return the daemon's environment without what belongs to the session that started it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
    kept.setdefault("PATH", _DEFAULT_PATH)
    kept["HOME"] = files.home()
    kept.pop("ARB_BOOT_DIR", None)
    kept.pop("ARB_BOOT_ID_FILE", None)
    for name in (procs.MARK, "TERM", "OLDPWD", "PWD", "SHLVL", "_", "DISPLAY"):
        kept.pop(name, None)
    return kept


def check_names(names: Mapping[str, Any]) -> None:
    """Refuse variables that a shell cannot export.

    Raises:
        AgentError: A name is none, or a value holds a NUL or is not text.
    """
    for name, value in names.items():
        if not name or name[0].isdigit() or not _NAME.issuperset(name):
            raise AgentError("bad-env", f"{name!r} is not the name of an environment variable")
        if not isinstance(value, str) or "\0" in value:
            raise AgentError("bad-env", f"the value of {name} cannot be an environment variable")


def expand(path: str) -> str:
    """Return a path with a leading ``~`` replaced by the home folder."""
    if path == "~" or path.startswith("~/"):
        return files.home() + path[1:]
    return path


def of_rank(
    config: dict[str, Any], spec: dict[str, Any], job: int, rank: int, port: int
) -> dict[str, str]:
    """Return the variables of one rank, setup and run alike; secrets are not among them.

    Args:
        config: What ``configure`` stored.
        spec: The job.
        job: Its number.
        rank: Of this node within the job.
        port: For the rendezvous of the ranks.
    """
    nodes = sorted(config.get("nodes", ()), key=lambda node: int(node["rank"]))
    count = int(spec["num_nodes"])
    ips = "\n".join(str(node["ip"]) for node in nodes[:count]) or "127.0.0.1"
    info = config.get("info") or {"cluster_name": config.get("cluster", "")}
    values = {
        "NODE_IPS": ips,
        "NODE_RANK": str(rank),
        "NUM_NODES": str(count),
        "NUM_GPUS_PER_NODE": str(math.ceil(spec["gpus"])),
        "TASK_ID": spec["task_id"],
        "CLUSTER_INFO": json.dumps(info),
        "INTERNAL_JOB_ID": str(job),
        "USER": spec.get("user") or os.environ.get("USER") or os.environ.get("LOGNAME") or "root",
    }
    result = dict(spec["envs"])
    for name, value in values.items():
        result["SKYPILOT_" + name] = value
        result["ARB_" + name] = value
    for name in ("NODE_IPS", "NODE_RANK", "NUM_GPUS_PER_NODE"):
        result["SKYPILOT_SETUP_" + name] = values[name]
    result["ARB_RENDEZVOUS_PORT"] = str(port)
    return result
