"""What a provider says of itself, and what its hooks are handed."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from arb.types.clock import Clock

__all__ = [
    "API_VERSION",
    "Capability",
    "CheckResult",
    "CheckStatus",
    "PeerNetwork",
    "ProviderContext",
    "ProviderInfo",
    "RateBudget",
    "RateLimiter",
]


API_VERSION: Final = 1
"""The hook API. Adding a hook or an argument keeps it; removing or renaming raises it."""


class Capability(StrEnum):
    """What a provider can do. Positive: what is not named is not there."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"
    STOP = "stop"
    """``arb_stop`` and ``arb_start`` work, and a stopped instance costs (nearly) nothing.

    On-demand instances only: the core never stops a spot instance.
    """
    PORTS = "ports"
    """``arb_open_ports`` works on a running cluster; where every port is open it does nothing."""
    USER_DATA = "user-data"
    """``NodeSetup`` files and commands are in place at the first boot: host keys are known.

    An offer that cannot do it says so in its ``user_data`` column.
    """
    SELF_TERMINATE = "self-terminate"
    """A node can end its own billing without an account key.

    For on-demand instances at least; ``arb_self_terminate`` decides for each.
    """
    OWNED = "owned"
    """The machines are the user's own: price 0 is allowed, and they must be asked for by name."""
    LIVES_ON = "lives-on"
    """Machines go on existing after ``arb_terminate``, for whoever takes them next.

    So the core ends its jobs there and takes its agent, keys and files off them before. For that
    ``arb_ssh_ports`` is asked from state alone: the machine's ``payload`` is then its handle.
    """
    BATCH = "batch"
    """One call makes all machines of a gang or none; they share one token and one host key.

    So up to ``count`` machines under that token are no duplicates of each other.
    """


class PeerNetwork(StrEnum):
    """How nodes of one cluster reach each other."""

    PRIVATE = "private"
    PUBLIC = "public"
    """Over the internet: slow, and the traffic between nodes is nobody's but the task's to hide."""
    NONE = "none"


class CheckStatus(StrEnum):
    """The outcome of ``arb_check``."""

    OK = "ok"
    LIMITED = "limited"
    """It works, and something that tasks may need is missing."""
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    NOT_CONFIGURED = "not-configured"


class RateLimiter(Protocol):
    """A provider's rate budgets, shared by all processes of one ``ARB_HOME``."""

    def acquire(self, budget: str, *, deadline: float) -> None:
        """Take one token of a named budget, waiting for it.

        Args:
            budget: A name out of ``ProviderInfo.rate_budgets``.
            deadline: ``Clock.monotonic`` time to give up at.

        Raises:
            RateLimited: The token comes too late; ``retry_after_s`` says when.
        """

    def pause(self, budget: str, seconds: float) -> None:
        """Let nobody through for some time: the provider itself said "too many requests".

        For a hook that waits and tries again by itself. What leaves a hook as ``RateLimited`` pauses
        the budget that the call took from last.

        Args:
            budget: As for ``acquire``.
            seconds: The provider's ``Retry-After``.
        """


@dataclass(frozen=True, slots=True)
class RateBudget:
    """A token bucket: ``burst`` calls at once, refilled with ``per_s`` calls a second."""

    burst: int
    per_s: float


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """What the core must know of a provider without credentials or network.

    Attributes:
        display_name: For tables, for instance ``Spheron AI``.
        capabilities: See ``Capability``.
        peer_network: How nodes of a gang reach each other.
        minimum_s: Billing floor of one instance; offers may override it.
        notice_s: Warning before a preemption; 0 when there is none.
        readiness_timeout_s: After it a machine that does not answer is given back.
        hook_budgets_s: Time budget by hook name, where it differs from the hook's documented one.
        machine_interval_s: Time between two machines of one order where each takes a call and calls
            are limited; the budget of ``arb_provision`` grows by it for each machine after the first.
        poll_interval_s: The least time between two looks at an order or a listing.
        listing_lag_s: A machine may be missing from listings for this long after it was made.
        catalog_ttl_s: Age at which prices are read again before buying.
        rate_budgets: Named token buckets for ``ProviderContext.limiter``.
        options: Names of the settings read from ``provider_options.<name>``, with a help line
            each; others are refused.
        docs_url: A page for users.
    """

    display_name: str
    capabilities: frozenset[Capability]
    peer_network: PeerNetwork = PeerNetwork.PRIVATE
    minimum_s: float = 0
    notice_s: float = 0
    readiness_timeout_s: float = 900
    hook_budgets_s: Mapping[str, float] = field(default_factory=dict)
    machine_interval_s: float = 0
    poll_interval_s: float = 0
    listing_lag_s: float = 30
    catalog_ttl_s: float = 3600
    rate_budgets: Mapping[str, RateBudget] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    docs_url: str = ""


@dataclass(frozen=True, slots=True)
class ProviderContext:
    """What a hook call gets beside its subject.

    Attributes:
        provider: The provider's id.
        owner: 8 base32 characters of this ``ARB_HOME``; part of every token.
        options: The user's ``provider_options.<provider>``, validated against ``info.options``.
        cache_dir: A folder of this provider's own, already made, safe to lose.
        data_dir: A folder of this provider's own, already made, that must not be lost. It is on
            this machine: clients that share a database do not share it.
        env: The process environment. Read credentials from here, so that tests can set them.
        home: The user's home folder, for the clouds' own credential files.
        clock: Time.
        limiter: Rate budgets.
        deadline: ``clock.monotonic()`` time after which nobody waits for the answer any more.
    """

    provider: str
    owner: str
    options: Mapping[str, object]
    cache_dir: Path
    data_dir: Path
    env: Mapping[str, str] = field(repr=False)
    home: Path
    clock: Clock
    limiter: RateLimiter
    deadline: float

    def remaining_s(self) -> float:
        """Return the seconds left for this call, never under 0."""
        return max(0.0, self.deadline - self.clock.monotonic())


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What ``arb check`` shows of one provider.

    Attributes:
        status: See ``CheckStatus``.
        summary: One line: the account when it works, what was refused when not.
        hint: What to do.
        may: What the credentials are known to allow, for instance ``launch``.
        missing: What they do not allow.
        policy: The least permissions, ready to copy; empty when there is no such thing.
        source: Where the credentials came from, for instance a file name; never their content.
    """

    status: CheckStatus
    summary: str
    hint: str = ""
    may: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    policy: str = ""
    source: str = ""
