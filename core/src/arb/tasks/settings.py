"""The ``config`` block: settings for one task."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field

from arb.tasks.forms import Flag, Form, Strict, choice, kind, read_text, whole

__all__ = ["Hook", "Settings"]

_EVENTS: Final = ("stop", "preemption", "down")
_EVENT: Final = choice(*_EVENTS)
_LONGEST_SCRIPT: Final = 16 * 1024
_MOST_HOOKS: Final = 32


def _script(value: Any) -> str:
    text = read_text(value)
    if not 0 < len(text) <= _LONGEST_SCRIPT:
        raise ValueError(f"expected 1 to {_LONGEST_SCRIPT} characters, got {len(text)}")
    return text


def _events(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"expected a list of {', '.join(_EVENTS)}")
    return tuple(dict.fromkeys(_EVENT.parse(item) for item in value))


def _options(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple):
        raise ValueError(f"expected a text or a list of texts, got {kind(value)}")
    return tuple(read_text(item) for item in value)


class Hook(Strict):
    """Shell commands that run when something happens to the cluster.

    Attributes:
        run: The commands.
        events: When they run.
        timeout: How long they may take, in seconds.
    """

    run: Annotated[str, Form(_script, {"type": "string", "minLength": 1})]
    events: Annotated[
        tuple[str, ...],
        Form(_events, {"type": "array", "minItems": 1, "items": _EVENT.schema}, list),
    ] = _EVENTS
    timeout: Annotated[int, whole(1)] = 3600


class Docker(Strict):
    """Settings of the container that a task runs in.

    Attributes:
        run_options: Options for ``docker run``.
    """

    run_options: Annotated[
        tuple[str, ...],
        Form(
            _options,
            {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
            list,
        ),
    ] = ()


class GpuSettings(Strict):
    """Settings of NVIDIA GPUs.

    Attributes:
        disable_ecc: Switch error correction off.
    """

    disable_ecc: Flag = False


class Settings(Strict):
    """The whole block. Every other key is for the provider of that name, which checks it.

    Attributes:
        hooks: What runs when the cluster stops, is preempted or ends.
        docker: For the container.
        nvidia_gpus: For GPUs.
    """

    model_config = ConfigDict(extra="allow")

    hooks: Annotated[tuple[Hook, ...], Field(max_length=_MOST_HOOKS)] = ()
    docker: Docker | None = None
    nvidia_gpus: GpuSettings | None = None
