"""The lineup: the slippage rule of the optimizer, window after window, however long the list."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.fakecloud import offer

from arb.optimizer.slippage import Quote, apply_quotes
from arb.optimizer.standing import Standing
from arb.provision.lineup import Lineup


def always(_):
    return True


def drained(lineup):
    """Take everything out; return the ids."""
    found = []
    while (first := lineup.first()) is not None:
        found.append(first.offer_id)
        lineup.drop_first()
    return " ".join(found)


def priced(*prices):
    return tuple(offer(f"o{n}", price) for n, price in enumerate(prices))


def test_without_quotes_the_order_is_kept():
    assert drained(Lineup(priced(1, 2, 3), None)) == "o0 o1 o2"
    assert Lineup((), None).first() is None


def test_what_rose_far_is_put_back_deep_in_the_rest():
    offers = priced(1, 2, 3, 4, 5, 6)
    lineup = Lineup(offers, None)
    assert len(lineup.ahead(2, always)) == 2
    lineup.requote({offers[0].key: Quote(4.5)}, 0.05)
    assert drained(lineup) == "o1 o2 o3 o0 o4 o5"


def test_several_windows_agree_with_one_look_at_everything():
    offers = priced(1, 2, 3, 4, 5, 6)
    lineup = Lineup(offers, None)
    lineup.ahead(2, always)
    lineup.requote({offers[0].key: Quote(5.5), offers[1].key: Quote(3.5)}, 0.05)
    lineup.ahead(2, always)
    lineup.requote({offers[2].key: Quote(9.0)}, 0.05)
    assert drained(lineup) == "o1 o3 o4 o0 o5 o2"


def test_a_displaced_offer_is_among_the_next_when_its_time_comes():
    offers = priced(1, 2, 3)
    lineup = Lineup(offers, None)
    lineup.ahead(1, always)
    lineup.requote({offers[0].key: Quote(2.5)}, 0.05)
    assert [o.offer_id for o in lineup.ahead(2, always)] == ["o1", "o0"]
    lineup.requote({offers[0].key: Quote(missing=True)}, 0.05)
    assert drained(lineup) == "o1 o2"


def test_a_strict_preference_is_never_crossed():
    offers = priced(1, 2, 3)
    lineup = Lineup(offers, lambda o: Standing(preference=o.offer_id == "o2"))
    lineup.ahead(1, always)
    lineup.requote({offers[0].key: Quote(9.0)}, 0.05)
    assert drained(lineup) == "o1 o0 o2"


def test_offers_that_do_not_count_are_passed_over():
    lineup = Lineup(priced(1, 2, 3, 4), None)
    found = lineup.ahead(2, lambda o: o.offer_id not in {"o0", "o2"})
    assert [o.offer_id for o in found] == ["o0", "o1", "o2", "o3"]


class Counting(Sequence):
    """A long list that counts what is read of it."""

    def __init__(self, length):
        self.length = length
        self.read = 0

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        self.read += 1
        return offer(f"o{index:06}", 1 + index / 1000)


def test_a_long_walk_with_many_windows_reads_each_offer_once_and_recurses_nowhere():
    offers = Counting(100_000)
    lineup = Lineup(offers, None)
    for _ in range(3000):
        first = lineup.first()
        lineup.ahead(3, always)
        lineup.requote({first.key: Quote(first.price_usd_hour * 1.2)}, 0.05)
        lineup.drop_first()
    assert offers.read < 30_000


prices = st.lists(st.integers(1, 60), min_size=1, max_size=12).map(sorted)


@examples(300)
@given(prices, st.data())
def test_one_window_over_everything_is_what_the_optimizer_says(listed, data):
    offers = priced(*listed)
    new = st.one_of(st.integers(1, 90).map(float).map(Quote), st.just(Quote(missing=True)))
    quotes = {o.key: data.draw(new) for o in offers if data.draw(st.booleans())}
    lineup = Lineup(offers, None)
    lineup.ahead(len(offers), always)

    changes = lineup.requote(quotes, 0.05)

    whole = apply_quotes(offers, quotes, 0.05)
    assert drained(lineup) == " ".join(o.offer_id for o in whole.offers)
    assert tuple(changes) == whole.changes


@examples(200)
@given(prices, st.integers(1, 4), st.data())
def test_a_window_at_the_front_is_what_the_optimizer_says(listed, size, data):
    offers = priced(*listed)
    quotes = {o.key: Quote(float(data.draw(st.integers(1, 90)))) for o in offers[:size]}
    lineup = Lineup(offers, None)
    lineup.ahead(size, always)

    lineup.requote(quotes, 0.05)

    whole = apply_quotes(offers, quotes, 0.05)
    assert drained(lineup) == " ".join(o.offer_id for o in whole.offers)
