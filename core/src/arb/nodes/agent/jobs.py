"""Jobs on disk: one folder each, so that any daemon can carry on where another one died."""

from __future__ import annotations

import os
import time

from . import env, files
from .protocol import AgentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

PENDING = "PENDING"
SETTING_UP = "SETTING_UP"
PREPARED = "PREPARED"
RUNNING = "RUNNING"
SUCCEEDED = "SUCCEEDED"
FAILED = "FAILED"
FAILED_SETUP = "FAILED_SETUP"
FAILED_PRECHECK = "FAILED_PRECHECK"
CANCELLED = "CANCELLED"
GANG_LOST = "GANG_LOST"
LOST = "LOST"

ACTIVE = frozenset((SETTING_UP, PREPARED, RUNNING))
FINAL = frozenset((SUCCEEDED, FAILED, FAILED_SETUP, FAILED_PRECHECK, CANCELLED, GANG_LOST, LOST))

_DEFAULTS: dict[str, Any] = {
    "token": "",
    "name": "",
    "run": "",
    "setup": "",
    "envs": {},
    "workdir": "~/sky_workdir",
    "num_nodes": 1,
    "gpus": 0,
    "task_id": "",
    "user": "",
    "hooks": {},
    "grace_s": None,
}
"""Fields of a job's specification; secrets are a field of the request only."""


def read_spec(request: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return specification and secrets of a request.

    Raises:
        AgentError: A field has the wrong type, or a variable cannot be exported.
    """
    spec = {k: request[k] if request.get(k) is not None else v for k, v in _DEFAULTS.items()}
    secrets = request.get("secrets") or {}
    for name, default in _DEFAULTS.items():
        kind = (int, float, type(None)) if name in ("gpus", "grace_s") else type(default)
        if not isinstance(spec[name], kind):
            raise AgentError("bad-request", f"field {name!r} of a job has the wrong type")
    if spec["num_nodes"] < 1 or spec["gpus"] < 0:
        raise AgentError("bad-request", "a job needs one node or more and no negative GPUs")
    for values in (spec["envs"], secrets):
        env.check_names(values)
    return spec, secrets


class Job:
    """One job as it is on disk.

    Attributes:
        id: Its number.
        spec: What was asked, without secrets.
        state: What became of it; ``save`` writes it.
    """

    def __init__(self, number: int, spec: dict[str, Any], state: dict[str, Any]) -> None:
        self.id = number
        self.spec = spec
        self.state = state

    @property
    def folder(self) -> str:
        """Return its folder, relative to ``~/.arb``."""
        return os.path.join(files.JOBS, str(self.id))

    def path(self, name: str) -> str:
        """Return the path of one of its files."""
        return os.path.join(self.folder, name)

    @property
    def status(self) -> str:
        """Return the state of the whole job."""
        return str(self.state["state"])

    @property
    def final(self) -> bool:
        """Return whether it has ended."""
        return self.status in FINAL

    def save(self, **changes: Any) -> None:
        """Change fields of the state, and write it."""
        self.state.update(changes)
        files.write_json(self.path("state.json"), self.state)

    def finish(self, state: str, reason: str = "", exit_code: int | None = None) -> None:
        """Record how the whole job ended, and forget its secrets."""
        self.forget_secrets()
        self.save(state=state, reason=reason, exit_code=exit_code, ended_at=time.time())

    def secrets(self) -> dict[str, str]:
        """Return the secrets that are still kept."""
        return dict(files.read_json(self.path("secrets.json")) or {})

    def forget_secrets(self) -> None:
        """Remove every secret from the disk, also what a killed daemon left half written."""
        _forget_secrets(self.folder)

    def summary(self) -> dict[str, Any]:
        """Return what clients see."""
        keys = ("state", "reason", "exit_code", "submitted_at", "started_at", "ended_at", "ranks")
        seen = {key: self.state.get(key) for key in keys}
        spec = {key: self.spec[key] for key in ("name", "num_nodes", "gpus", "task_id", "user")}
        return {"job": self.id, **spec, **seen}


class JobStore:
    """All jobs of this node."""

    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}
        self._tokens: dict[str, int] = {}
        for name in sorted(os.listdir(files.JOBS), key=lambda n: (len(n), n)):
            self._load(name)

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))

    def get(self, number: Any) -> Job:
        """Return one job.

        Raises:
            AgentError: There is none of this number.
        """
        job = self._jobs.get(number) if isinstance(number, int) else None
        if job is None:
            raise AgentError(
                "no-such-job", f"there is no job {number}", "arb queue CLUSTER lists them"
            )
        return job

    def by_token(self, token: str) -> Job | None:
        """Return the job that was made for a token."""
        number = self._tokens.get(token)
        return None if number is None else self._jobs[number]

    def add(
        self, spec: dict[str, Any], secrets: dict[str, str], number: int | None = None, **state: Any
    ) -> Job:
        """Store a new job, so that a power cut right after keeps it.

        Args:
            spec: As ``read_spec`` returned it.
            secrets: Kept in a file of their own until the job's processes have them.
            number: Given by the head; None takes the next one.
            state: First values beside the usual ones.
        """
        number = number or max(self._jobs, default=0) + 1
        first: dict[str, Any] = {
            "state": PENDING,
            "reason": "",
            "exit_code": None,
            "submitted_at": time.time(),
            "started_at": None,
            "ended_at": None,
            "ranks": [],
            "mark": os.urandom(9).hex(),
            **state,
        }
        job = Job(number, spec, first)
        _remove(job.folder)
        os.mkdir(job.folder, 0o700)
        if secrets:
            files.write_json(job.path("secrets.json"), secrets, sync=True)
        files.write_json(job.path("state.json"), first)
        files.write_json(job.path("spec.json"), spec, sync=True)
        self._keep(job)
        return job

    def clear(self) -> None:
        """Forget all jobs, for a node that begins a new life in another cluster."""
        for job in self:
            _remove(job.folder)
        self._jobs, self._tokens = {}, {}

    def _keep(self, job: Job) -> None:
        self._jobs[job.id] = job
        if job.spec["token"]:
            self._tokens[job.spec["token"]] = job.id

    def _load(self, name: str) -> None:
        spec = files.read_json(os.path.join(files.JOBS, name, "spec.json"))
        state = files.read_json(os.path.join(files.JOBS, name, "state.json"))
        if not name.isdigit() or not spec:
            # Never acknowledged to anyone; its secrets may be there already.
            _forget_secrets(os.path.join(files.JOBS, name))
            return
        if not state or "mark" not in state:
            state = {"state": LOST, "reason": "its state was damaged", "mark": "damaged." + name}
        job = Job(int(name), spec, state)
        if job.final:
            job.forget_secrets()
        self._keep(job)


def _forget_secrets(folder: str) -> None:
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        if name.startswith("secrets."):
            files.remove(os.path.join(folder, name))


def _remove(folder: str) -> None:
    # Here, because the front end imports this module too.
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
