from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from support.processes import race, start

from arb.errors import StateError
from arb.state import holders
from arb.state import leases as leases_module
from arb.state.holders import is_awake, is_dead, new_holder, parse_holder
from arb.state.leases import Lease, LeaseHeld, LeaseLost, Leases
from arb.state.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from arb.state.store import Store
    from arb.testing import FakeClock

PUT = "INSERT INTO meta (name, value) VALUES (?, ?)"


@pytest.fixture
def leases(store: Store) -> Leases:
    return Leases(store)


def take(leases: Leases, name: str = "x", ttl_s: float = 60) -> Lease:
    lease = leases.acquire(name, ttl_s=ttl_s)
    assert lease is not None
    return lease


def write_under(store: Store, lease: Lease) -> None:
    with store.write() as tx:
        lease.check(tx)
        tx.execute(PUT, ("by", lease.holder))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_lease_is_held_by_one(leases: Leases, clock: FakeClock) -> None:
    lease = take(leases)

    assert leases.acquire("x") is None
    assert leases.acquire("y") is not None
    assert leases.info("x") == lease
    assert lease.expires_at == clock.now() + 60


def test_a_released_lease_is_free_and_its_fence_grows(leases: Leases) -> None:
    first = take(leases)
    leases.release(first)
    assert leases.info("x") is None

    assert take(leases).fence == first.fence + 1


def test_a_lease_expires_unless_renewed(leases: Leases, clock: FakeClock) -> None:
    first = take(leases, ttl_s=60)
    clock.advance(59)
    assert leases.renew(first, ttl_s=60)
    clock.advance(59)
    assert leases.acquire("x") is None
    clock.advance(1)

    second = take(leases)
    assert second.fence == first.fence + 1
    assert not leases.renew(first)


def test_a_holder_writes_under_its_lease(store: Store, leases: Leases) -> None:
    write_under(store, take(leases))

    assert len(store.read("SELECT value FROM meta WHERE name = 'by'")) == 1


def test_an_expired_holders_write_is_refused(
    store: Store, leases: Leases, clock: FakeClock
) -> None:
    lease = take(leases)
    clock.advance(60)

    with pytest.raises(LeaseLost):
        write_under(store, lease)
    assert store.read("SELECT value FROM meta WHERE name = 'by'") == []


def test_a_holder_that_was_taken_over_cannot_write_or_release(
    store: Store, leases: Leases, clock: FakeClock
) -> None:
    first = take(leases)
    clock.advance(61)
    second = take(leases)

    with pytest.raises(LeaseLost) as caught:
        write_under(store, first)
    leases.release(first)

    assert caught.value.code == "lease-lost"
    assert leases.info("x") == second
    write_under(store, second)


def test_a_released_lease_writes_no_more(store: Store, leases: Leases) -> None:
    lease = take(leases)
    leases.release(lease)

    with pytest.raises(LeaseLost):
        write_under(store, lease)


def test_an_expired_lease_that_nobody_took_can_be_renewed(
    store: Store, leases: Leases, clock: FakeClock
) -> None:
    lease = take(leases)
    clock.advance(100)

    assert leases.renew(lease)
    write_under(store, lease)


def test_a_lease_that_expired_is_kept_by_a_write_unless_somebody_took_it(
    store: Store, leases: Leases, clock: FakeClock
) -> None:
    lease = take(leases)
    clock.advance(1000)

    with store.write() as tx:
        lease.keep(tx)
    lease.look(store)

    assert leases.info("x").expires_at == clock.now() + 60
    assert leases.acquire("x") is None


def test_a_lease_that_somebody_took_is_not_kept(
    store: Store, leases: Leases, clock: FakeClock
) -> None:
    first = take(leases)
    clock.advance(61)
    second = take(leases)

    with pytest.raises(LeaseLost), store.write() as tx:
        first.keep(tx)
    with pytest.raises(LeaseLost):
        first.look(store)
    leases.release(second)
    with pytest.raises(LeaseLost):
        first.look(store)


def test_held_releases_also_after_an_error(leases: Leases) -> None:
    with pytest.raises(KeyError), leases.held("x"):  # noqa: PT012 - the block is under test
        assert leases.acquire("x") is None
        raise KeyError

    assert leases.info("x") is None


def test_held_waits_for_the_holder_before_it(leases: Leases, clock: FakeClock) -> None:
    take(leases, ttl_s=5)

    with leases.held("x", wait_s=10) as lease:
        assert lease.fence == 2
    assert clock.monotonic() == pytest.approx(5, abs=0.2)


def test_a_lease_that_stays_held_says_by_whom(leases: Leases) -> None:
    take(leases)

    with pytest.raises(LeaseHeld) as caught, leases.held("x", wait_s=1, what="cluster 'train'"):
        pass
    assert caught.value.code == "lease-held"
    assert f"cluster 'train' is being worked on by process {os.getpid()} on" in str(caught.value)


def test_a_heartbeat_keeps_a_lease_for_as_long_as_the_block_runs(url: str) -> None:
    with open_store(url) as store:
        leases = Leases(store)
        with leases.held("x", ttl_s=0.3) as lease:
            end = lease.expires_at + 0.5
            wait_for(lambda: store.now() > end)
            write_under(store, lease)
            assert not lease.lost.is_set()


def test_a_heartbeat_says_when_the_lease_went_to_somebody_else(url: str) -> None:
    with open_store(url) as store:
        leases = Leases(store)
        with leases.held("x", ttl_s=0.1) as lease:
            with store.write() as tx:
                tx.execute("UPDATE leases SET fence = fence + 1, holder = 'other'")
            assert lease.lost.wait(20)


