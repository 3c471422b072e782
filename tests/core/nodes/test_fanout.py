from __future__ import annotations

import _thread
import threading
import time

import pytest

from arb.nodes.fanout import fan_out, fan_out_all


def test_results_are_in_the_order_of_the_items():
    barrier = threading.Barrier(8, timeout=10)

    def late(number: int) -> int:
        barrier.wait()  # all eight run at once, or this fails
        return number * number

    assert fan_out(late, range(8)) == [n * n for n in range(8)]


def test_nothing_to_do_is_an_empty_list():
    assert fan_out(str, []) == []
    assert fan_out_all(str, []) == []


def test_first_error_is_raised_without_waiting_for_the_others():
    release = threading.Event()

    def work(number: int) -> None:
        if number == 1:
            raise LookupError("one")
        release.wait(30)

    started = time.monotonic()
    with pytest.raises(LookupError, match="one"):
        fan_out(work, range(3))
    assert time.monotonic() - started < 15
    release.set()


def test_calls_that_have_not_begun_are_left_out_after_an_error():
    called: list[int] = []
    raised = threading.Event()

    def work(number: int) -> None:
        called.append(number)
        if number == 0:
            raise LookupError
        raised.wait(30)

    before = threading.active_count()
    with pytest.raises(LookupError):
        fan_out(work, range(100), threads=1)
    raised.set()
    deadline = time.monotonic() + 10
    while threading.active_count() > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(called) <= 2


def test_outcomes_carry_results_and_errors_side_by_side():
    def work(number: int) -> int:
        if number % 2:
            raise ValueError(number)
        return number

    outcomes = fan_out_all(work, range(4), threads=2)
    assert [outcome.result for outcome in outcomes] == [0, None, 2, None]
    assert [str(outcome.error) for outcome in outcomes] == ["None", "1", "None", "3"]


def test_exit_in_a_thread_reaches_the_caller():
    def work(_: int) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        fan_out(work, [1])


def test_ctrl_c_ends_the_wait():
    release = threading.Event()
    timer = threading.Timer(0.1, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        fan_out(lambda _: release.wait(30), [1, 2])
    release.set()
    timer.join()
