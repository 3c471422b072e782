"""The statistics and the table of the benchmarks; what they measure is not run here."""

from __future__ import annotations

import json

import pytest
from bench import __main__ as command
from bench import table
from bench.harness import Kind, Limit, Measurement, Row, Skipped, Verdict, interleave, measure

RATIO = Limit(Kind.RATIO, 1.5)


def row(limit=RATIO, taken=None, **options):
    def take(workbench):
        if isinstance(taken, Exception):
            raise taken
        return taken

    return Row("name", "what", limit, "yard", None if taken is None else take, **options)


def result(limit, subject, yardstick=(), **more):
    return measure(row(limit, Measurement(tuple(subject), tuple(yardstick), **more)), None)


@pytest.mark.parametrize(
    ("limit", "value", "verdict"),
    [
        (Limit(Kind.RATIO, 2.0), 2.0, Verdict.INSIDE),
        (Limit(Kind.RATIO, 1.9), 2.0, Verdict.OUTSIDE),
        (Limit(Kind.EXTRA, 3.0), 3.0, Verdict.INSIDE),
        (Limit(Kind.EXTRA, 2.9), 3.0, Verdict.OUTSIDE),
        (Limit(Kind.TOTAL, 6.0), 6.0, Verdict.INSIDE),
        (Limit(Kind.TOTAL, 5.9), 6.0, Verdict.OUTSIDE),
    ],
)
def test_medians_are_compared_with_the_limit(limit, value, verdict) -> None:
    out = result(limit, [100, 6, 5], [3, 3, 0])
    assert (out.value, out.verdict) == (value, verdict)


def test_one_slow_run_does_not_decide() -> None:
    assert result(RATIO, [1, 1, 1, 1, 50], [1, 1, 1, 1, 1]).verdict is Verdict.INSIDE


def test_a_broken_rule_is_outside_however_fast() -> None:
    out = result(RATIO, [1], [1], faults=("imports pandas",))
    assert (out.verdict, out.reason) == (Verdict.OUTSIDE, "imports pandas")


@pytest.mark.parametrize(
    ("taken", "verdict", "reason"),
    [
        (None, Verdict.NOT_BUILT, ""),
        (Skipped("needs sshd"), Verdict.SKIPPED, "needs sshd"),
        (OSError("gone"), Verdict.FAILED, "OSError: gone"),
    ],
    ids=["not-built", "skipped", "failed"],
)
def test_a_row_without_a_number_says_why(taken, verdict, reason) -> None:
    out = measure(row(taken=taken), None)
    assert (out.verdict, out.reason, out.value) == (verdict, reason, None)


def test_samples_are_taken_in_turn_and_the_first_pair_is_dropped() -> None:
    order = []

    def sampler(name):
        def take():
            order.append(name)
            return float(len(order))

        return take

    subject, yardstick = interleave(sampler("s"), sampler("y"), 3)
    assert "".join(order) == "yssyyssy"
    assert (subject, yardstick) == ((3.0, 6.0, 7.0), (4.0, 5.0, 8.0))


def test_table_shows_units_people_read() -> None:
    results = [
        result(RATIO, [0.3] * 5, [0.2] * 5, size="5 things"),
        result(Limit(Kind.EXTRA, 0.2), [1.5], [0.004]),
        result(Limit(Kind.TOTAL, 20, "MB"), [12.345] * 5),
    ]
    lines = [" ".join(line.split()) for line in table.text(results).splitlines()[3:6]]
    without_load = [" ".join(line.split(" ")[:-2]) for line in lines]
    assert without_load == [
        "name <= 1.50 x 1.50 x 300 ms 200 ms 5 things 5",
        "name <= 200 ms over 1.50 s 1.50 s 4.00 ms - 1 (few)",
        "name <= 20 MB 12.3 MB 12.3 MB - - 5",
    ]
    assert [line.rpartition(" ")[2] for line in lines] == ["inside", "outside", "inside"]


def test_table_counts_verdicts() -> None:
    results = [result(RATIO, [1], [1]), measure(row(), None), measure(row(), None)]
    assert table.text(results).endswith("\n1 inside, 2 not built yet")


def test_document_keeps_every_sample() -> None:
    [entry] = json.loads(json.dumps(table.document([result(RATIO, [1, 2], [3, 4])])))["rows"]
    assert (entry["subject"], entry["yardstick_samples"]) == ([1, 2], [3, 4])
    assert entry["limit"] == {"kind": "ratio", "at_most": 1.5, "unit": "s"}
    assert entry["verdict"] == "inside"


@pytest.mark.parametrize(
    ("taken", "code"),
    [
        (Measurement((1.0,), (1.0,)), 0),
        (Measurement((9.0,), (1.0,)), 1),
        (RuntimeError("x"), 1),
        (Skipped("x"), 0),
        (None, 0),
    ],
    ids=["inside", "outside", "failed", "skipped", "not-built"],
)
def test_exit_code_says_whether_all_is_inside(monkeypatch, capsys, taken, code) -> None:
    monkeypatch.setattr(command, "ROWS", (row(taken=taken),))
    assert command.main(["--json"]) == code
    assert json.loads(capsys.readouterr().out)["rows"][0]["name"] == "name"


def test_only_leaves_the_other_rows_out(monkeypatch, capsys) -> None:
    rows = [Row(name, "", RATIO) for name in ("a", "b")]
    monkeypatch.setattr(command, "ROWS", rows)
    command.main(["--only", "b", "--json"])
    assert [r["name"] for r in json.loads(capsys.readouterr().out)["rows"]] == ["b"]


def test_unknown_row_is_refused(capsys) -> None:
    with pytest.raises(SystemExit) as exit_info:
        command.main(["--only", "no-such-row"])
    assert exit_info.value.code == 2
    assert "no-such-row" in capsys.readouterr().err


def test_names_of_rows_are_unique() -> None:
    names = [each.name for each in command.ROWS]
    assert len(set(names)) == len(names)
