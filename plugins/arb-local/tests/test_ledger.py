from __future__ import annotations

import subprocess
import sys

import pytest

from arb_local.room.capacity import Place, limit_for
from arb_local.room.ledger import Ledger, LedgerEvent


def test_recent_events_are_read_from_the_end(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    ledger.append(LedgerEvent(float(at), "made", f"m{at}", {"x": "y" * 500}) for at in range(1000))
    assert [e.at for e in ledger.recent(990)] == [990 + i for i in range(10)]
    assert len(ledger.recent(0)) == 1000
    assert [e.id for e in ledger.events()] == [f"m{i}" for i in range(1000)]


def test_a_missing_ledger_is_empty(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    assert (list(ledger.events()), ledger.recent(0), ledger.histories()) == ([], [], [])


def test_processes_append_whole_lines(tmp_path):
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from pathlib import Path; from arb_local.room.ledger import *\n"
        f"ledger = Ledger(Path({str(tmp_path / 'ledger')!r}))\n"
        "for n in range(50): ledger.append([LedgerEvent(n, 'made', 'm', {'text': 'x' * 300})])"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    events = list(Ledger(tmp_path / "ledger").events())
    assert sorted(e.at for e in events) == sorted(n for n in range(50) for _ in range(3))


def test_the_first_end_of_a_machine_counts(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    ledger.append([LedgerEvent(1, "made", "m"), LedgerEvent(5, "gone", "m", {"reason": "user"})])
    ledger.append([LedgerEvent(9, "gone", "m", {"reason": "unknown"})])
    (history,) = ledger.histories()
    assert (history.gone_at, history.gone.facts["reason"]) == (5, "user")


@pytest.mark.parametrize(
    "text", ["a", "a@r", "a@r/z", "a#spot", "a@r/z#on-demand", "a.b-c@us-east-1/us-east-1a"]
)
def test_a_place_reads_what_it_writes(text):
    assert str(Place.parse(text)) == text


@pytest.mark.parametrize("text", ["", "@r", "a@", "a/z", "a#cheap"])
def test_another_form_is_no_place(text):
    with pytest.raises(ValueError, match="not a place"):
        Place.parse(text)


def test_without_a_rule_the_default_counts_at_the_exact_place():
    place = Place("a", "r", "z", spot=False)
    rule = limit_for(place, {"other": 1, "a@elsewhere": 2, "a#spot": 3}, 7)
    assert (rule.place, rule.limit) == (place, 7)
