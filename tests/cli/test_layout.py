"""Folding tables: nothing is lost, and nothing is wider than it must be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from arb.cli.layout import GAP, folded_row, widths_within

TEXTS = st.text(st.sampled_from("ab1 /,-_."), max_size=30).map(str.strip)


def joined(lines: list[str]) -> str:
    return "".join("".join(lines).split())


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=5), st.integers(0, 80))
def test_folded_cells_fit_their_columns_and_hold_the_whole_text(rows, room):
    widths = widths_within(rows, room, foldable=(0, 1))
    for row in rows:
        lines = list(folded_row(row, widths))
        for number, width in enumerate(widths):
            cells = [cells[number] for cells in lines]
            assert max(map(len, cells)) <= width
            assert joined(cells) == joined([row[number]])


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5), st.integers(1, 80))
def test_what_fits_is_as_wide_as_its_texts_and_no_column_gives_more_than_it_must(rows, room):
    natural = widths_within(rows, 0, foldable=(0, 1))
    widths = widths_within(rows, room, foldable=(0, 1))
    if sum(natural) + GAP <= room:
        assert widths == natural
    elif widths != natural:
        narrowest = widths_within(rows, 1, foldable=(0, 1))
        assert sum(widths) + GAP == room or widths == narrowest