def test_a_heartbeat_outlives_a_store_that_fails_for_a_moment(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(url) as store:
        leases, failures = Leases(store), [StateError("full"), StateError("full")]
        renew = leases.renew

        def flaky(lease: Lease, ttl_s: float) -> bool:
            if failures:
                raise failures.pop()
            return renew(lease, ttl_s)

        monkeypatch.setattr(leases, "renew", flaky)
        with leases.held("x", ttl_s=0.1) as lease:
            end = lease.expires_at
            wait_for(lambda: leases.info("x").expires_at > end + 0.1)  # type: ignore[union-attr]
            assert not lease.lost.is_set()


HOLD = """
import sys
from arb.state.leases import Leases
from arb.state.store import open_store
store = open_store(sys.argv[1])
with Leases(store).held("x", ttl_s=float(sys.argv[2])) as lease:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        with store.write() as tx:
            lease.check(tx)
            tx.execute("INSERT INTO meta (name, value) VALUES ('by', 'sleeper')")
        print("wrote")
    except Exception as error:
        print(error.code)
"""


def test_the_lease_of_a_killed_process_is_free_at_once(url: str) -> None:
    process = start(HOLD, url, "3600")
    with open_store(url) as store:
        leases = Leases(store)
        assert leases.acquire("x") is None

        process.kill()
        wait_for(lambda: os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT) is not None)
        lease = take(leases)  # not reaped yet: a zombie holds nothing either

        process.communicate()
        assert lease.fence == 2
        write_under(store, lease)


def test_a_process_that_was_stopped_past_its_lease_cannot_write(url: str) -> None:
    process = start(HOLD, url, "0.5")
    process.send_signal(signal.SIGSTOP)
    with open_store(url) as store:
        leases = Leases(store)
        wait_for(lambda: leases.acquire("x", ttl_s=3600) is not None)

        process.send_signal(signal.SIGCONT)
        output, _ = process.communicate("go\n")

        assert output == "lease-lost\n"
        assert store.read("SELECT value FROM meta WHERE name = 'by'") == []


ACQUIRE = """
import sys
from arb.state.leases import Leases
from arb.state.store import open_store
leases = Leases(open_store(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
lease = leases.acquire("x")
print(lease.fence if lease else "no", flush=True)
sys.stdin.readline()
"""


def test_of_processes_that_race_for_a_lease_one_gets_it(url: str) -> None:
    open_store(url).close()
    processes = [start(ACQUIRE, url) for _ in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()

    assert sorted(p.stdout.readline() for p in processes if p.stdout) == ["1\n", "no\n", "no\n"]
    for process in processes:
        process.communicate()


def test_this_process_is_alive() -> None:
    holder = new_holder()

    assert not is_dead(holder)
    assert holder != new_holder()
    parsed = parse_holder(holder)
    assert parsed is not None
    assert parsed.pid == os.getpid()


def test_a_process_that_ended_is_dead() -> None:
    code = "from arb.state.holders import new_holder; print(new_holder())"
    holder = subprocess.check_output([sys.executable, "-c", code], text=True).strip()

    assert is_dead(holder)


def test_a_later_process_of_the_same_number_is_another() -> None:
    host, kernel, pid, _, nonce = new_holder().split("/")

    assert is_dead(f"{host}/{kernel}/{pid}/1/{nonce}")


@pytest.mark.parametrize(
    "holder", ["", "somebody", "host/otherkernel/999999999/1/x", "host//999999999/1/x", "a/b/c/d/e"]
)
def test_who_cannot_be_judged_is_not_called_dead(holder: str) -> None:
    assert not is_dead(holder)


def test_without_a_boot_identity_nobody_is_called_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holders, "_kernel", lambda: "")

    assert not is_dead("host//999999999/1/x")


def test_race_helper_reports_outputs_in_order() -> None:
    script = "import sys; print('ready', flush=True); input(); print(sys.argv[1])"

    assert race(script, [["a"], ["b"]]) == ["a", "b"]


HOLDS = """
import sys
from arb.state.leases import Leases
from arb.state.store import open_store
store = open_store(sys.argv[1])
lease = Leases(store).acquire("x", ttl_s=0.05)
print("ready", flush=True)
for line in sys.stdin:
    print(Leases(store).renew(lease), flush=True)
"""


@pytest.fixture
def holder(url: str) -> Iterator[subprocess.Popen[str]]:
    """A process whose lease expires at once, and that renews it when it is told to."""
    process = start(HOLDS, url)
    time.sleep(0.06)
    yield process
    process.send_signal(signal.SIGCONT)
    process.communicate("", timeout=20)


def test_a_machine_that_slept_gives_its_processes_time_to_renew(
    url: str, holder: subprocess.Popen[str]
) -> None:
    with open_store(url) as store:
        taker = Leases(store)
        assert taker.acquire("x") is None
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdin.write("beat\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "True\n"
        assert taker.acquire("x") is None


def test_a_holder_that_does_not_renew_in_time_has_lost_its_lease(
    url: str, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases_module, "WAKING_S", 0.1)
    with open_store(url) as store:
        taker = Leases(store)
        assert taker.acquire("x") is None
        time.sleep(0.11)
        assert taker.acquire("x") is not None


def test_a_holder_that_is_stopped_has_lost_its_lease_at_once(
    url: str, holder: subprocess.Popen[str]
) -> None:
    holder.send_signal(signal.SIGSTOP)
    with open_store(url) as store:
        lease = Leases(store).info("x")
        assert lease is not None
        wait_for(lambda: not is_awake(lease.holder))
        assert Leases(store).acquire("x") is not None
