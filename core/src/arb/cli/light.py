"""Parameters that are converted only when there is something to convert.

typer builds a pydantic adapter for every parameter that it reads, also for text and for what was
not given: that takes longer than all the rest of ``arb status``.
"""

from __future__ import annotations

from typing import Any

__all__ = ["light_params", "lighten"]


def lighten(command: Any) -> None:
    """Let a command, and the commands below it, read their parameters this way."""
    get_params = command.get_params
    command.get_params = lambda ctx: light_params(get_params(ctx))
    for below in getattr(command, "commands", {}).values():
        lighten(below)


def light_params(params: list[Any]) -> list[Any]:
    """Give parameters of typer a conversion that puts typer's own off; return them."""
    for param in params:
        # A typer that knows no such conversion keeps what it has.
        if getattr(param, "_runtime_param", param) is None:
            param._runtime_param = _Light()  # noqa: SLF001 - typer has no public switch
    return params


class _Light:
    """Takes what needs no conversion; leaves everything else to typer."""

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a value as the command takes it."""
        is_many = param.multiple or param.nargs == -1
        if value is None:
            return () if is_many else None
        if value is param.default:
            return value
        wanted = param.type_descriptor
        if wanted.parameter_info.parser is None:
            if not is_many and wanted.annotation is str and type(value) is str:
                return value
            if wanted.annotation == list[str] and all(type(item) is str for item in value):
                return list(value)
        param._runtime_param = None  # noqa: SLF001 - typer makes its own now
        return param.get_runtime_param().coerce(value, param=param, ctx=ctx)
