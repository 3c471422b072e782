"""Checks of giving back, of stopping, and of what is left behind."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from arb.errors import CredentialsError
from arb.testing.checks_listings import OTHER_OWNER
from arb.testing.orders import Bought, ContractOrders, told
from arb.testing.rig import OWNER
from arb.testing.skips import DoesNotApply, NotProven
from arb.testing.verdict import check, demand
from arb.types import Capability, InstanceRef, InstanceState, ListQuery

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["EndingChecks"]

_DAY_S: Final = 86_400
_STEPS: Final = 60
_SOMEBODY: Final = "an-account-of-somebody-else"
_STOPPED: Final = frozenset({InstanceState.STOPPING, InstanceState.STOPPED})
_STARTED: Final = frozenset({InstanceState.PENDING, InstanceState.RUNNING})


class EndingChecks(ContractOrders):
    """``arb_terminate``, ``arb_list_leftovers``, ``arb_cleanup``, ``arb_stop``, ``arb_start``."""

    @check
    def test_an_unknown_machine_is_gone(self) -> None:
        """Give back what was never made, long after.

        ``arb_terminate``: "an instance that is gone, or was never made, is ``Termination.GONE``,
        not an error"
        """
        answer, error = self.attempt("arb_terminate", instance=self._stranger(age_s=_DAY_S))
        demand(error is None, f"it raised {told(error)}")
        demand(answer.gone, f"it is pending: {answer.detail}")

    @check
    def test_a_machine_that_listings_may_still_miss_is_pending(self) -> None:
        """Give back what cannot be found, at the moment of its order.

        ``arb_terminate``: ""not found" within ``listing_lag_s`` of ``instance.made_at`` is
        ``PENDING``, because listings lag"
        """
        if not self.info.listing_lag_s:
            raise DoesNotApply("listings do not lag")
        answer, error = self.attempt("arb_terminate", instance=self._stranger(age_s=0))
        demand(error is None, f"it raised {told(error)}")
        demand(not answer.gone, "it is GONE, and may appear in the next listing")

    @check
    def test_gone_means_that_nothing_is_billed(self) -> None:
        """Give a machine back until it is gone, and look into the ledger at each answer.

        ``arb_terminate``: "``GONE`` may be returned only after the provider itself confirmed that
        it stopped billing"
        """
        bought = self.buy()
        (machine,) = self.running(bought)
        self.end(bought.ref(machine))
        demand(machine.id not in self.billed(), "it is GONE, and still billed")

    @check
    def test_a_pending_end_says_when_to_ask_again(self) -> None:
        """Give a machine back, and read what is said of the wait.

        ``arb_terminate``: "gone, or pending with ``retry_after_s`` in seconds."
        """
        bought = self.buy()
        (machine,) = self.running(bought)
        waits = [a.retry_after_s for a in self.end(bought.ref(machine)) if not a.gone]
        if not waits:
            raise NotProven("the cloud of this suite ends a machine at once")
        good = all(0 < wait < math.inf for wait in waits)
        demand(good, f"retry_after_s of the pending answers is {waits}")

    @check
    def test_only_the_named_machine_ends(self) -> None:
        """Give back one machine of a gang.

        ``arb_terminate``: "Stop paying for one instance."
        """
        bought = self.buy(2)
        first, second = self.running(bought)
        other = self.billed(*self.buy().tokens)
        self.end(bought.ref(first))
        kept = {second.id, *other}
        demand(kept <= self.billed(), f"machines that nobody gave back ended with {first.id}")

    @check
    def test_of_two_machines_under_one_token_the_named_one_ends(self) -> None:
        """Give back the second of two machines that carry the same token.

        ``arb_terminate``: "Stop paying for one instance."
        """
        bought = self.buy()
        (first,) = self.running(bought)
        alone = NotProven("the cloud of this suite makes no second machine under one name")
        try:
            second = str(self.cloud.foreign_machine(first.token))
        except Exception:  # noqa: BLE001 - whatever a server says that knows a name once only
            raise alone from None
        self.cloud.advance(self.info.listing_lag_s)
        shown = [i for i in self.list(bought.query).instances if i.id == second]
        if not shown or second == first.id:
            raise alone
        for _ in range(_STEPS):
            answer, billed = self.terminate(bought.ref(shown[0])), self.billed()
            other = second in billed and first.id not in billed
            demand(not other, "the other machine under its token ended in its stead")
            if answer.gone:
                return
            self.cloud.advance(max(1.0, answer.retry_after_s))

    @check
    def test_ending_twice_is_no_error(self) -> None:
        """Give a machine back that is gone.

        ``arb_terminate``: "an instance that is gone, or was never made, is ``Termination.GONE``,
        not an error"
        """
        bought = self.buy()
        (machine,) = self.running(bought)
        self.end(bought.ref(machine))
        self.cloud.advance(self.info.listing_lag_s)
        answer, error = self.attempt("arb_terminate", instance=bought.ref(machine))
        demand(error is None, f"the second time it raised {told(error)}")
        demand(answer.gone, f"the second time it is pending: {answer.detail}")

    @check
    def test_a_minimum_run_time_is_told_as_a_wait(self) -> None:
        """Give back a young machine of an offer with a billing floor.

        ``arb_terminate``: "A provider that refuses for now (a minimum run time, an instance still
        booting) is ``PENDING`` with the wait in ``retry_after_s`` and the reason in ``detail``."
        """
        floors = {o.key: max(o.minimum_s, self.info.minimum_s) for o in self.offers}
        if not any(floors.values()):
            raise DoesNotApply("no offer has a minimum run time")
        bought = self.buy(offer=self.offer(where=lambda offer: floors[offer.key] > 0))
        (machine,) = self.found(bought)
        answer, error = self.attempt("arb_terminate", instance=bought.ref(machine))
        demand(error is None, f"a young machine cannot end yet: {told(error)}")
        longest = floors[bought.request.offer.key] + 60
        if not answer.gone:
            wait_s = answer.retry_after_s
            demand(wait_s <= longest, f"it says to wait {wait_s:.0f} s")
            demand(answer.detail, "no detail says why")

    @check
    def test_another_accounts_machine_is_not_called_gone(self) -> None:
        """Give back a machine of another account, and our own with another account's key.

        ``arb_terminate``: "only by the account that bought it: to any other account everything is
        "not found""
        ``arb_terminate``: "The account was refused, or is not ``instance.account``"
        """
        bought = self.buy()
        (machine,) = self.found(bought)
        if not bought.result.account:
            raise DoesNotApply("the provider knows no accounts")
        _, error = self.attempt("arb_terminate", instance=bought.ref(machine, account=_SOMEBODY))
        refused = isinstance(error, CredentialsError)
        demand(refused, f"a machine of another account: {told(error)}")
        demand(machine.id in self.billed(), "the machine ended all the same")
        context = self.context("arb_terminate", login=self.cloud.other_login())
        _, error = self.attempt("arb_terminate", context, instance=bought.ref(machine))
        refused = isinstance(error, CredentialsError)
        demand(refused, f"with the key of another account: {told(error)}")

    @check
    def test_a_machine_found_by_listing_can_be_given_back(self) -> None:
        """Give back, from another computer, a machine of which only its listing is known.

        ``Instance``: "It must be enough for them by itself."
        ``arb_terminate``: "Built from state alone: id, region, token and handle."
        """
        bought = self.buy()
        (machine,) = self.running(bought)
        ref = bought.ref(machine, handle=machine.payload)
        elsewhere = self.context("arb_terminate", computer="another")
        _, error = self.attempt("arb_terminate", elsewhere, instance=ref)
        demand(error is None, f"with its payload as handle: {told(error)}")
        self.end(ref)

    @check
    def test_whatever_else_is_made_carries_the_token_or_the_owner(self) -> None:
        """Order with ports, and look at what was made beside the machine.

        ``arb_provision``: "Whatever else is made (security group, key, disk) carries the token too,
        or is shared by all of this owner's clusters and named after the owner."
        """
        before = self.things()
        bought = self.buy(ports=("8080",))
        made = {i: name for i, name in self.things().items() if i not in before}
        token = bought.request.token
        stray = [name for name in made.values() if token not in name and OWNER not in name]
        demand(not stray, f"nobody can tell whose these are: {', '.join(map(repr, stray))}")

    @check
    def test_cleanup_takes_what_is_the_clusters_and_nothing_else(self) -> None:
        """Clean up after one of two clusters, beside things of somebody else.

        ``arb_cleanup``: "Touches only what carries one of ``cluster.tokens``; what all clusters of
        an owner share stays."
        """
        self.need_hook("arb_cleanup")
        self.cloud.foreign_thing("a-rule-of-somebody-else")
        self.cloud.foreign_thing(f"arb-{OWNER}-{self.cluster_id}-zzz")
        ended, kept = self.buy(ports=("8080",)), self.buy(ports=("8080",))
        self.found(kept)
        self._end_all(ended)
        before = self.things()
        self.call("arb_cleanup", cluster=self.cluster(ended))
        gone = {name for i, name in before.items() if i not in self.things()}
        token = ended.request.token
        own = {name for name in before.values() if token in name}
        demand(gone <= own, f"it took {', '.join(map(repr, sorted(gone - own)))}")
        demand(own <= gone, f"it left {', '.join(map(repr, sorted(own - gone)))}")
        demand(self.billed(*kept.tokens), "it ended a machine of another cluster")

    @check
    def test_cleaning_up_twice_is_no_error(self) -> None:
        """Clean up after a cluster twice, and after one that never was.

        ``arb_cleanup``: "Idempotent: things that are gone are not an error."
        """
        self.need_hook("arb_cleanup")
        ended = self.buy(ports=("8080",))
        self._end_all(ended)
        never = Bought(self.request(), replace(ended.result, handle=""))
        for bought in (ended, ended, never):
            _, error = self.attempt("arb_cleanup", cluster=self.cluster(bought))
            demand(error is None, f"it raised {told(error)}")

    @check
    def test_what_machines_left_is_told_by_owner(self) -> None:
        """Let machines end whose orders are forgotten, and list what is left of them.

        ``arb_list_leftovers``: "Not optional where ``arb_cleanup`` has something to remove."
        ``arb_list_leftovers``: "Only what carries a token of this owner."
        ``arb_list_leftovers``: "Never relies on local memory."
        """
        stranger = replace(self.context(), owner=OTHER_OWNER)
        bought = self.buy(ports=("8080",))
        other = self.buy(ports=("8080",), owner=OTHER_OWNER, context=stranger)
        token = bought.request.token
        self._end_all(bought)
        left = [name for name in self.things().values() if token in name]
        if not left:
            raise DoesNotApply("nothing is left of a machine that ended")
        known = "arb_list_leftovers" in self.hooks
        demand(
            known, f"without arb_list_leftovers nobody finds {left[0]} once its order is forgotten"
        )
        self.cloud.advance(self.info.listing_lag_s)
        elsewhere = self.context("arb_list_leftovers", computer="another")
        found = self.call("arb_list_leftovers", elsewhere, owner=OWNER)
        demand(token in found.tokens, f"{left[0]} is left, and {token} is not told")
        demand(other.request.token not in found.tokens, "it tells of another owner's purchase")
        accounts = (bought.result.account, found.account)
        demand(accounts[0] == accounts[1], f"the order and what is left name {accounts}")
        self.call("arb_cleanup", cluster=self.cluster(bought))
        self.cloud.advance(self.info.listing_lag_s)
        after = self.call("arb_list_leftovers", owner=OWNER)
        is_there = any(token in name for name in self.things().values())
        demand(is_there or token not in after.tokens, "all is removed, and told all the same")

    @check
    def test_a_stopped_machine_starts_again(self) -> None:
        """Stop machines and start them, each twice.

        ``arb_stop``: "Idempotent: a stopped machine stays stopped."
        ``arb_stop``: "(``STOPPING`` or ``STOPPED``; a vanished one ``GONE``)"
        ``arb_start``: "Idempotent: a running machine keeps running."
        """
        self.need(Capability.STOP)
        bought = self.buy(2)
        refs = [bought.ref(machine) for machine in self.running(bought)]
        for _ in range(2):
            self._switch("arb_stop", refs, _STOPPED)
        self._wait_stopped(bought)
        self._switch("arb_stop", refs, _STOPPED)
        for _ in range(2):
            self._switch("arb_start", refs, _STARTED)
        again = {machine.id for machine in self.running(bought)}
        demand(again == {ref.id for ref in refs}, "other machines run than were stopped")

    @check
    def test_a_vanished_machine_is_told_when_it_is_stopped(self) -> None:
        """Stop a machine that ended.

        ``arb_stop``: "a vanished one ``GONE``"
        """
        self.need(Capability.STOP)
        bought = self.buy()
        (machine,) = self.running(bought)
        self.end(bought.ref(machine))
        self.cloud.advance(self.info.listing_lag_s)
        found, error = self.attempt("arb_stop", instances=(bought.ref(machine),))
        demand(error is None, f"it raised {told(error)}")
        states = [instance.state for instance in found]
        demand(states == [InstanceState.GONE], f"the states are {states}")

    def _stranger(self, age_s: float) -> InstanceRef:
        """Return a reference to a machine that was never made."""
        request = self.request()
        listing = self.list(ListQuery(tokens=frozenset({request.setups[0].token})))
        return InstanceRef(
            provider=self.name,
            id=self.cloud.unknown_id(),
            region=request.offer.region,
            zone=request.offer.zone,
            token=request.setups[0].token,
            made_at=self.cloud.clock.now() - age_s,
            account=listing.account,
        )

    def _end_all(self, bought: Bought) -> None:
        for machine in self.running(bought):
            self.end(bought.ref(machine))

    def _switch(
        self, hook: str, refs: Sequence[InstanceRef], states: frozenset[InstanceState]
    ) -> None:
        found, error = self.attempt(hook, instances=tuple(refs))
        demand(error is None, f"{hook} raised {told(error)}")
        ids = {instance.id for instance in found}
        demand(ids == {ref.id for ref in refs}, f"{hook} returned the machines {sorted(ids)}")
        wrong = [i.state for i in found if i.state not in states]
        demand(not wrong, f"after {hook} a machine is {wrong[:1]}")

    def _wait_stopped(self, bought: Bought) -> None:
        for _ in range(_STEPS):
            states = {i.state for i in self.list(bought.query).instances}
            if states == {InstanceState.STOPPED}:
                return
            self.cloud.advance(10)
        demand(False, f"the machines do not stop: they are {sorted(states)}")
