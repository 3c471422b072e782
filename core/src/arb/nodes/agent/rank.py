"""This node's part of one job: its phases, from the first process to the last."""

from __future__ import annotations

import os
import time

from . import boot_id, env, files, procs, wrapper
from .configure import RENDEZVOUS_PORT
from .jobs import FAILED, FAILED_SETUP, FINAL, LOST, PREPARED, RUNNING, SETTING_UP, SUCCEEDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from .jobs import Job
    from .loop import Loop

GRACE_S = 10.0
"""Between SIGTERM and SIGKILL, when neither job nor configuration say otherwise."""

ADOPTED_POLL_S = 0.25
"""Between looks at a wrapper that is not a child of this daemon."""

_PHASES = {SETTING_UP: "setup", RUNNING: "run"}
_VISIBLE = "CUDA_VISIBLE_DEVICES"


def _device(number: int) -> str:
    """Return what names this node's GPU of that number: it may own some of a machine's only."""
    own = [name.strip() for name in os.environ.get(_VISIBLE, "").split(",") if name.strip()]
    return own[number] if number < len(own) else str(number)


def _vanished(phase: str) -> str:
    """Return why a wrapper is gone without a record."""
    if files.disk_is_full():
        return f"the disk is full: the wrapper of its {phase} could not record anything"
    return f"the wrapper of its {phase} was killed"


