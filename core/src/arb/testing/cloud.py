"""What the conformance suite may do to a provider's backend.

Subclass ``ContractCloud`` over whatever your provider is tested against: a simulated server, a
recorded one, a folder. Everything that you leave out costs the checks that need it: they are
skipped with the reason ``not proven``, and nothing else changes.
"""

# ruff: noqa: ARG002 - the parameters are for those who override
from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NoReturn, Protocol

from arb.testing.clock import FakeClock
from arb.testing.skips import NotProven

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arb.errors import Scope
    from arb.types import Clock, Offer, SshEndpoint

__all__ = ["CloudMachine", "CloudThing", "ContractCloud", "Login", "MachineRow", "ThingRow"]


@dataclass(frozen=True, slots=True)
class Login:
    """Credentials as a user has them.

    Attributes:
        env: Environment variables.
        files: Path below the home folder -> content.
        options: ``provider_options`` that belong to it.
        secrets: Texts that must never be told. Empty means: every value of ``env`` and every
            content of ``files``; so name them where a file holds more than a secret.
    """

    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: Mapping[str, object] = field(default_factory=dict)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        """Say whether there is anything that could be wrong or missing."""
        return bool(self.env or self.files)

    def canaries(self) -> tuple[str, ...]:
        """Return what must not appear anywhere."""
        return self.secrets or (*self.env.values(), *self.files.values())


class ThingRow(Protocol):
    """Something that the backend made: one row of its own ledger, the truth."""

    @property
    def id(self) -> object:
        """Return the provider's id, a text or a number."""

    @property
    def name(self) -> str:
        """Return what carries our token: a name or a tag."""

    @property
    def gone_at(self) -> float | None:
        """Return when it ended, by the cloud's clock; None while it is there (and billed)."""


class MachineRow(ThingRow, Protocol):
    """A machine in the backend's ledger."""

    @property
    def region(self) -> str:
        """Return where it is, as in the catalog."""


@dataclass(slots=True)
class CloudThing:
    """A plain ``ThingRow``."""

    id: str | int
    name: str
    gone_at: float | None = None


@dataclass(slots=True)
class CloudMachine(CloudThing):
    """A plain ``MachineRow``."""

    region: str = ""


