"""Machines, as their provider sees them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from arb.types.tokens import parse_token

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ClusterRef",
    "GoneReason",
    "Instance",
    "InstanceRef",
    "InstanceState",
    "Leftovers",
    "ListQuery",
    "Listing",
    "ProvisionResult",
    "Termination",
]


class InstanceState(StrEnum):
    """The core's reading of a provider's status."""

    PENDING = "pending"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    TERMINATING = "terminating"
    """Asked to end; it may still be billed."""
    GONE = "gone"


class GoneReason(StrEnum):
    """Why an instance is no longer there."""

    NONE = ""
    USER = "user"
    PREEMPTED = "preempted"
    HARDWARE = "hardware"
    FAILED_START = "failed-start"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class InstanceRef:
    """How to name one instance to its provider, from state alone.

    Attributes:
        made_at: The provider's own time; the time of the intent where it has none.
        handle: What the provider returned for the attempt, opaque JSON text; the instance's
            ``payload`` when nothing was returned, because the answer was lost.
        account: Whose machine it is, as ``ProvisionResult`` or ``Listing`` said.
    """

    provider: str
    id: str
    region: str
    token: str
    zone: str = ""
    made_at: float = 0
    handle: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True)
class Instance:
    """One machine as its provider sees it now.

    Attributes:
        id: The provider's own id.
        token: Our name on it; empty when it carries none.
        state: See ``InstanceState``.
        reason: Why it is gone or going.
        detail: The provider's own word for the state, for people.
        address: Where a client reaches it; empty until known.
        private_address: Where its peers reach it; empty means ``address``.
        made_at: When the provider made it; 0 when it does not say (its age then counts from when
            the core first saw it).
        price_usd_hour: What the provider says it charges; None when it does not.
        reported_usd: What the provider says it has cost so far; None when it does not.
        payload: JSON text that later hooks of the same provider get back in ``InstanceRef.handle``
            when the provision result had none. It must be enough for them by itself.
    """

    provider: str
    id: str
    region: str
    state: InstanceState
    token: str = ""
    zone: str = ""
    reason: GoneReason = GoneReason.NONE
    detail: str = ""
    address: str = ""
    private_address: str = ""
    instance_type: str = ""
    spot: bool = False
    made_at: float = 0
    price_usd_hour: float | None = None
    reported_usd: float | None = None
    payload: str = ""


@dataclass(frozen=True, slots=True)
class ProvisionResult:
    """What a purchase made.

    Attributes:
        instances: In rank order; may be empty when the provider names them only later (then
            ``arb_poll`` does).
        handle: Opaque JSON text for ``arb_poll``, ``arb_terminate`` and ``arb_cleanup``.
        account: See ``Listing``.
        notes: What the user should know of this order, one line each; shown once.
    """

    instances: tuple[Instance, ...]
    handle: str = ""
    account: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which machines to list. Empty fields do not restrict; they are combined with "and".

    Attributes:
        owner: Only machines whose token carries this owner; empty lists every arb owner's.
        tokens: Only these exact tokens.
        regions: Only these regions; empty means all that the account can use.
    """

    owner: str = ""
    tokens: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()

    def wants(self, token: str, region: str = "") -> bool:
        """Say whether a machine is asked for. Without an arb token none is.

        Args:
            token: What it is named or tagged with.
            region: Where it is; empty leaves ``regions`` to the caller, who only asked there.
        """
        parsed = parse_token(token)
        return (
            parsed is not None
            and (not self.owner or parsed.owner == self.owner)
            and (not self.tokens or token in self.tokens)
            and (not (self.regions and region) or region in self.regions)
        )


@dataclass(frozen=True, slots=True)
class Listing:
    """Machines found, and where the answer can be trusted.

    Attributes:
        instances: Found machines, also those that just ended where the provider still shows them.
        complete: Regions that answered in full. A machine of another region that is missing here
            is UNKNOWN, not gone. ``"*"`` means everywhere.
        errors: Region -> what went wrong, one line.
        account: Whose machines these are, in the provider's own stable words (an account number, a
            project, a team), without a secret. A machine that was bought under another account is
            not gone because it is missing here. Empty where there is no such thing.
    """

    instances: tuple[Instance, ...]
    complete: frozenset[str]
    errors: Mapping[str, str] = field(default_factory=dict)
    account: str = ""

    EVERYWHERE: ClassVar[str] = "*"

    def covers(self, region: str, account: str = "") -> bool:
        """Say whether a machine of this region and account that is missing here does not exist."""
        if account != self.account:
            return False
        return self.EVERYWHERE in self.complete or region in self.complete


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What is there beside machines: rules, groups, keys, disks.

    Attributes:
        tokens: Of the purchases that it was made for, without ranks.
        errors: Region -> what went wrong, one line; what is there is not known.
        account: See ``Listing``.
    """

    tokens: frozenset[str]
    errors: Mapping[str, str] = field(default_factory=dict)
    account: str = ""


@dataclass(frozen=True, slots=True)
class Termination:
    """Answer of ``arb_terminate``: ``Termination.GONE``, or pending.

    Attributes:
        gone: The provider confirmed that the instance is not billed any more.
        retry_after_s: When to ask again, for a pending one.
        detail: For people, and shown until it is asked again, so it names a time and no wait:
            ``minimum run time, until 15:01 UTC``.
    """

    gone: bool
    retry_after_s: float = 5
    detail: str = ""

    GONE: ClassVar[Termination]
    PENDING: ClassVar[Termination]


Termination.GONE = Termination(gone=True, retry_after_s=0)
Termination.PENDING = Termination(gone=False)


@dataclass(frozen=True, slots=True)
class ClusterRef:
    """A cluster as ``arb_cleanup`` and ``arb_open_ports`` see it.

    Attributes:
        name: The user's name.
        tokens: Every attempt token of the cluster at this provider, without ranks.
        regions: Where its machines are or were.
        instances: What exists at the moment.
        handles: What the provider returned for the attempts of ``tokens``, in their order.
        account: Whose cluster it is, see ``Listing``.
    """

    name: str
    owner: str
    tokens: tuple[str, ...]
    regions: frozenset[str]
    instances: tuple[InstanceRef, ...] = ()
    handles: tuple[str, ...] = ()
    account: str = ""