class Rank:
    """Runs the phases of one job on this node and records what becomes of them.

    Its state is ``rank_state`` in the job's state file, written before each step, so another daemon
    can carry on from any point.

    Args:
        loop: Where it waits.
        config: What ``configure`` stored.
        job: The job. Its state holds ``rank``, ``gpu_ids`` and ``port``.
        changed: Called after each change of the state.
    """

    def __init__(
        self, loop: Loop, config: dict[str, Any], job: Job, changed: Callable[[], None]
    ) -> None:
        self._loop, self._config, self._job, self._changed = loop, config, job, changed
        self._child = False
        self._sweeping = False

    @property
    def state(self) -> str:
        """Return the state of this rank, empty before it began."""
        return str(self._job.state.get("rank_state") or "")

    @property
    def final(self) -> bool:
        """Return whether it has ended and none of its processes is left."""
        return self.state in FINAL

    def start(self) -> None:
        """Begin: run setup, or be prepared at once."""
        try:
            self._write_files()
        except OSError as error:
            self._refused(error)
            return
        if self._job.spec["setup"]:
            self._begin(SETTING_UP)
        else:
            self._set(PREPARED)  # without a boot id: there is nothing yet that a reboot could end

    def _write_files(self) -> None:
        state, spec = self._job.state, self._job.spec
        port = int(state.get("port") or self._config.get("rendezvous_port") or RENDEZVOUS_PORT)
        rank = int(state.get("rank", 0))
        values = env.of_rank(self._config, spec, self._job.id, rank, port)
        gpu_ids = state.get("gpu_ids") or []
        if gpu_ids and len(gpu_ids) < int(self._config.get("gpus_per_node", 0)):
            values[_VISIBLE] = ",".join(_device(number) for number in gpu_ids)
        files.write(self._job.path(wrapper.ENV_FILE), wrapper.exports(values))
        files.write(self._job.path(wrapper.FILE), wrapper.TEXT)

    def go(self) -> None:
        """Run: only what is prepared, and only once."""
        if self.state != PREPARED or self._job.state.get("ending"):
            return
        if self._job.spec["run"]:
            self._begin(RUNNING)
        else:
            self._end(SUCCEEDED, "", 0, "run")

    def stop(self, state: str, reason: str) -> None:
        """End all of it, as ``state`` because of ``reason``."""
        if not self.final and not self._job.state.get("ending"):
            self._end(state, reason, None, "")

    def adopt(self) -> None:
        """Carry on where another daemon died, or the machine was rebooted."""
        if self._job.state.get("ending"):
            self._sweep()
        elif self.state and not self.final and not self._is_this_boot():
            self._job.save(old_boot=True)
            code = files.read(self._job.path("run.exit")).strip()
            if code:  # it had ended before
                self._ended("run", int(code))
            else:
                self._end(LOST, "reboot", None, "")
        elif self.state in _PHASES:
            self._resume()

    def _is_this_boot(self) -> bool:
        now = boot_id.current()
        return bool(self._job.state.get("boot_id", now) == now)

    def _resume(self) -> None:
        phase = _PHASES[self.state]
        if not os.path.exists(self._job.path(phase + ".pid")) and not self._find(phase):
            self._spawn(phase)  # it was about to be started
        else:
            self._check()

    def _begin(self, state: str) -> None:
        phase = _PHASES[state]
        try:
            files.write(self._job.path(phase + ".sh"), self._job.spec[phase] + "\n")
            self._set(state, quiet=True, boot_id=boot_id.current())
            self._spawn(phase)
        except OSError as error:
            self._refused(error)
        else:
            self._changed()

    def _refused(self, error: OSError) -> None:
        """End it as a full disk or too many processes want; another job may have better luck."""
        self._end(LOST, f"it could not be started: {error.strerror}", None, "")

    def _spawn(self, phase: str) -> None:
        secrets = self._job.secrets()
        if secrets:
            files.write(self._job.path(wrapper.SECRETS_FILE), wrapper.exports(secrets))
        variables = env.base()
        variables[procs.MARK] = "{}.{}".format(self._job.state["mark"], phase)
        workdir = env.expand(self._job.spec["workdir"])
        argv = ["/bin/sh", wrapper.FILE, phase, workdir]
        pid = procs.spawn(argv, variables, cwd=self._job.folder)
        self._child = True
        if phase == "run":
            # The wrapper reads and removes its own copy.
            files.remove(self._job.path("secrets.json"))
        self._loop.on_exit(pid, self._child_ended)

    def _child_ended(self, _status: int) -> None:
        self._child = False
        self._check()

    def _check(self) -> None:
        """Look at the running phase: has it ended, does it run, has it vanished."""
        phase = _PHASES.get(self.state)
        if phase is None or self._child or self._job.state.get("ending"):
            return
        code = files.read(self._job.path(phase + ".exit")).strip()
        if code:
            self._ended(phase, int(code))
        elif not self._wrapper_lives(phase):
            # It may have recorded the code and ended between the two looks.
            code = files.read(self._job.path(phase + ".exit")).strip()
            if code:
                self._ended(phase, int(code))
            else:
                self._end(LOST, _vanished(phase), None, "")
        else:
            self._loop.later(ADOPTED_POLL_S, self._check)

    def _ended(self, phase: str, code: int) -> None:
        if phase == "run":
            self._end(FAILED if code else SUCCEEDED, "", code, "run")
        elif code:
            self._end(FAILED_SETUP, f"setup ended with exit code {code}", code, "")
        else:
            self._set(PREPARED)

    def _end(self, state: str, reason: str, code: int | None, scope: str) -> None:
        # What setup left running on purpose outlives a run that ended by itself.
        self._job.save(ending=[state, reason, code, scope])
        self._sweep()

    def _sweep(self) -> None:
        if self._sweeping:
            return
        self._sweeping = True
        scope = self._job.state["ending"][3]
        procs.Sweep(self._loop, lambda: self._find(scope), self._grace_s(), self._swept)

    def _swept(self) -> None:
        state, reason, code, _scope = self._job.state["ending"]
        if code is None and state != LOST:
            recorded = files.read(self._job.path("run.exit")).strip()
            code = int(recorded) if recorded else None
        self._job.forget_secrets()
        self._set(state, rank_reason=reason, rank_exit=code, ending=None)

    def _find(self, scope: str) -> dict[int, int]:
        """Return the job's processes; ``scope`` is one phase, or empty for all."""
        leaders = []
        if not self._job.state.get("old_boot"):
            for phase in (scope,) if scope else ("setup", "run"):
                numbers = self._wrapper(phase)
                if numbers:
                    leaders.append(numbers)
        return procs.of_job("{}.{}".format(self._job.state["mark"], scope), leaders)

    def _wrapper(self, phase: str) -> tuple[int, int] | None:
        pid, _, start = files.read(self._job.path(phase + ".pid")).strip().partition(" ")
        return (int(pid), int(start)) if start else None

    def _wrapper_lives(self, phase: str) -> bool:
        numbers = self._wrapper(phase)
        return procs.is_alive(*numbers) if numbers else bool(self._find(phase))

    def _grace_s(self) -> float:
        for given in (
            self._job.spec.get("grace_s"),
            os.environ.get("ARB_AGENT_GRACE_S"),
            self._config.get("grace_s"),
        ):
            if given is not None:
                return float(given)
        return GRACE_S

    def _set(self, state: str, *, quiet: bool = False, **more: Any) -> None:
        if state in (SETTING_UP, RUNNING) and not self._job.state.get("started_at"):
            more["started_at"] = time.time()
        self._job.save(rank_state=state, **more)
        if not quiet:
            self._changed()
