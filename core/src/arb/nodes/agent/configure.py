"""What a node is told about its cluster."""

from __future__ import annotations

import os

from . import files
from .protocol import AgentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SSH_PORT = 22
RENDEZVOUS_PORT = 29500
KEY_FILE = os.path.join(files.GANG, "id")
ARMED_FILES = ("/var/lib/arb/armed", "~/.arb/armed")
"""What user data, or a provider without it, leaves: see ``arb.nodes.user_data``."""
KNOWN_HOSTS = os.path.join(files.GANG, "known_hosts")
KEPT_WORKDIR = "kept-workdir"
"""Exists when the workdir is older than the agent: it is not ours to remove."""

FIELDS = (
    "cluster",
    "cluster_id",
    "rank",
    "num_nodes",
    "gpus_per_node",
    "nodes",
    "notice_probe",
    "info",
    "rendezvous_port",
    "lease_s",
    "grace_s",
)
_GANG_NAME = "arb-gang-"
"""How the comment of a gang's key begins."""
_NODE_FIELDS = ("rank", "host", "port", "user", "ip", "host_key")


def read_config() -> dict[str, Any]:
    """Return what was stored, empty before the first ``configure``."""
    return dict(files.read_json(files.CONFIG) or {})


def store(request: dict[str, Any]) -> dict[str, Any]:
    """Write a node's configuration and keys, and return what daemons keep in memory.

    Raises:
        AgentError: A field is missing.
    """
    config = {name: request.get(name) for name in FIELDS}
    for name in ("cluster", "cluster_id", "rank", "num_nodes"):
        if config[name] is None:
            raise AgentError("bad-request", f"configure needs the field {name!r}")
    config["gpus_per_node"] = config["gpus_per_node"] or 0
    config["rendezvous_port"] = config["rendezvous_port"] or RENDEZVOUS_PORT
    nodes = [{k: n.get(k) for k in _NODE_FIELDS} for n in request.get("nodes") or ()]
    config["nodes"] = nodes
    if request.get("gang_private_key"):
        files.write(KEY_FILE, request["gang_private_key"])
    files.write(KNOWN_HOSTS, "".join(_known_host(node) for node in nodes))
    if request.get("gang_public_key"):
        authorize(request["gang_public_key"], request["cluster_id"])
    if not os.path.exists(files.CONFIG) and os.path.lexists(workdir()):
        files.write(KEPT_WORKDIR, "")
    files.write_json(files.CONFIG, config, sync=True)
    disarm()
    return config


def workdir() -> str:
    """Return the folder that a client copies a task's files to."""
    return os.path.join(files.home(), "sky_workdir")


def disarm() -> None:
    """Stop the bring-up timer: somebody wants this machine. Its file may be in either place."""
    for path in ARMED_FILES:
        files.remove(os.path.expanduser(path))


def _known_host(node: dict[str, Any]) -> str:
    if not node["host_key"]:
        return ""
    host, port = node["host"], int(node["port"] or SSH_PORT)
    name = host if port == SSH_PORT else f"[{host}]:{port}"
    return "{} {}\n".format(name, " ".join(str(node["host_key"]).split()[:2]))


def authorize(public_key: str, cluster_id: str) -> None:
    """Let the head's gang key run the agent's front end here, and nothing else.

    One line, replaced by each ``configure``; other lines are left as they are.
    """
    os.makedirs(os.path.join(files.home(), ".ssh"), 0o700, exist_ok=True)
    launcher = os.path.join(files.home(), ".arb", "bin", "arb-agent")
    key = " ".join(public_key.split()[:2])
    _keep_one(f'restrict,command="{_quoted(launcher)} rpc" {key} {_GANG_NAME}{cluster_id}')


def unauthorize() -> None:
    """Take back what ``authorize`` did."""
    _keep_one("")


def _keep_one(line: str) -> None:
    """Let a line be the only one of gangs in authorized_keys, or none when it is empty."""
    path = os.path.realpath(os.path.join(files.home(), ".ssh", "authorized_keys"))
    old = files.read(path).splitlines()
    new = [text for text in old if not text.rpartition(" ")[2].startswith(_GANG_NAME)]
    new += [line] if line else []
    if new != old:
        mode = os.stat(path).st_mode & 0o777 if old else 0o600
        files.write(path, "".join(text + "\n" for text in new), mode=mode)


def _quoted(path: str) -> str:
    """Return a path for the shell inside the double quotes of an authorized_keys option."""
    return "'{}'".format(path.replace("'", "'\\''").replace('"', '\\"'))
