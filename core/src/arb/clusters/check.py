"""Ask providers whether their credentials work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from arb.types import CheckResult, CheckStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.clusters.session import Session
    from arb.errors import ArbError
    from arb.plugins.manager import Reply

__all__ = ["Checked", "check_providers"]

_WORKS: Final = frozenset({CheckStatus.OK, CheckStatus.LIMITED})


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of one provider.

    Attributes:
        provider: Its id.
        result: Its own answer; without one ``UNREACHABLE`` with the reason.
        broken: The plugin itself cannot be used.
    """

    provider: str
    result: CheckResult
    broken: bool = False


def check_providers(session: Session, names: Sequence[str] = ()) -> list[Checked]:
    """Ask providers side by side, each with its own deadline; return them in name order.

    Args:
        session: The process's view.
        names: Which; none is every installed one.

    Raises:
        UsageError: One of ``names`` is not installed.
    """
    wanted = sorted(set(names)) or session.plugins.provider_names()
    replies = session.plugins.ask_all(lambda provider: provider.check(), wanted)
    answered = {reply.provider: reply for reply in replies}
    checked = [_checked(name, answered.get(name)) for name in wanted]
    _forget_refusals(session, [one.provider for one in checked if one.result.status in _WORKS])
    return checked


def _forget_refusals(session: Session, names: Sequence[str]) -> None:
    """Forget what launches met that wait for it to be mended: it is."""
    if not names or not session.has_state:
        return
    from arb.provision.circumstances import COMMAND
    from arb.state.blocks import forget_blocks

    with session.store.write(exclusive=False) as tx:
        for name in names:
            forget_blocks(tx, provider=name, basis=COMMAND)


def _checked(name: str, reply: Reply[CheckResult] | None) -> Checked:
    if reply is None:
        hint = "the warning says why; arb plugins shows it again"
        result = CheckResult(CheckStatus.UNREACHABLE, "the plugin cannot be used", hint=hint)
        return Checked(name, result, broken=True)
    if reply.error is not None:
        return Checked(name, _of_error(reply.error), broken=reply.warned)
    assert reply.value is not None  # noqa: S101 - a reply has a value or an error
    return Checked(name, reply.value)


def _of_error(error: ArbError) -> CheckResult:
    return CheckResult(CheckStatus.UNREACHABLE, error.summary, hint=error.hint)
