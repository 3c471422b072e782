"""When a cluster ends by itself, and what is tried when a job fails."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict

from arb.tasks.amounts import duration_s
from arb.tasks.forms import Flag, Form, Short, Strict, Text, choice, kind, read_text, whole

__all__ = ["Autostop", "AutostopForm", "JobRecovery", "JobRecoveryForm"]

_EXIT_CODE: Final = whole(0, 255)


def _exit_codes(value: Any) -> tuple[int, ...]:
    items = value if isinstance(value, list | tuple) else [value]
    return tuple(dict.fromkeys(_EXIT_CODE.parse(item) for item in items))


def _strategy(value: Any) -> str:
    return "" if value is None else read_text(value).strip().upper()


class Autostop(Strict):
    """The map form of ``autostop``.

    Attributes:
        idle_minutes: How long nothing may run before the cluster stops; None takes the default.
        down: Terminate instead of stop.
        wait_for: What keeps it busy.
        hook: Shell commands to run before; ``config.hooks`` is the newer form.
        hook_timeout: How long they may take, in seconds.
    """

    idle_minutes: Annotated[int | None, whole(0)] = None
    down: Flag = False
    wait_for: Annotated[str, choice("jobs_and_ssh", "jobs", "none")] = "jobs_and_ssh"
    hook: Text = ""
    hook_timeout: Annotated[int, whole(1)] = 3600


class JobRecovery(Strict):
    """The map form of ``job_recovery``. Every other key is for the strategy, which checks it.

    Attributes:
        strategy: Its name; empty takes the default, ``NONE`` recovers from nothing.
        max_restarts_on_errors: How often a task that failed by itself is started again.
        recover_on_exit_codes: Exit codes after which it is started again without counting.
    """

    model_config = ConfigDict(extra="allow")

    strategy: Annotated[str, Form(_strategy, {"type": ["string", "null"]})] = ""
    max_restarts_on_errors: Annotated[int, whole(0)] = 0
    recover_on_exit_codes: Annotated[
        tuple[int, ...],
        Form(
            _exit_codes,
            {"anyOf": [_EXIT_CODE.schema, {"type": "array", "items": _EXIT_CODE.schema}]},
            list,
        ),
    ] = ()


def _autostop(value: Any) -> Any:
    """Expand ``true``, minutes and ``2h``; ``false`` and minutes below 0 are never."""
    if value is False or (isinstance(value, int) and value < 0):
        return False
    if value is True:
        return {}
    if isinstance(value, int):
        return {"idle_minutes": value}
    if isinstance(value, str):
        return {"idle_minutes": duration_s(value, default_unit="m", units="mhdw") // 60}
    if isinstance(value, dict | Autostop):
        return value
    raise ValueError(f"expected minutes, 2h, true, false or a map, got {kind(value)}")


def _recovery(value: Any) -> Any:
    if isinstance(value, str):
        return {"strategy": value}
    if isinstance(value, dict | JobRecovery):
        return value
    raise ValueError(f"expected a strategy or a map, got {kind(value)}")


AutostopForm = Annotated[
    Autostop | Literal[False] | None,
    Short(
        Autostop,
        _autostop,
        (
            {"type": "boolean"},
            {"type": "integer"},
            {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?[mhdwMHDW])+$|^[0-9]+$"},
        ),
    ),
]
JobRecoveryForm = Annotated[
    JobRecovery | None, Short(JobRecovery, _recovery, ({"type": "string"},))
]
