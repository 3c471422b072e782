"""Checks of listings: what is shown, what is not, and where the answer can be trusted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from arb.errors import ProviderUnavailable
from arb.testing.orders import ContractOrders, told
from arb.testing.rig import OWNER
from arb.testing.skips import NotProven
from arb.testing.verdict import check, demand
from arb.types import Capability, GoneReason, InstanceState, ListQuery

if TYPE_CHECKING:
    from arb.types import Instance, Listing, Offer

__all__ = ["ListingChecks"]

OTHER_OWNER: Final = "stranger"
_FOREIGN: Final = ("web-1", "arb-training", f"arb-{OWNER}", f"my-arb-{OWNER}-clustera-000-0000")
_CLOCKS_APART_S: Final = 600
_LOOKS: Final = 60
_ENDED: Final = frozenset({InstanceState.TERMINATING, InstanceState.GONE})


class ListingChecks(ContractOrders):
    """``arb_list_instances``."""

    @check
    def test_a_listing_shows_no_foreign_machine(self) -> None:
        """List beside machines of somebody else, some with names that begin like ours.

        ``arb_list_instances``: "Machines without an arb token are never returned."
        """
        foreign = {_given(self.cloud.foreign_machine(name)): name for name in _FOREIGN}
        ours = self.found(self.buy())[0].id
        for query in (ListQuery(), ListQuery(owner=OWNER)):
            shown = {i.id for i in self.list(query).instances}
            names = [foreign[id_] for id_ in shown if id_ in foreign]
            demand(not names, f"it shows the foreign machines {', '.join(sorted(names))}")
            demand(ours in shown, "it does not show our own machine")

    @check
    def test_a_listing_is_restricted_as_asked(self) -> None:
        """List by owner, token, region and all of them.

        ``ListQuery``: "Empty fields do not restrict; they are combined with "and"."
        """
        near, far = self._two_regions()
        gang = self.buy(2, offer=self.offer(count=2))
        one, two = self.buy(offer=near), self.buy(offer=far)
        stranger = replace(self.context(), owner=OTHER_OWNER)
        other = self.buy(offer=near, owner=OTHER_OWNER, context=stranger)
        a, b, c = (self.found(bought)[0] for bought in (one, two, other))
        d, e = self.found(gang)
        batch = {e.id} if self.can(Capability.BATCH) else set()
        here = {i.id for i in (d, e) if i.region == near.region}
        tokens, region = frozenset({*one.tokens, *two.tokens}), frozenset({near.region})
        wanted: tuple[tuple[ListQuery, set[str]], ...] = (
            (ListQuery(), {a.id, b.id, c.id, d.id, e.id}),
            (ListQuery(owner=OWNER), {a.id, b.id, d.id, e.id}),
            (ListQuery(owner=OTHER_OWNER), {c.id}),
            (ListQuery(owner=self.cluster_id), set()),  # another part of all these tokens
            (one.query, {a.id}),
            (ListQuery(tokens=frozenset({d.token})), {d.id, *batch}),
            (ListQuery(tokens=tokens), {a.id, b.id}),
            (ListQuery(owner=OTHER_OWNER, tokens=tokens), set()),
            (
                ListQuery(regions=region),
                here | {i.id for i in (a, b, c) if i.region == near.region},
            ),
            (
                ListQuery(owner=OWNER, tokens=tokens, regions=region),
                {i.id for i in (a, b) if i.region == near.region},
            ),
        )
        for query, ids in wanted:
            shown = {i.id for i in self.list(query).instances}
            demand(shown == ids, f"{query} shows {sorted(shown)}, not {sorted(ids)}")

    @check
    def test_every_page_is_read(self) -> None:
        """List five machines in pages of two.

        ``arb_list_instances``: "Every page is read."
        """
        bought = [self.buy(), *(self.buy(2) for _ in range(2))]
        for each in bought:
            self.found(each)
        self.cloud.small_pages(2)
        listing = self.list(ListQuery(owner=OWNER))
        made, shown = self.billed(), [i.id for i in listing.instances]
        demand(set(shown) == made, f"of {len(made)} machines it shows {len(set(shown))}")
        demand(len(shown) == len(made), f"it shows some twice: {', '.join(sorted(shown))}")

    @check
    def test_a_page_that_fails_is_not_the_end(self) -> None:
        """List five machines in pages of two, of which only the first is answered.

        ``arb_list_instances``: "A region that failed, timed out or was cut short is left out of
        ``complete`` and named in ``errors``"
        """
        bought = [self.buy(), *(self.buy(2) for _ in range(2))]
        machines = [machine for each in bought for machine in self.found(each)]
        self.cloud.small_pages(2)
        query = ListQuery(owner=OWNER)
        if len({i.id for i in self.list(query).instances}) < len(machines):
            raise NotProven("not every page is read")
        self.cloud.fail_pages()
        listing, error = self.attempt("arb_list_instances", query=query)
        if error is None:
            shown = {i.id for i in listing.instances}
            regions = {m.region for m in machines if m.id not in shown} - set(listing.errors)
            wrong = sorted(r for r in regions if listing.covers(r, listing.account))
            demand(not wrong, f"{wrong[:1]} is in complete, and some of its machines are not shown")
        else:
            unavailable = isinstance(error, ProviderUnavailable)
            demand(unavailable, f"a page that fails: {told(error)}")

    @check
    def test_a_region_that_fails_is_not_complete(self) -> None:
        """Let one of two regions fail.

        ``arb_list_instances``: "A region that failed, timed out or was cut short is left out of
        ``complete`` and named in ``errors``"
        ``arb_list_instances``: "ProviderUnavailable: No region answered."
        """
        near, far = self._two_regions()
        if near.region == far.region:
            raise NotProven("everything in stock is in one region")
        self.found(self.buy(offer=near))
        (machine,) = self.found(self.buy(offer=far))
        self.cloud.fail_region(near.region)
        listing, error = self.attempt("arb_list_instances", query=ListQuery(owner=OWNER))
        demand(error is None, f"one of two regions answered, and it raised {told(error)}")
        demand(
            not listing.covers(near.region, listing.account),
            f"{near.region} failed, and complete is {sorted(listing.complete)}",
        )
        demand(listing.errors.get(near.region), f"errors does not name {near.region}")
        shown = machine.id in {i.id for i in listing.instances}
        demand(shown, f"{far.region} answered, and its machine is not shown")

    @check
    def test_a_good_listing_covers_the_place_of_the_order(self) -> None:
        """List after an order: same account, and complete where the machine is.

        ``Listing``: "A machine of another region that is missing here is UNKNOWN, not gone."
        ``Listing``: "A machine that was bought under another account is not gone because it is
        missing here."
        """
        bought = self.buy()
        (machine,) = self.found(bought)
        listing = self.list(bought.query)
        accounts = (bought.result.account, listing.account)
        demand(accounts[0] == accounts[1], f"the order and the listing name {accounts}")
        demand(
            listing.covers(machine.region, bought.result.account),
            f"{machine.region} is not in complete, which is {sorted(listing.complete)}",
        )

    @check
    def test_a_listing_needs_no_memory(self) -> None:
        """List from another computer, with empty folders.

        ``arb_list_instances``: "Never relies on local memory: what the provider shows now is the
        answer, also when this process did not make it."
        """
        bought = self.buy()
        (machine,) = self.found(bought)
        elsewhere = self.context("arb_list_instances", computer="another")
        shown = {i.id for i in self.list(bought.query, elsewhere).instances}
        demand(machine.id in shown, "another computer does not see the machine")

    @check
    def test_a_listed_machine_is_described_as_it_was_ordered(self) -> None:
        """Compare a running machine of each class with its offer.

        ``Instance``: "One machine as its provider sees it now."
        ``Instance``: "When the provider made it; 0 when it does not say"
        ``Instance``: "What the provider says it charges; None when it does not."
        """
        for spot in (False, True):
            if self.can(Capability.SPOT if spot else Capability.ON_DEMAND):
                self._demand_described(self.offer(spot=spot))

    def _demand_described(self, offer: Offer) -> None:
        bought = self.buy(offer=offer)
        made_at = self.cloud.clock.now()
        (machine,) = self.running(bought)
        demand(machine.region == offer.region, f"it is in {machine.region}, not {offer.region}")
        in_zone = not offer.zone or machine.zone == offer.zone
        demand(in_zone, f"it is in the zone {machine.zone!r}, not {offer.zone!r}")
        kinds = {"", offer.instance_type}
        demand(machine.instance_type in kinds, f"it is called a {machine.instance_type}")
        demand(machine.spot is offer.spot, f"spot is {machine.spot}")
        apart = abs(machine.made_at - made_at)
        said = machine.made_at == 0 or apart < _CLOCKS_APART_S
        demand(said, f"it was made {apart:.0f} s before or after its order")
        price, paid = machine.price_usd_hour, offer.price_usd_hour
        near = price is None or paid / 5 <= price <= paid * 5
        demand(near, f"it costs {price} an hour, and was bought at {paid}")

    @check
    def test_a_listing_is_of_one_account(self) -> None:
        """List one account's machines, and right after it another account's, on one computer.

        ``Listing``: "Whose machines these are, in the provider's own stable words"
        """
        bought = self.buy()
        (machine,) = self.found(bought)
        ours = self.list(bought.query)
        context = self.context("arb_list_instances", login=self.cloud.other_login())
        theirs, error = self.attempt("arb_list_instances", context, query=ListQuery())
        demand(error is None, f"with the key of another account: {told(error)}")
        shown = {i.id for i in theirs.instances}
        demand(machine.id not in shown, "another account's listing shows our machine")
        named = not ours.account or ours.account != theirs.account
        demand(named, f"both are called listings of the account {theirs.account!r}")

    @check
    def test_a_machine_that_is_ending_is_not_gone_while_it_is_billed(self) -> None:
        """Give a machine back, and list it again and again until it has ended.

        ``InstanceState``: "Asked to end; it may still be billed."
        ``Listing``: "A machine of another region that is missing here is UNKNOWN, not gone."
        """
        bought = self.buy()
        (machine,) = self.running(bought)
        for _ in range(_LOOKS):
            answer = self.terminate(bought.ref(machine))
            shown = self._shown(self.list(bought.query), machine)
            if machine.id in self.billed():
                demand(shown is not None, "it is ending and still billed, and not listed")
                gone = shown is not None and shown.state is InstanceState.GONE
                demand(not gone, "it is ending and still billed, and listed as GONE")
            if answer.gone:
                return
            self.cloud.advance(max(1.0, answer.retry_after_s))

    @check
    def test_a_preempted_machine_is_told_as_such(self) -> None:
        """Preempt a spot machine.

        ``arb_list_instances``: "A machine that just ended is returned with ``GONE`` and its reason
        for as long as the provider shows it"
        """
        self.need(Capability.SPOT)
        bought = self.buy(offer=self.offer(spot=True))
        (machine,) = self.running(bought)
        self.cloud.preempt(self.ledger_id(machine.id))
        self.cloud.advance(self.info.listing_lag_s)
        shown = self._shown(self.list(bought.query), machine)
        if shown is not None:
            demand(shown.state in _ENDED, f"it was preempted, and is {shown.state}")
            taken = shown.reason is GoneReason.PREEMPTED
            demand(taken, f"it was preempted, and the reason is {shown.reason!r}")
            honest = shown.state is not InstanceState.GONE or machine.id not in self.billed()
            demand(honest, "it may still be billed, and is GONE")

    @check
    def test_a_failed_machine_that_is_billed_is_not_gone(self) -> None:
        """Let a machine fail that costs money until it is ended.

        ``arb_list_instances``: "A machine that failed or was taken and may still be billed is
        ``TERMINATING``, never ``GONE``."
        """
        bought = self.buy()
        (machine,) = self.found(bought)
        self.cloud.fail_machine(self.ledger_id(machine.id))
        self.cloud.advance(self.info.listing_lag_s)
        if machine.id not in self.billed():
            raise NotProven("a machine that failed is not billed here")
        shown = self._shown(self.list(bought.query), machine)
        demand(shown is not None, "it is still billed, and not listed")
        state = shown.state if shown else None
        demand(state is InstanceState.TERMINATING, f"it failed, is still billed, and is {state}")

    @check
    def test_a_state_that_is_new_is_not_the_end(self) -> None:
        """Show a machine in a state that the provider's plugin cannot know.

        ``InstanceState``: "The core's reading of a provider's status."
        ``arb_terminate``: "``GONE`` may be returned only after the provider itself confirmed that
        it stopped billing"
        """
        bought = self.buy()
        (machine,) = self.running(bought)
        self.cloud.unknown_state(self.ledger_id(machine.id))
        listing, error = self.attempt("arb_list_instances", query=bought.query)
        demand(error is None, f"one machine is in a new state, and it raised {told(error)}")
        shown = self._shown(listing, machine)
        demand(shown is not None, "it is billed, and not listed")
        gone = shown is not None and shown.state is InstanceState.GONE
        demand(not gone, "it is billed, and listed as GONE")

    def _two_regions(self) -> tuple[Offer, Offer]:
        """Return offers of two regions; of one where there is only one."""
        near = self.offer()
        far = [o for o in self.offers if o.region != near.region and not o.spot]
        return near, next((o for o in far if self.cloud.in_stock(o)), near)

    def _shown(self, listing: Listing, machine: Instance) -> Instance | None:
        return next((i for i in listing.instances if i.id == machine.id), None)


def _given(id_: object) -> str:
    """Return the id of a machine of somebody else."""
    if id_ is None:
        raise TypeError("foreign_machine of the suite's cloud returns no id: nothing is proven")
    return str(id_)
