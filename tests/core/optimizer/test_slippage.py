"""Live quotes: who is dropped, who loses a place, who moves up."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.fakecloud import offer

from arb.optimizer.slippage import Change, ChangeKind, Quote, apply_quotes
from arb.optimizer.standing import Standing

EXAMPLES = examples(300)

A, B, C = offer("a", 1.0), offer("b", 2.0), offer("c", 3.0)
RANKED = (A, B, C)


def ids(offers: Sequence) -> str:
    return " ".join(each.offer_id for each in offers)


@pytest.mark.parametrize(
    ("quotes", "order", "kinds"),
    [
        ({}, "a b c", []),
        ({A: Quote(1.0)}, "a b c", []),
        ({A: Quote(1.05)}, "a b c", ["held"]),
        ({A: Quote(2.5)}, "b a c", ["lost-place"]),
        ({A: Quote(1.06)}, "a b c", ["lost-place"]),
        ({A: Quote(9.0)}, "b c a", ["lost-place"]),
        ({A: Quote(1.04), B: Quote(1.02)}, "a b c", ["held", "moved-up"]),
        ({B: Quote(0.5)}, "b a c", ["moved-up"]),
        ({B: Quote(0.0)}, "b a c", ["moved-up"]),
        ({A: Quote(1.0, available=False)}, "b c", ["sold-out"]),
        ({B: Quote(missing=True)}, "a c", ["missing"]),
        ({A: Quote(math.nan)}, "a b c", []),
        ({A: Quote(-1.0)}, "a b c", []),
        ({A: Quote(2.5), C: Quote(0.1)}, "c b a", ["lost-place", "moved-up"]),
        ({A: Quote(missing=True), B: Quote(missing=True), C: Quote(missing=True)}, "", None),
    ],
)
def test_the_rule(quotes, order, kinds):
    done = apply_quotes(RANKED, {o.key: q for o, q in quotes.items()}, 0.05)
    assert ids(done.offers) == order
    assert kinds is None or [change.kind.value for change in done.changes] == kinds


def test_a_rise_within_the_slippage_keeps_the_place_even_when_others_are_cheaper_now():
    near = (offer("a", 1.0), offer("b", 1.01))
    done = apply_quotes(near, {near[0].key: Quote(1.04)}, 0.05)
    assert ids(done.offers) == "a b"
    assert done.offers[0].price_usd_hour == 1.04


def test_a_slippage_below_nothing_allows_no_rise_and_is_no_fall():
    done = apply_quotes(RANKED, {A.key: Quote(1.0), B.key: Quote(2.001)}, -0.5)
    assert ids(done.offers) == "a b c"
    assert [(c.offer.offer_id, c.kind) for c in done.changes] == [("b", ChangeKind.LOST_PLACE)]


def test_offers_carry_the_price_that_was_told_and_its_time():
    done = apply_quotes(RANKED, {A.key: Quote(1.5, available=True, as_of=7.0)}, 0.05)
    told = done.offers[0]
    assert (told.price_usd_hour, told.available, told.source, told.as_of) == (1.5, True, "live", 7)
    assert done.offers[1] is B


def test_reasons_name_both_prices_and_the_limit():
    quotes = {A.key: Quote(1.5), B.key: Quote(2.04), C.key: Quote(3.0, available=False)}
    done = apply_quotes(RANKED, quotes, 0.05)
    assert [change.reason for change in done.changes] == [
        "rose from $1.00 to $1.50, more than the 5.0% allowed",
        "rose from $2.00 to $2.04",
        "not available now",
    ]


def test_a_price_over_the_tasks_limit_drops_the_offer_also_within_the_slippage():
    limited = Standing(max_price_usd_hour=1.02)
    done = apply_quotes((A,), {A.key: Quote(1.03)}, 0.05, lambda _: limited)
    assert len(done.offers) == 0
    reason = "costs $1.03 now, over max_hourly_cost $1.02"
    assert done.changes == (Change(A, 1.03, ChangeKind.OVER_LIMIT, reason),)


def test_a_strict_preference_is_never_crossed():
    standing = {"a": Standing(0), "b": Standing(1), "c": Standing(1)}
    quotes = {A.key: Quote(100.0), C.key: Quote(0.01)}
    done = apply_quotes(RANKED, quotes, 0.05, lambda o: standing[o.offer_id])
    assert ids(done.offers) == "a c b"


def test_an_offer_without_a_figure_stays_behind_those_that_have_one():
    standing = {"a": Standing(), "b": Standing(comparable=False), "c": Standing(comparable=False)}
    quotes = {A.key: Quote(100.0), C.key: Quote(0.01)}
    done = apply_quotes(RANKED, quotes, 0.05, lambda o: standing[o.offer_id])
    assert ids(done.offers) == "a c b"


def test_a_price_that_was_nothing_loses_its_place_when_it_becomes_something():
    free, paid = offer("free", 0.0), offer("paid", 1.0)
    done = apply_quotes((free, paid), {free.key: Quote(2.0)}, 0.05)
    assert ids(done.offers) == "paid free"


class Counting(Sequence):
    """A ranking that notes how far it was read."""

    def __init__(self, offers):
        self.offers, self.furthest = offers, -1

    def __len__(self):
        return len(self.offers)

    def __getitem__(self, index):
        self.furthest = max(self.furthest, index)
        return self.offers[index]


def test_only_what_is_reached_is_read():
    ranked = Counting([offer(f"o{n:04}", 1 + n) for n in range(1000)])
    done = apply_quotes(ranked, {ranked.offers[2].key: Quote(6.5)}, 0.05)
    assert (len(done.offers), ranked.furthest) == (1000, 2)
    assert ids(done.offers[:7]) == "o0000 o0001 o0003 o0004 o0005 o0002 o0006"
    assert ranked.furthest == 6
    assert done.offers[-1].offer_id == "o0999"
    with pytest.raises(IndexError):
        done.offers[1000]


priced = st.lists(st.tuples(st.floats(0, 9), st.integers(0, 2), st.booleans()), max_size=9)
quoted = st.builds(
    Quote,
    price_usd_hour=st.one_of(st.floats(0, 9), st.just(math.nan)),
    available=st.sampled_from([None, True, False]),
    missing=st.booleans(),
)


@st.composite
def markets(draw):
    """A ranking with standings and quotes for some of it."""
    drawn = draw(priced)
    standing = {
        f"o{n}": Standing(preference, comparable=known, factor=draw(st.sampled_from([0.5, 1, 2])))
        for n, (_, preference, known) in enumerate(drawn)
    }
    offers = [offer(f"o{n}", price) for n, (price, _, _) in enumerate(drawn)]
    offers.sort(key=lambda o: standing[o.offer_id].key(o, o.price_usd_hour))
    asked = draw(st.lists(st.sampled_from(offers), unique_by=lambda o: o.key)) if offers else []
    return offers, standing, {o.key: draw(quoted) for o in asked}


def reference(offers, standing, quotes, slippage):
    """The rule again, eagerly: sort by the price that decides each place."""
    places = []
    for each in offers:
        quote = quotes.get(each.key)
        old = each.price_usd_hour
        new = old
        if quote is not None:
            if quote.missing or quote.available is False:
                continue
            new = old if math.isnan(quote.price_usd_hour) else quote.price_usd_hour
        counts = old if old <= new <= old * (1 + slippage) + 1e-9 else new
        places.append((standing[each.offer_id].key(each, counts), each.offer_id))
    return " ".join(name for _, name in sorted(places))


@EXAMPLES
@given(market=markets(), slippage=st.sampled_from([0, 0.05, 0.5, 100]))
def test_it_agrees_with_sorting_by_the_price_that_counts(market, slippage):
    offers, standing, quotes = market
    done = apply_quotes(offers, quotes, slippage, lambda o: standing[o.offer_id])
    assert ids(done.offers) == reference(offers, standing, quotes, slippage)
    assert len(done.offers) == len(list(done.offers))


@EXAMPLES
@given(market=markets())
def test_asking_twice_changes_nothing_more(market):
    offers, standing, quotes = market
    once = apply_quotes(offers, quotes, 0.0, lambda o: standing[o.offer_id])
    again = {o.key: Quote(o.price_usd_hour) for o in once.offers}
    twice = apply_quotes(once.offers, again, 0.0, lambda o: standing[o.offer_id])
    assert ids(twice.offers) == ids(once.offers)
    assert twice.changes == ()
