"""What the daemon can be asked; see docs/agent-protocol.md."""

from __future__ import annotations

import os
import signal
import time

from . import (
    PROTO,
    VERSION,
    boot_id,
    configure,
    env,
    files,
    gang_peer,
    install,
    procs,
    rendezvous,
)
from .jobs import read_spec
from .protocol import AgentError, answer, item

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from .daemon import Daemon
    from .jobs import Job
    from .lines import Connection


class Context:
    """One request.

    Attributes:
        daemon: Who serves it.
        connection: Where it came from.
        request: Its fields.
        closers: Called when the connection ends.
    """

    def __init__(self, daemon: Daemon, connection: Connection, request: dict[str, Any]) -> None:
        self.daemon = daemon
        self.connection = connection
        self.request = request
        self.closers: list[Callable[[], None]] = []


def record_event(kind: str, data: dict[str, Any]) -> None:
    """Append to the node's own record of events."""
    import json

    files.append(files.EVENTS, json.dumps({"at": time.time(), "kind": kind, **data}) + "\n")


def run_hook(job: Job, name: str) -> None:
    """Run a job's hook script, if it has one, beside the job; its output goes to the job's log."""
    script = (job.spec.get("hooks") or {}).get(name)
    if not script:
        return
    files.write(job.path("hook.sh"), ". ./env.sh\n" + script + "\n")
    fd = os.open(job.path("log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    variables = env.base()
    variables[procs.MARK] = "{}.run".format(job.state["mark"])
    variables["ARB_HOOK"] = name
    procs.spawn(["/bin/sh", "hook.sh"], variables, job.folder, (null, fd, fd))
    os.close(fd)
    os.close(null)


def status(context: Context) -> dict[str, Any]:
    """Describe node and daemon."""
    daemon = context.daemon
    config = daemon.config
    return {
        "agent": VERSION,
        "proto": PROTO,
        "digest": install.digest(),
        "pid": os.getpid(),
        "uptime_s": time.time() - daemon.started_at,
        "idle_s": daemon.idle.idle_s(),
        "jobs_active": sum(1 for job in daemon.jobs if not job.final),
        "notice": daemon.notice.notice,
        "cluster": config.get("cluster"),
        "cluster_id": config.get("cluster_id"),
        "rank": config.get("rank"),
        "boot_id": boot_id.current(),
        "gpus": config.get("gpus_per_node", 0),
        "cpu_s": time.process_time(),
        "rss_mib": procs.resident_mib(),
    }


def do_configure(context: Context) -> dict[str, Any]:
    """Learn the cluster; a node that changes clusters forgets the jobs of the old one."""
    daemon, request = context.daemon, context.request
    before = daemon.config.get("cluster_id")
    if before and before != request.get("cluster_id"):
        if daemon.is_busy():
            raise AgentError(
                "busy",
                "this node still runs jobs of cluster {}".format(daemon.config.get("cluster")),
                "cancel them first",
            )
        daemon.jobs.clear()
    nodes = daemon.config.get("nodes")
    config = configure.store(request)
    # In place: running jobs hold the same dictionary.
    daemon.config.clear()
    daemon.config.update(config)
    daemon.notice.configure(config.get("notice_probe"))
    if nodes != config["nodes"]:
        daemon.restart_links()
    daemon.schedule()
    return {"rank": config["rank"]}


def submit(context: Context) -> dict[str, Any]:
    """Queue a job, once a token."""
    daemon = context.daemon
    spec, secrets = read_spec(context.request)
    known = daemon.jobs.by_token(spec["token"])
    if known is not None:
        return {"job": known.id, "known": True}
    _check_fits(daemon.config, spec)
    job = daemon.jobs.add(spec, secrets)
    if not spec["task_id"]:
        stamp = time.strftime("%Y-%m-%d-%H-%M-%S", time.gmtime())
        cluster = daemon.config.get("cluster") or "node"
        spec["task_id"] = f"arb-{stamp}_{cluster}_{job.id}"
        files.write_json(job.path("spec.json"), spec)
    daemon.schedule()
    return {"job": job.id, "known": False}


def _check_fits(config: dict[str, Any], spec: dict[str, Any]) -> None:
    have = int(config.get("num_nodes") or 1)
    if spec["num_nodes"] > have:
        raise AgentError(
            "too-many-nodes",
            f"the job wants {spec['num_nodes']} nodes, the cluster has {have}",
        )
    gpus = config.get("gpus_per_node") or 0
    if spec["gpus"] > gpus:
        raise AgentError(
            "too-many-gpus",
            "on each node the job wants {:g} of {:g} GPUs".format(spec["gpus"], gpus),
        )


def list_jobs(context: Context) -> dict[str, Any]:
    """List all jobs, the oldest first."""
    return {"jobs": [job.summary() for job in context.daemon.jobs]}


def show_job(context: Context) -> dict[str, Any]:
    """Describe one job."""
    return context.daemon.jobs.get(context.request.get("job")).summary()


def cancel(context: Context) -> dict[str, Any]:
    """End jobs; those that have ended already are left as they are."""
    daemon, request = context.daemon, context.request
    if request.get("all"):
        chosen = list(daemon.jobs)
    else:
        chosen = [daemon.jobs.get(number) for number in request.get("jobs") or ()]
    open_ones = [job for job in chosen if not job.final]
    for job in open_ones:
        daemon.cancel(job, "cancelled on request")
    return {"jobs": [job.id for job in open_ones]}


def front_end(context: Context) -> dict[str, Any] | None:
    """Note that a front end came; one of a newer agent asks this one to make room."""
    other, version = str(context.request.get("digest")), str(context.request.get("agent"))
    mine = (install.number(VERSION), install.digest())
    folder = os.path.abspath(os.path.join(install.AGENTS, other))
    newer = install.number(version) >= mine[0] and other != mine[1]
    if newer and install.is_whole(folder):
        python = files.read(os.path.join(folder, "python")).strip()
        context.daemon.replacement = install.start(python, folder, "serve")
        context.daemon.schedule()
    return None


def end_when_idle(context: Context) -> dict[str, Any]:
    """Learn how this node ends its own billing, ``idle_s`` after its last job."""
    request = context.request
    command, idle_s = request.get("command") or "", request.get("idle_s") or 0
    if not isinstance(command, str) or not isinstance(idle_s, (int, float)):
        raise AgentError("bad-request", "end_when_idle takes a command and a number of seconds")
    context.daemon.ending.set(command, idle_s)
    return {}


def shutdown(context: Context) -> dict[str, Any]:
    """End the daemon; jobs run on and are adopted by the next one."""
    context.daemon.loop.later(0.05, lambda: os.kill(os.getpid(), signal.SIGTERM))
    return {}


def gang_prepare(context: Context) -> dict[str, Any]:
    """Begin to prepare this node's rank of a gang, once a token."""
    daemon = context.daemon
    job, new = gang_peer.accept(daemon.jobs, daemon.config, context.request)
    if new:
        daemon.control(job).start()
    return gang_peer.describe(job)


def _gang_job(context: Context) -> Job:
    job = context.daemon.jobs.get(context.request.get("job"))
    token = context.request.get("gang_token")
    if token is not None and (job.state.get("gang") or {}).get("token") != token:
        raise AgentError("no-such-job", "this node has another job of this number")
    return job


def gang_lease(context: Context) -> dict[str, Any]:
    """Renew the lease of this node's rank, and hear what the head wants of it."""
    job = _gang_job(context)
    controller = context.daemon.controllers.get(job.id)
    if controller is not None:
        request = context.request
        controller.lease(str(request.get("want")), str(request.get("reason") or ""))
    return gang_peer.describe(job)


def gang_watch(context: Context) -> None:
    """Send an item for each change of this node's rank, until the connection ends."""
    watched = _gang_job(context)
    number, connection = context.request.get("id"), context.connection

    def tell(job: Job) -> None:
        if job is watched:
            connection.send(item(number, gang_peer.describe(job)))

    context.closers.append(context.daemon.watch(tell))
    tell(watched)


def ping_port(context: Context) -> None:
    """Try to reach a port of the head; the answer's ``problem`` is empty when it worked."""
    number, connection = context.request.get("id"), context.connection

    def done(problem: str) -> None:
        connection.send(answer(number, {"problem": problem}))

    host, port = str(context.request["host"]), int(context.request["port"])
    rendezvous.Knock(context.daemon.loop, host, port, done)


TABLE: dict[str, Callable[[Context], dict[str, Any] | None]] = {
    "status": status,
    "configure": do_configure,
    "submit": submit,
    "jobs": list_jobs,
    "job": show_job,
    "cancel": cancel,
    "front_end": front_end,
    "end_when_idle": end_when_idle,
    "shutdown": shutdown,
    "gang_prepare": gang_prepare,
    "gang_lease": gang_lease,
    "gang_watch": gang_watch,
    "ping_port": ping_port,
}


def run(context: Context) -> dict[str, Any] | None:
    """Serve one request; None when the answer comes later or never.

    Raises:
        AgentError: It cannot be served.
    """
    name = str(context.request.get("op"))
    if name not in TABLE:
        raise AgentError(
            "unknown-op",
            f"agent {VERSION} does not know {name!r}",
            "the client is newer than the agent, which is replaced when no job runs",
        )
    return TABLE[name](context)
