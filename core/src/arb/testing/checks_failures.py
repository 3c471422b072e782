"""Checks of what happens when the backend refuses, fails or hangs, and of calls side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.errors import ArbError, CredentialsError, ProviderUnavailable, RateLimited
from arb.plugins.calls import in_parallel
from arb.testing.cloud import Login
from arb.testing.everycall import ContractCalls
from arb.testing.meeting import Meeting
from arb.testing.orders import Bought, told
from arb.testing.skips import NotProven
from arb.testing.verdict import ContractBroken, check, demand
from arb.testing.watch import Watch
from arb.types import CheckStatus

if TYPE_CHECKING:
    from arb.testing.everycall import Call

__all__ = ["FailureChecks"]

_SLACK_S: Final = 1.5
_RETRY_AFTER_S: Final = 7.0
_LONGEST_RETRY_S: Final = 300.0
_NO_ANSWER: Final = frozenset({CheckStatus.UNREACHABLE, CheckStatus.LIMITED})


class FailureChecks(ContractCalls):
    """Deadlines, refused credentials, errors of the backend, threads."""

    @check
    def test_every_hook_ends_by_its_deadline(self) -> None:
        """Call every hook while the backend answers nothing.

        ``arb.hookspecs``: "``context.deadline`` is when nobody waits any more."
        ``arb.hookspecs``: "Anything else is a bug of the plugin"
        """
        bought = self.buy()
        calls = self.every_call(bought, self.running(bought)[0])
        self.cloud.hang()
        late = [text for text in in_parallel(self._overrun, calls) if text]
        demand(not late, "; ".join(late))

    @check
    def test_refused_credentials_are_credentials_errors(self) -> None:
        """Buy, list and give back with credentials that are refused, and with none.

        ``arb_provision``: "CredentialsError: The account was refused; nothing was made."
        ``arb_list_instances``: "No region answered because the account was refused."
        ``arb_terminate``: "The account was refused"
        """
        self.need_account()
        bought = self.buy()
        calls = self.money_calls(bought, self.found(bought)[0])
        before = self.billed()
        for login in (self.cloud.refused_login(), Login()):
            for call in calls:
                context = self.context(call.hook, login=login)
                _, error = self.attempt(call.hook, context, **call.arguments)
                refused = isinstance(error, CredentialsError)
                demand(refused, f"{call.hook} with refused credentials: {told(error)}")
        demand(self.billed() == before, "machines were made or ended")

    @check
    def test_server_errors_are_unavailability(self) -> None:
        """Call hooks while the backend answers with a server error.

        ``arb_provision``: "ProviderUnavailable: Anything may have been made"
        ``arb_list_instances``: "ProviderUnavailable: No region answered."
        ``arb_terminate``: "Nothing is known; called again later."
        """
        bought = self.buy()
        calls = self.money_calls(bought, self.found(bought)[0])
        self.cloud.fail(503)
        for call in calls:
            _, error = self.attempt(call.hook, **call.arguments)
            unavailable = isinstance(error, ProviderUnavailable)
            demand(unavailable, f"{call.hook} while every answer is 503: {told(error)}")
        _, error = self.attempt("arb_catalog", raw=True)
        expected = error is None or isinstance(error, ProviderUnavailable)
        demand(expected, f"arb_catalog while every answer is 503: {told(error)}")
        result, error = self.attempt("arb_check")
        status = result.status if error is None else None
        expected = (
            status in _NO_ANSWER or isinstance(error, ProviderUnavailable) or not self.account
        )
        demand(expected, f"arb_check while every answer is 503: {status or told(error)}")

    @check
    def test_unreadable_answers_are_unavailability(self) -> None:
        """Call hooks while the backend answers with a web page.

        ``ProviderUnavailable``: "No answer, or an answer that says nothing: time-out, 5xx,
        unreadable body."
        ``ProviderUnavailable``: "From ``arb_provision`` it leaves the attempt UNKNOWN: something
        may exist."
        """
        bought = self.buy()
        calls = self.money_calls(bought, self.found(bought)[0])
        self.cloud.garble()
        for call in calls:
            _, error = self.attempt(call.hook, **call.arguments)
            unavailable = isinstance(error, ProviderUnavailable)
            demand(unavailable, f"{call.hook} while no answer can be read: {told(error)}")

    @check
    def test_too_many_requests_are_told_with_the_wait(self) -> None:
        """Call hooks while the backend says "too many requests, try again after 7 s".

        ``RateLimited``: "The provider answered "too many requests". The call is repeated after a
        wait."
        ``arb_provision``: "RateLimited: The order was refused and made nothing"
        """
        bought = self.buy()
        calls = self.money_calls(bought, self.found(bought)[0])
        before = self.billed()
        self.cloud.rate_limit(_RETRY_AFTER_S)
        for call in calls:
            _, error = self.attempt(call.hook, **call.arguments)
            if not isinstance(error, RateLimited):
                raise ContractBroken(f"{call.hook} while calls are limited: {told(error)}")
            wait_s = error.retry_after_s
            told_of = _RETRY_AFTER_S <= wait_s <= _LONGEST_RETRY_S
            demand(told_of, f"{call.hook}: after 7 s, and retry_after_s is {wait_s}")
        demand(self.billed() == before, "machines were made or ended")

    @check
    def test_calls_side_by_side_do_not_mix(self) -> None:
        """Buy two machines at the same time, from two threads.

        ``arb.hookspecs``: "Hooks run in daemon threads, several at once."
        ``arb.hookspecs``: "Keep no state in module globals."
        """
        requests = [self.request(offer=self.offer(count=2)) for _ in range(2)]
        meeting = Meeting(len(requests))
        results = in_parallel(
            lambda request: self.provision(request, meeting.joined(self.context())), requests
        )
        for request, result in zip(requests, results, strict=True):
            bought = Bought(request, result)
            made = self.billed(*bought.tokens)
            demand(len(made) == 1, f"one machine was ordered, and {len(made)} made")
            ids = {i.id for i in result.instances} or made
            demand(ids == made, f"made is {sorted(made)}, returned {sorted(ids)}")

    @check
    def test_looking_changes_nothing(self) -> None:
        """Call every hook that only reads, and compare the backend before and after.

        ``arb_check``: "Reads only: must not create, change or bill anything. Safe to call twice."
        ``arb_catalog``: "Reads only: must not create, change or bill anything. Safe to call twice."
        ``arb_list_instances``: "Reads only."
        """
        bought = self.buy()
        (machine,) = self.running(bought)
        looks = [call for call in self.every_call(bought, machine) if call.looks]
        before = (self.billed(), self._things_or_none())
        for call in looks:
            self.attempt(call.hook, raw=True, **call.arguments)
            after = (self.billed(), self._things_or_none())
            demand(after == before, f"{call.hook} changed what there is")

    def _overrun(self, call: Call) -> str:
        """Call one hook of a backend that hangs; return what is wrong, or no text."""
        context = self.hanging_context(call.hook)
        wall_s = self.hang_budget_s + _SLACK_S
        try:
            self.call(call.hook, context, raw=True, wall_s=wall_s, **call.arguments)
        except ArbError:
            pass
        except ContractBroken as broken:
            return str(broken)
        clock = context.clock
        took_s = clock.elapsed_s() if isinstance(clock, Watch) else 0.0
        late = took_s > wall_s
        return f"{call.hook} took {took_s:.1f} s of {self.hang_budget_s:g} s" if late else ""

    def _things_or_none(self) -> dict[str, str] | None:
        try:
            return self.things()
        except NotProven:
            return None
