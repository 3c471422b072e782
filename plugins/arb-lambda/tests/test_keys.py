"""The SSH key in the account: one for each owner, whoever else registers it at the same time."""

from __future__ import annotations

import fcntl
import threading

import pytest
from clouds.lambda_cloud.customer import CLIENT, OWNER, Customer
from support.command import eventually

from arb.errors import ProviderUnavailable
from arb.nodes.keys import generate_key
from arb_lambda.client import LambdaClient
from arb_lambda.keys import launch_key

ADD = "POST /ssh-keys"
LOOK = "GET /ssh-keys"
NAME = f"arb-{OWNER}"


class NoLimits:
    """Nobody waits: threads would do that in real time."""

    def acquire(self, budget, *, deadline):
        """Let it through."""

    def pause(self, budget, seconds):
        """Nobody waits."""


def keys(account):
    return [entry.name for entry in account.cloud.ledger().alive("key")]


def registered(account, public=CLIENT.public):
    with LambdaClient.open(account.context()) as client:
        return launch_key(client, public).name


def at_once(*calls):
    """Run calls side by side and return their results."""
    results = [None] * len(calls)

    def run(index):
        results[index] = calls[index]()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.fixture
def unlimited(account):
    account.cloud.configure(calls_per_s=0, launch_every_s=0)
    account.budgets = NoLimits()
    return account


def test_the_key_is_registered_once_and_remembered(account):
    account.buy()
    account.buy()
    ledger = account.cloud.ledger()
    assert keys(account) == [NAME]
    assert (ledger.count(ADD), ledger.count(LOOK)) == (1, 2)


def test_a_key_that_is_there_is_used(account, tmp_path):
    registered(account)
    elsewhere = Customer(account.cloud, tmp_path / "elsewhere", budgets=account.budgets)
    assert registered(elsewhere) == NAME
    assert account.cloud.ledger().count(ADD) == 1


def test_a_comment_is_no_other_key(account):
    registered(account, f"{CLIENT.public.strip()} me@here")
    assert registered(account) == NAME
    assert account.cloud.ledger().count(ADD) == 1


def test_a_name_that_another_key_has_is_left_to_it(account):
    registered(account, generate_key().public)
    name = registered(account)
    assert name.startswith(f"{NAME}-")
    assert sorted(keys(account)) == [NAME, name]
    account.buy()
    assert account.cloud.ledger().alive("machine")


def test_two_processes_of_one_computer_register_it_once(unlimited):
    unlimited.cloud.configure(duplicate_names=True)
    unlimited.cloud.fault("slow", match=LOOK, hang_s=0.1)
    unlimited.context()
    again = Customer(unlimited.cloud, unlimited.folder, budgets=NoLimits())
    assert at_once(lambda: registered(unlimited), lambda: registered(again)) == [NAME, NAME]
    assert keys(unlimited) == [NAME]
    assert unlimited.cloud.ledger().count(ADD) == 1


@pytest.mark.parametrize("duplicates", [True, False], ids=["two are taken", "one is refused"])
def test_of_two_computers_one_takes_its_key_back(unlimited, tmp_path, duplicates):
    unlimited.cloud.configure(duplicate_names=duplicates)
    other = Customer(unlimited.cloud, tmp_path / "other", budgets=NoLimits())
    unlimited.cloud.fault("slow", match=LOOK, hang_s=0.3)  # nothing is there, it says too late

    def later():
        eventually(lambda: not unlimited.cloud.faults._waiting, what="the first look")
        return registered(other)

    assert at_once(lambda: registered(unlimited), later) == [NAME, NAME]
    assert keys(unlimited) == [NAME]
    assert unlimited.list().account == other.list().account
    unlimited.buy()
    other.buy()


def test_what_two_made_before_is_set_right(account):
    account.cloud.configure(duplicate_names=True)
    first = registered(account)
    with LambdaClient.open(account.context()) as client:
        client.change("POST", "/ssh-keys", {"name": NAME, "public_key": CLIENT.public.strip()})
    assert keys(account) == [NAME, NAME]
    with pytest.raises(ProviderUnavailable, match="global/unknown"):
        account.buy()  # Lambda says no more than that
    account.buy()
    assert keys(account) == [first]


def test_a_key_that_somebody_deleted_is_registered_again(account):
    account.buy()
    account.cloud.delete_key(NAME)
    account.buy()
    assert keys(account) == [NAME]
    assert len(account.cloud.ledger().alive("machine")) == 2


def test_a_key_that_is_refused_for_good_is_told_with_the_reason(account):
    account.cloud.configure(echo=True)
    error = {"code": "global/invalid-parameters", "message": "public_key is not valid"}
    account.cloud.fault("status", match=ADD, status=400, body={"error": error}, count=9)
    with pytest.raises(ProviderUnavailable, match="public_key is not valid") as caught:
        account.buy()
    assert caught.value.never_sent


def test_keys_of_others_are_left_alone(account):
    for name in (f"{NAME}x", "arb-otherown"):
        account.cloud.add_foreign(name, "key")
    account.buy()
    assert account.cloud.ledger().harmed() == []


class Hurried:
    """The cloud's time, on which sleeping takes none."""

    def __init__(self, clock):
        self.now, self.monotonic, self.sleep = clock.now, clock.monotonic, clock.advance


def test_a_process_that_stands_still_in_its_turn_is_not_waited_for_for_ever(account):
    context = account.context(clock=Hurried(account.cloud.clock))
    with (context.data_dir / "ssh-key.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        begun = context.clock.monotonic()
        with LambdaClient.open(context) as client:
            assert launch_key(client, CLIENT.public).name == NAME
    assert 20 <= context.clock.monotonic() - begun < 25
    assert keys(account) == [NAME]
