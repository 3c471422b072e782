"""The call that spends money, and what to do when its answer is lost."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ArbError, CredentialsError, RateLimited, Refusal, Scope
from arb.provision.order import in_rank_order, one_each, request_tokens
from arb.provision.waiting import pause
from arb.types import InstanceState, ListQuery, ProvisionResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from arb.plugins.provider import Provider
    from arb.progress import Progress
    from arb.types import Clock, Instance, ProvisionRequest

__all__ = ["LOST_ANSWER", "AbandonedPurchase", "Found", "InterruptedPurchase", "LostAnswer"]
__all__ += ["find_made", "place"]

LOST_ANSWER: Final = "lost-answer"
_RATE_LIMIT_PATIENCE_S = 120
"""For so long a cheaper offer is worth waiting for; beyond it the next offer is tried."""
_LEAST_WAIT_S = 1.0
_LOOKS_S = (0, 5, 15, 30)
_LOOK_S = 0.2


class LostAnswer(ArbError):
    """The call ended without the provider's own answer: machines may exist.

    Attributes:
        unlisted: Listings fail as well: what the next order makes could not be found either.
    """

    unlisted: bool = False


class InterruptedPurchase(KeyboardInterrupt):
    """Ctrl-C came while an order was under way. What the order then came to must go back.

    Attributes:
        result: What was bought; None when ``error`` came instead.
        error: As ``place`` would have raised it.
    """

    def __init__(self, result: ProvisionResult | None, error: ArbError | None) -> None:
        super().__init__()
        self.result = result
        self.error = error


class AbandonedPurchase(KeyboardInterrupt):
    """Ctrl-C came once more while the answer was waited for: what is made is left to be looked for."""

    def __init__(self, error: LostAnswer) -> None:
        super().__init__()
        self.error = error


@dataclass(frozen=True, slots=True)
class Found:
    """What is listed of an order whose answer was lost.

    Attributes:
        instances: Machines that are not gone, in rank order.
        trusted: Whether a machine that is missing here did not exist when it was listed.
        account: Whose machines they are.
        failed: Whether the listing failed altogether.
    """

    instances: tuple[Instance, ...] = ()
    trusted: bool = False
    account: str = ""
    failed: bool = False


def place(
    provider: Provider,
    request: ProvisionRequest,
    *,
    clock: Clock,
    progress: Progress,
    check: Callable[[], None],
) -> ProvisionResult:
    """Call ``arb_provision`` once, or again while the provider says "too many requests".

    Args:
        provider: Where.
        request: What.
        clock: Time.
        progress: Hears of waits.
        check: Called right before each call and while one waits; what it raises is raised, and
            nothing is sent.

    Raises:
        Refusal, CredentialsError: The provider said no.
        ArbError: With ``never_sent``: the provider was not asked, for instance by a policy's will.
        LostAnswer: Anything else.
        InterruptedPurchase: Ctrl-C. It comes only after the call under way has ended, so that what
            it made is known.
        AbandonedPurchase: Ctrl-C again, once it was said what is waited for.
    """
    limit = clock.monotonic() + _RATE_LIMIT_PATIENCE_S
    while True:
        check()
        try:
            return _call(provider, request, progress)
        except RateLimited as error:
            wait_s = max(_LEAST_WAIT_S, error.retry_after_s)
            if clock.monotonic() + wait_s > limit:
                raise _as_refusal(error) from error
            progress.state(f"{provider.name} asks to wait {wait_s:.0f} s")
            pause(clock, wait_s, check)


def find_made(
    provider: Provider, request: ProvisionRequest, *, clock: Clock, account: str = ""
) -> Found:
    """List an order's machines at 0, 5, 15, 30 s, up to the provider's listing lag.

    It ends early when all are found, or when the provider hung: it is not entered again.

    Args:
        provider: Where.
        request: The order.
        clock: Time.
        account: Whose order it is, when that is known; another account's listing proves nothing.
    """
    begun = clock.monotonic()
    lag = provider.info.listing_lag_s
    found = Found()
    for at in (*(s for s in _LOOKS_S if s < lag), lag):
        clock.sleep(max(0.0, begun + at - clock.monotonic()))
        found = _list_made(provider, request, account)
        if len(one_each(request, found.instances)[0]) == request.count or provider.hung_in:
            break
    return found


def _list_made(provider: Provider, request: ProvisionRequest, account: str) -> Found:
    query = ListQuery(tokens=request_tokens(request), regions=frozenset({request.offer.region}))
    try:
        listing = provider.list_instances(query)
    except ArbError:
        return Found(failed=True)
    alive = [i for i in listing.instances if i.state is not InstanceState.GONE]
    trusted = listing.covers(request.offer.region, account or listing.account)
    return Found(tuple(in_rank_order(alive)), trusted, listing.account)


def _call(provider: Provider, request: ProvisionRequest, progress: Progress) -> ProvisionResult:
    """Run the hook in a thread of its own, so that Ctrl-C cannot cut its answer off."""
    outcome: list[ProvisionResult | BaseException] = []
    done = threading.Event()

    def work() -> None:
        try:
            outcome.append(provider.provision(request))
        except BaseException as error:  # noqa: BLE001 - handed to the waiting thread below
            outcome.append(error)
        done.set()

    with _ctrl_c_noted() as pressed:
        threading.Thread(target=work, name=f"provision-{request.token}", daemon=True).start()
        _await(done, pressed, progress)
    interrupted, answer = bool(pressed), outcome[0]
    if isinstance(answer, ProvisionResult):
        if interrupted:
            raise InterruptedPurchase(answer, None)
        return answer
    error = _as_answer(answer)
    if interrupted:
        raise InterruptedPurchase(None, error) from error
    raise error


@contextmanager
def _ctrl_c_noted() -> Iterator[list[int]]:
    """Only note the signals that would raise ``KeyboardInterrupt``, at whatever line they come.

    Handlers are the main thread's; in another thread nothing is raised anyway.
    """
    pressed: list[int] = []
    before: dict[int, Any] = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if callable(handler := signal.getsignal(number)):
                    before[number] = handler
                    signal.signal(number, lambda number, _: pressed.append(number))
        yield pressed
    finally:
        for changed, handler in before.items():
            signal.signal(changed, handler)


def _await(done: threading.Event, pressed: list[int], progress: Progress) -> None:
    """Wait for the call, which has a deadline; say why when Ctrl-C was pressed meanwhile.

    Raises:
        AbandonedPurchase: It was pressed again after that.
    """
    heard = 0
    while not done.wait(_LOOK_S):
        if pressed and not heard:
            heard = len(pressed)
            progress.warn("interrupted: waiting for the order's answer, to give back what it made")
            progress.step("   Ctrl-C again leaves that to the next arb command")
        elif len(pressed) > heard:
            summary = "interrupted before the order was answered"
            raise AbandonedPurchase(LostAnswer(summary, code=LOST_ANSWER))


def _as_answer(error: BaseException) -> ArbError:
    """Return what the error says of the order: a clear no stays what it is."""
    if isinstance(error, Refusal | CredentialsError | RateLimited):
        return error
    if isinstance(error, ArbError) and error.never_sent:
        return error
    lost = LostAnswer(str(error), code=LOST_ANSWER)
    lost.__cause__ = error
    return lost


def _as_refusal(error: RateLimited) -> Refusal:
    return Refusal(
        error.summary, scope=Scope.PROVIDER, code=error.code, block_s=error.retry_after_s
    )
