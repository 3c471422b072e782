"""Before a gang runs: does every peer reach the head's rendezvous port."""

from __future__ import annotations

from . import rendezvous

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Sequence

    from .loop import Loop
    from .peer import Peer
    from .peer_link import Callback


class PairCheck:
    """One round of knocking. A broken session ends the round without a result.

    Args:
        loop: Where it waits.
        name: Returns how the node of a rank is called in messages.
        address: Of the head, as the job will see it.
        port: The rendezvous port.
        checked: Called once with an empty text, or with the pair that does not meet and why.
    """

    def __init__(
        self,
        loop: Loop,
        name: Callable[[int], str],
        address: str,
        port: int,
        checked: Callable[[str], None],
    ) -> None:
        self._loop, self._name = loop, name
        self._address, self._port = address, port
        self._checked = checked
        self._listener: rendezvous.Listener | None = None
        self._waiting: set[int] = set()
        self.stopped = False

    def start(self, peers: Sequence[Peer]) -> None:
        """Listen, and ask all peers to knock."""
        opened = rendezvous.listen(self._address, self._port)
        if opened is None:
            self._end(f"the rendezvous port {self._port} of {self._name(0)} is taken")
            return
        self._listener = rendezvous.Listener(self._loop, opened)
        self._waiting = {peer.rank for peer in peers}
        for peer in peers:
            peer.link.ask("ping_port", self._knocked(peer), host=self._address, port=self._port)

    def stop(self) -> None:
        """Free the port; nothing is reported any more."""
        self.stopped = True
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _knocked(self, peer: Peer) -> Callback:
        """Return what is called when a peer has knocked."""

        def answered(answer: dict[str, Any] | None, error: str) -> None:
            self._waiting.discard(peer.rank)
            if self.stopped:
                return
            problem = error or str((answer or {}).get("problem") or "")
            if answer is None and not peer.link.up:
                self.stop()  # the session broke, not the port: once more when it is back
            elif problem:
                pair = f"{self._name(peer.rank)} does not reach {self._name(0)}"
                self._end(f"{pair} on port {self._port}: {problem}")
            elif not self._waiting:
                self._end("")

        return answered

    def _end(self, problem: str) -> None:
        self.stop()
        self._checked(problem)
