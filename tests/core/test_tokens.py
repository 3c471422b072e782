from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.types import ListQuery
from arb.types.tokens import (
    MACHINE_TOKEN_PATTERN,
    Token,
    attempt_token,
    is_id,
    machine_token,
    new_id,
    parse_token,
)

IDS = st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=8, max_size=8)


@given(IDS, IDS, st.integers(0, 46655), st.integers(0, 9999))
def test_a_token_says_what_went_into_it(owner: str, cluster: str, seq: int, rank: int) -> None:
    attempt = attempt_token(owner, cluster, seq)
    machine = machine_token(attempt, rank)

    assert len(machine) == 30
    assert re.fullmatch("[a-z][a-z0-9-]*[a-z0-9]", machine)
    assert parse_token(machine) == Token(owner, cluster, seq, rank)
    assert parse_token(attempt) == Token(owner, cluster, seq, None)
    assert Token(owner, cluster, seq, rank).attempt == attempt
    assert re.fullmatch(MACHINE_TOKEN_PATTERN, machine)
    assert not re.fullmatch(MACHINE_TOKEN_PATTERN, attempt)


def test_tokens_sort_as_their_attempts_do() -> None:
    tokens = [attempt_token("a" * 8, "b" * 8, seq) for seq in range(0, 46656, 7)]

    assert tokens == sorted(tokens)


@pytest.mark.parametrize(
    "text", ["", "arb-", "web-1", "arb-aaaaaaaa-bbbbbbbb", "arb-aaaaaaa1-bbbbbbbb-000-0000",
             "arb-aaaaaaaa-bbbbbbbb-000-00000", "xarb-aaaaaaaa-bbbbbbbb-000-0000"],
)  # fmt: skip
def test_other_names_are_not_ours(text: str) -> None:
    assert parse_token(text) is None


@pytest.mark.parametrize(
    ("owner", "cluster", "seq"),
    [
        ("short", "b" * 8, 0),
        ("a" * 8, "B" * 8, 0),
        ("a" * 8, "b" * 8, 46656),
        ("a" * 8, "b" * 8, -1),
    ],
)
def test_what_does_not_fit_makes_no_token(owner: str, cluster: str, seq: int) -> None:
    with pytest.raises(ValueError, match="no token"):
        attempt_token(owner, cluster, seq)


def test_a_rank_that_does_not_fit_makes_no_token() -> None:
    with pytest.raises(ValueError, match="no token"):
        machine_token(attempt_token("a" * 8, "b" * 8, 0), 10000)


def test_new_ids_differ() -> None:
    made = {new_id() for _ in range(100)}

    assert len(made) == 100
    assert all(is_id(text) for text in made)


MINE, OTHERS = (
    machine_token(attempt_token("a" * 8, "b" * 8, 0), 3),
    "arb-cccccccc-dddddddd-000-0000",
)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        (ListQuery(), {MINE, OTHERS}),
        (ListQuery(owner="a" * 8), {MINE}),
        (ListQuery(owner="b" * 8), set()),
        (ListQuery(tokens=frozenset({OTHERS})), {OTHERS}),
        (ListQuery(owner="a" * 8, tokens=frozenset({OTHERS})), set()),
        (ListQuery(owner="a" * 8, regions=frozenset({"north"})), {MINE}),
        (ListQuery(regions=frozenset({"south"})), set()),
    ],
    ids=["all", "owner", "no-owner", "token", "both", "region", "elsewhere"],
)
def test_a_query_wants_what_fits_all_its_parts(query: ListQuery, wanted: set[str]) -> None:
    names = (MINE, OTHERS, "web-1", f"x{MINE}", "")

    assert {name for name in names if query.wants(name, "north")} == wanted


def test_a_place_that_is_not_told_is_left_to_who_asked_there() -> None:
    assert ListQuery(regions=frozenset({"north"})).wants(MINE)
