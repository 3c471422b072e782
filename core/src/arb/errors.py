"""The errors a user sees: one summary line, one hint, a stable code.

Text and ``--json`` show the same three. ``exit_code`` is what the process ends with. Every class
says when a provider raises it and what the core does then; raise the narrowest.
"""

from __future__ import annotations

import difflib
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from arb.types import Instance

__all__ = [
    "ArbError",
    "CapacityError",
    "CredentialsError",
    "HostKeyError",
    "NoOfferError",
    "NodeError",
    "NodeUnreachable",
    "PluginError",
    "ProviderUnavailable",
    "QuotaError",
    "RateLimited",
    "Refusal",
    "RequestError",
    "Scope",
    "StateError",
    "UsageError",
    "closest",
]

_MOST_NAMED: Final = 40
"""Choices that a message lists whole; of more it lists ``_SOME_NAMED``."""
_SOME_NAMED: Final = 12
_DAY_S: Final = 86400.0


class Scope(StrEnum):
    """What a refusal says about other offers: the walk skips everything that it covers.

    The members go from narrow to wide. Each is relative to the offer that was refused, and covers
    one capacity class (spot or on-demand) unless it is ``PROVIDER``.
    """

    OFFER = "offer"
    """This offer only."""
    ZONE = "zone"
    """This instance type in this zone."""
    INSTANCE_TYPE = "instance-type"
    """This instance type in this region, all zones."""
    REGION = "region"
    """Every offer of the provider in this region."""
    QUOTA_FAMILY = "quota-family"
    """Offers of the provider, in this region, that count against the same quota.

    The family is ``Refusal.family``; offers name theirs in the ``quota_family`` catalog column, one
    or several. An empty family means: the same accelerator.
    """
    QUOTA_FAMILY_EVERYWHERE = "quota-family-everywhere"
    """Offers of the provider, in all regions, that count against the same quota; family as above."""
    PROVIDER = "provider"
    """Everything that this provider sells, until the user acts."""


