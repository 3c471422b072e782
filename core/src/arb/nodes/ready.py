"""Wait until a machine that was just made lets us in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.errors import HostKeyError, NodeError, NodeUnreachable
from arb.types import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from arb.nodes.ssh import SshNode
    from arb.types import Clock

__all__ = ["wait_ready"]

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0
LONGEST_ATTEMPT_S: Final = 15.0


def wait_ready(
    node: SshNode,
    deadline: float,
    clock: Clock | None = None,
    *,
    on_wait: Callable[[NodeError], None] | None = None,
    check: Callable[[], None] | None = None,
) -> None:
    """Connect as soon as the node answers with its own host key and accepts ours.

    A refused connection, silence, another host key before ours was ever seen, and a refused log-in
    are all normal in a first boot: the wait goes on. Nothing is sent to a wrong host key.

    Args:
        node: Where to.
        deadline: In ``clock.monotonic()`` seconds.
        clock: Time.
        on_wait: Called with the reason whenever it is of another kind than the last, for progress;
            what it raises ends the wait.
        check: Called after every attempt that failed; what it raises ends the wait too.

    Raises:
        HostKeyError: At once, when the key changed after it was seen.
        NodeUnreachable: The deadline passed (``not-ready``); the summary has the last reason.
    """
    clock = clock or SystemClock()
    pause, told = FIRST_PAUSE_S, ""
    while True:
        try:
            node.connect(max(1.0, min(LONGEST_ATTEMPT_S, deadline - clock.monotonic())))
        except HostKeyError:
            raise
        except NodeError as error:
            reason = error
        else:
            return
        if on_wait is not None and reason.code != told:
            told = reason.code
            on_wait(reason)
        if check is not None:
            check()
        left = deadline - clock.monotonic()
        if left <= 0:
            raise _not_ready(node, reason)
        clock.sleep(min(pause, left))
        pause = min(pause * 1.5, LONGEST_PAUSE_S)


def _not_ready(node: SshNode, reason: NodeError) -> NodeUnreachable:
    return NodeUnreachable(
        f"{node.name} was not ready in time: {reason.summary}", code="not-ready", hint=reason.hint
    )
