"""The claims of one order: side by side, each on one host after the other until one is had."""

from __future__ import annotations

import platform
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from arb.errors import ArbError, ProviderUnavailable
from arb_ssh.claims import Claim, machine_id
from arb_ssh.client import NoAnswer
from arb_ssh.each import each
from arb_ssh.listing import current
from arb_ssh.looks import Look, ask
from arb_ssh.memory import Records
from arb_ssh.remote import claim_script, release_script
from arb_ssh.settings import local_user

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.types import NodeSetup, ProviderContext, ProvisionRequest
    from arb_ssh.access import Access
    from arb_ssh.hosts import Host
    from arb_ssh.limits import Limit
    from arb_ssh.settings import Fleet

__all__ = ["Slot", "Taking"]

_HOST_S: Final = 10.0
_TRIES: Final = 3
"""So often a host is asked whose answer was lost: it knows the token that it has."""
_UNREADABLE: Final = "ssh-unreadable"


@dataclass
class Slot:
    """One machine of the order.

    Attributes:
        setup: What it is given.
        first: Where it was claimed before, as far as is known from here.
        look: The host that it is, once it has one.
        tried: The host that is being asked.
        lost: A host that may have been claimed for it: nobody knows.
    """

    setup: NodeSetup
    first: Host | None = None
    look: Look | None = None
    tried: Look | None = None
    lost: Look | None = None


class Taking:
    """Claims hosts for the setups of one order.

    Args:
        context: Of the call.
        request: The order.
        access: How hosts are entered.
        limit: For all of it.

    Attributes:
        passed: Hosts that could not be had, in the order of the tries.
    """

    def __init__(
        self, context: ProviderContext, request: ProvisionRequest, access: Access, limit: Limit
    ) -> None:
        self.passed: list[Look] = []
        self._context = context
        self._request = request
        self._access = access
        self._limit = limit
        self._records = Records(context)
        self._slots: list[Slot] = []
        self._left: list[Host] = []
        self._lock = threading.Lock()

    def take(self, fleet: Fleet, hosts: Sequence[Host]) -> list[Slot]:
        """Claim until every setup has a host, or no host is left.

        Args:
            fleet: All hosts.
            hosts: Those to try, in order.
        """
        before = {r.token: current(fleet, r.host)[0] for r in self._records.read()}
        self._slots = [Slot(setup, before.get(setup.token)) for setup in self._request.setups]
        first = {slot.first.key for slot in self._slots if slot.first is not None}
        self._left = [host for host in hosts if host.key not in first]
        each(self._fill, self._slots, self._limit, self._give_up)
        return self._slots

    def give_back(self) -> list[Look]:
        """Let go of all that was claimed; return what could not be let go of."""
        had = [look for slot in self._slots if (look := slot.look or slot.lost) is not None]
        tokens = {s.look.host.key: s.setup.token for s in self._slots if s.look is not None}
        tokens |= {s.lost.host.key: s.setup.token for s in self._slots if s.lost is not None}

        def free(look: Look) -> bool:
            return self._release(look.host, tokens[look.host.key])

        gone = each(free, had, self._limit.within(2 * _HOST_S), lambda _: False)
        return [
            look for look, is_gone in zip(had, gone, strict=True) if look.answer and not is_gone
        ]

    def _fill(self, slot: Slot) -> None:
        host = slot.first or self._next()
        while host is not None:
            look = self._try(slot, host)
            if slot.look or slot.lost or self._limit.over:
                return
            with self._lock:
                self.passed.append(look)
            host = self._next()

    @staticmethod
    def _give_up(slot: Slot) -> None:
        """Leave a slot whose thread does not come back: what it was at is unknown."""
        slot.lost = slot.lost or slot.look or slot.tried
        slot.look = None

    def _next(self) -> Host | None:
        with self._lock:
            return self._left.pop(0) if self._left else None

    def _try(self, slot: Slot, host: Host) -> Look:
        """Claim one host, and note in the slot what came of it."""
        token = slot.setup.token
        slot.tried = Look(host)
        self._records.write(token, host, self._access.key_of(host))
        look, sent = self._ask(slot, host)
        if look.answer is None and sent:
            slot.lost = look
            return look
        if look.answer and look.answer.claim and look.answer.claim.token == token:
            if not look.answer.problem:
                self._records.confirm(token, host, self._access.key_of(host))
                slot.look = look
                return look
            self._release(host, token)
        if look.answer and look.answer.problem:
            summary = f"{host.name}: {look.answer.problem}"
            look = Look(host, error=ProviderUnavailable(summary, code="ssh-problem"))
        self._records.forget(token, host)
        return look

    def _ask(self, slot: Slot, host: Host) -> tuple[Look, bool]:
        """Send a claim until there is an answer to it, or it was never sent.

        Returns:
            What was seen, and whether the host may have carried it out.
        """
        script = claim_script(self._claim(slot.setup.token, host), slot.setup.authorized_key)
        sent = host is slot.first
        look = Look(host)
        for _ in range(_TRIES):
            try:
                return Look(
                    host, ask(host, self._access, script, self._limit.within(_HOST_S))
                ), True
            except ArbError as error:
                look = Look(host, error=error)
                if _may_have_acted(error):
                    sent = True
            if not sent or self._limit.over:
                break
        return look, sent

    def _release(self, host: Host, token: str) -> bool:
        try:
            answer = ask(host, self._access, release_script(token), self._limit.within(_HOST_S))
        except ArbError:
            return False
        if answer.problem or (answer.claim and answer.claim.token == token):
            return False
        self._records.forget(token, host)
        return True

    def _claim(self, token: str, host: Host) -> Claim:
        user = local_user(self._context) or "somebody"
        return Claim(
            token=token,
            id=machine_id(host, token),
            host=host.name,
            pool=self._request.offer.region,
            instance_type=self._request.offer.instance_type,
            price_usd_hour=self._request.offer.price_usd_hour,
            cluster=self._request.cluster,
            by=f"{user}@{platform.node()}",
        )


def _may_have_acted(error: ArbError) -> bool:
    """Say whether a host may have carried a script out that it did not answer as it should."""
    return error.code == _UNREADABLE or (isinstance(error, NoAnswer) and error.sent)