class ArbError(Exception):
    """Base of every error a user sees.

    Args:
        summary: What happened, one line, no secret, names provider, instance and attempt.
        code: Stable identifier in kebab case, for scripts and the documentation.
        hint: What to do about it, one line; empty when nothing can be done.

    Attributes:
        never_sent: Set by the core on an error of a hook call: True when the provider was not even
            asked, for instance because a policy refused. A provider sets it where it gave up before
            it sent an order. Then nothing was made, for certain.
    """

    exit_code = 1
    never_sent: bool = False
    # A subclass may forget to call the constructor: what shows errors must not fail over it.
    summary: str = ""
    code: str = "error"
    hint: str = ""

    def __init__(self, summary: str, *, code: str = "error", hint: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.code = code
        self.hint = hint

    def to_dict(self) -> dict[str, Any]:
        """Return the three parts as ``--json`` prints them; some kinds of errors have more."""
        return {"summary": self.summary, "code": self.code, "hint": self.hint}


class UsageError(ArbError):
    """The command, the task file or the configuration is wrong; nothing was done."""

    exit_code = 2


class NoOfferError(ArbError):
    """No offer was left: the summary names the filter or the attempts that removed the last.

    Args:
        summary: As for ``ArbError``.
        code: As for ``ArbError``.
        hint: As for ``ArbError``.
        rejected: What removed how many offers, by alternative of the task, for ``--json``.
    """

    exit_code = 3

    def __init__(
        self,
        summary: str,
        *,
        code: str = "error",
        hint: str = "",
        rejected: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(summary, code=code, hint=hint)
        self.rejected = tuple(rejected)

    def to_dict(self) -> dict[str, Any]:
        """Return what ``--json`` prints, with the counts of rejected offers where there are any."""
        more = {"rejected": [dict(each) for each in self.rejected]} if self.rejected else {}
        return {**super().to_dict(), **more}


class StateError(ArbError):
    """The state store cannot be read or written."""


class PluginError(ArbError):
    """A plugin broke the contract: the summary names its distribution and hook."""


class NodeError(ArbError):
    """A node answered, and something on it is wrong."""


class NodeUnreachable(NodeError):
    """A node did not answer over SSH. That does not mean that it is gone."""


class HostKeyError(NodeError):
    """A node showed another host key than the one pinned; nothing was sent to it."""


class CredentialsError(ArbError):
    """The provider refused the account: wrong, expired or missing credentials, no balance.

    The walk drops the provider. Nothing was made by the call that raised it.
    """

    exit_code = 4


class RateLimited(ArbError):
    """The provider answered "too many requests". The call is repeated after a wait.

    A provider raises it from ``arb_provision`` only when the refused request made nothing. A wait of
    more than a day, or one that is no number, is a mistake: a day, and a second, are taken.
    """

    def __init__(
        self, summary: str, *, retry_after_s: float, code: str = "rate-limited", hint: str = ""
    ) -> None:
        super().__init__(summary, code=code, hint=hint)
        told_s = _seconds(retry_after_s, most=_DAY_S)
        self.retry_after_s = 1.0 if told_s is None else told_s


class ProviderUnavailable(ArbError):
    """No answer, or an answer that says nothing: time-out, 5xx, unreadable body.

    From ``arb_provision`` it leaves the attempt UNKNOWN: something may exist.

    Attributes:
        scope: What else does not answer, and is skipped with an offer that was ``never_sent``. A
            provider whose regions are services of their own sets ``Scope.REGION``.
    """

    scope: Scope = Scope.PROVIDER


class Refusal(ArbError):
    """The provider itself said no to ``arb_provision`` or ``arb_poll``: the walk goes on.

    Args:
        summary: As for ``ArbError``.
        scope: What else is skipped with this offer.
        family: The quota family, for ``Scope.QUOTA_FAMILY`` and ``QUOTA_FAMILY_EVERYWHERE``.
        made: The machines of the gang that exist all the same. Empty means that the provider
            guarantees that the call made nothing.
        code: As for ``ArbError``.
        hint: As for ``ArbError``.
        block_s: For how long the scope is skipped, in seconds, a week at most; None, and what is
            no such number, takes the core's default for the kind of refusal.
    """

    def __init__(  # noqa: PLR0913 - keyword-only facts of one refusal
        self,
        summary: str,
        *,
        scope: Scope,
        family: str = "",
        made: Iterable[Instance] = (),
        code: str = "refused",
        hint: str = "",
        block_s: float | None = None,
    ) -> None:
        super().__init__(summary, code=code, hint=hint)
        self.scope = scope
        self.family = family
        self.made = tuple(made)
        self.block_s = None if block_s is None else _seconds(block_s, most=7 * _DAY_S)


class CapacityError(Refusal):
    """The provider has none of it now."""


class QuotaError(Refusal):
    """The account may not have (more of) it."""


class RequestError(Refusal):
    """The provider calls the request itself wrong, for instance an image it does not know."""


def _seconds(value: object, *, most: float) -> float | None:
    """Return a number of seconds within bounds; None for what is none."""
    if not isinstance(value, int | float) or not value >= 0:  # NaN is not
        return None
    return float(min(value, most))


def closest(name: str, known: Iterable[str], *, what: str) -> str:
    """Return ``unknown WHAT 'name': did you mean 'x'?``, or what is known when nothing is close.

    Args:
        name: What was written.
        known: What would have been right.
        what: The kind of thing, for instance ``provider``.
    """
    choices = sorted(map(str, known))  # members of an enum look otherwise when quoted
    near = difflib.get_close_matches(name.lower(), [c.lower() for c in choices], n=1, cutoff=0.55)
    if near:
        match = next(c for c in choices if c.lower() == near[0])
        return f"unknown {what} {name!r}: did you mean {match!r}?"
    if not choices:
        return f"unknown {what} {name!r}: there is none"
    more = len(choices) - _SOME_NAMED if len(choices) > _MOST_NAMED else 0
    named = ", ".join(choices[:_SOME_NAMED] if more else choices)
    return f"unknown {what} {name!r}: known are {named}{f' and {more} more' if more else ''}"