class ContractCloud:
    """One backend, made anew for every check. Override what yours can do.

    A fault lasts until the check ends. Methods that are not overridden raise ``NotProven``, but
    for those whose documentation names a default.

    Args:
        clock: Time, as the backend and the provider see it; a ``FakeClock`` by default.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or FakeClock()

    def close(self) -> None:
        """Stop everything. Called after each check. Default: nothing."""

    # -- accounts --------------------------------------------------------------------------

    def everybody(self) -> Login:
        """Return what also those have who have no credentials: where the backend is.

        Its ``env`` and ``options`` are part of every call. Default: nothing.
        """
        return Login()

    def login(self) -> Login:
        """Return credentials that work; ``Login()`` where none are needed."""
        self._cannot("has no account")

    def refused_login(self) -> Login:
        """Return credentials that look right and that the backend refuses."""
        self._cannot("has no credentials that are refused")

    def other_login(self) -> Login:
        """Return credentials of another account, which work."""
        self._cannot("has no second account")

    # -- the truth -------------------------------------------------------------------------

    def machines(self) -> Sequence[MachineRow]:
        """Return every machine that was ever made, those that ended too, without any lag."""
        self._cannot("has no ledger of machines")

    def things(self) -> Sequence[ThingRow]:
        """Return whatever else was ever made: keys, rules, groups, disks."""
        self._cannot("has no ledger of other things")

    def received(self, machine_id: str) -> str:
        """Return what the order brought for a machine's first boot, decoded, in one text.

        That is: the public keys that are let in, and files and commands of user data.
        """
        self._cannot("does not show what a machine was given")

    def shown(self, machine_id: str) -> str:
        """Return what everybody sees who may list the account: name, tags, labels, in one text."""
        self._cannot("does not show what a listing tells of a machine")

    def endpoint(self, machine_id: str) -> SshEndpoint:
        """Return where a running machine's SSH server really listens, and for whom."""
        self._cannot("does not show where machines listen")

    # -- what there is to buy --------------------------------------------------------------

    def in_stock(self, offer: Offer) -> bool:
        """Say whether the suite may buy an offer: until you allow it, it buys nothing."""
        self._cannot("allows no purchase")

    def stock_out(self, offer: Offer, left: int = 0) -> Scope:
        """Let at most ``left`` more machines be had of an offer.

        Returns:
            The widest scope that this is true for.
        """
        self._cannot("cannot run out of stock")

    def use_up_quota(self, offer: Offer) -> Scope:
        """Let the account have no more of what an offer counts against.

        Returns:
            The widest scope that this is true for.
        """
        self._cannot("has no quotas")

    def refuse_late(self, offer: Offer) -> None:
        """Take orders of an offer, and find no capacity for them afterwards."""
        self._cannot("does not refuse an order that it took")

    def unknown_offer(self, offer: Offer) -> Offer:
        """Return an offer like this one that the provider does not know.

        Default: with another id and instance type.
        """
        unknown = "no-such-type"
        return replace(offer, offer_id=unknown, instance_type=unknown)

    def unknown_id(self) -> str:
        """Return an id of the right form that no machine ever had. Default: a word."""
        return "no-such-machine"

    # -- time and faults -------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let time pass, for the backend and for its clock. Default: by the clock's ``advance``.

        A backend of real processes waits here until none of them is busy.
        """
        advance = getattr(self.clock, "advance", None)
        if advance is None:
            self._cannot("cannot let time pass")
        advance(seconds)

    def slow_boot(self, seconds: float) -> None:
        """Let machines that are ordered from now on take so long to be ready."""
        self._cannot("cannot delay a boot")

    def lose_next_answer(self) -> None:
        """Let the next order have its effect, and its answer be lost."""
        self._cannot("cannot lose an answer")

    def hang(self) -> None:
        """Answer no call any more, and keep connections open."""
        self._cannot("cannot hang")

    def fail(self, status: int = 503) -> None:
        """Answer every call with a server error; its text may repeat the request."""
        self._cannot("cannot fail")

    def garble(self) -> None:
        """Answer every call with something else than the API says, as a success."""
        self._cannot("cannot garble answers")

    def rate_limit(self, retry_after_s: float) -> None:
        """Answer every call with "too many requests, try again after ``retry_after_s``"."""
        self._cannot("cannot limit calls")

    def limit_orders(self, left: int) -> None:
        """Take ``left`` more orders, and answer later ones with "too many requests"."""
        self._cannot("cannot limit orders")

    def fail_pages(self) -> None:
        """Answer the first page of a listing, and later ones with a server error."""
        self._cannot("cannot fail in the middle of a listing")

    def fail_region(self, region: str) -> None:
        """Let listings of one region fail, and no others."""
        self._cannot("cannot fail in one region")

    def small_pages(self, rows: int) -> None:
        """Show listings in pages of so many rows."""
        self._cannot("has no pages")

    # -- machines --------------------------------------------------------------------------

    def foreign_machine(self, name: str) -> str:
        """Make a machine that arb did not order, with this name, and return its id."""
        self._cannot("has no machines of others")

    def foreign_thing(self, name: str) -> str:
        """Make one of ``things`` that arb did not order, with this name, and return its id."""
        self._cannot("has no things of others")

    def preempt(self, machine_id: str) -> None:
        """Take a spot machine away, now."""
        self._cannot("cannot preempt")

    def unknown_state(self, machine_id: str) -> None:
        """Show a machine, which goes on being billed, in a state that the API never had before."""
        self._cannot("shows no states that are new")

    def fail_machine(self, machine_id: str) -> None:
        """Let a machine fail so that it is of no use, and still billed until it is ended."""
        self._cannot("cannot let a machine fail that stays billed")

    def _cannot(self, what: str) -> NoReturn:
        raise NotProven(f"the cloud of this suite {what}")
