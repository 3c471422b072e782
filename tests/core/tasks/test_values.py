"""Values with units, and blocks with several forms."""

from __future__ import annotations

import time

import pytest

from arb.tasks import Amount, load_text
from arb.tasks.amounts import Memory, duration_s, gib, show_duration
from arb.tasks.when import Deadline, Duration


@pytest.mark.parametrize(
    ("text", "size"),
    [("64", 64), ("64GB", 64), ("64gi", 64), ("0.5TB", 512), ("1Ti", 1024), ("512MB", 0.5)],
)
def test_sizes_are_gib(text, size):
    assert gib(text) == size


@pytest.mark.parametrize("text", ["", "GB", "64 apples", "64G", "-1", "1e3", "1,5"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="is not a size"):
        gib(text)


@pytest.mark.parametrize(
    ("text", "value", "at_least", "per_cpu"),
    [("64", 64, False, False), ("64+", 64, True, False), ("1TB+", 1024, True, False),
     (" 4x ", 4, True, True), (".5", 0.5, False, False)],
)  # fmt: skip
def test_memory(text, value, at_least, per_cpu):
    memory = Memory.parse(text)
    assert (memory.value, memory.at_least, memory.per_cpu) == (value, at_least, per_cpu)


@pytest.mark.parametrize("text", ["8", "8+", "0.5", "64", "4x", "1024+"])
def test_amounts_are_shown_as_they_are_written(text):
    assert str(Memory.parse(text)) == text


@pytest.mark.parametrize("parse", [Amount.parse, Memory.parse, gib])
@pytest.mark.parametrize("text", ["9" * 400, "9" * 308, "9" * 308 + "PB"])
def test_amounts_beyond_all_machines_are_refused(parse, text):
    if parse == Amount.parse:
        text = text.removesuffix("PB")
    with pytest.raises(ValueError, match="is too large"):
        parse(text)


@pytest.mark.parametrize("parse", [Amount.parse, Memory.parse, gib])
def test_a_long_text_that_is_no_amount_is_refused_at_once(parse):
    began = time.process_time()
    with pytest.raises(ValueError, match="is not a"):
        parse(" " * 30_000 + "8" + " " * 30_000 + "y")
    assert time.process_time() - began < 1


def test_amounts_admit():
    assert Amount(8).admits(8)
    assert not Amount(8).admits(9)
    assert Amount(8, at_least=True).admits(9)
    assert not Amount(8, at_least=True).admits(7)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("1.5d", 129600), ("1W", 604800)],
)
def test_durations(text, seconds):
    assert duration_s(text) == seconds
    assert duration_s(show_duration(seconds)) == seconds


def test_a_number_has_the_unit_that_the_key_gives_it():
    assert duration_s("5", default_unit="m") == 300
    with pytest.raises(ValueError, match="is not a duration"):
        duration_s("5")


def test_a_deadline_is_after_submission_or_a_moment():
    assert Deadline.parse("2h").at(1000.0) == 8200.0
    assert Deadline.parse("2031-01-01 00:00:00Z").at(1000.0) == 1924992000.0
    assert Deadline.parse("2031-01-01T02:00:00+02:00").at(0) == 1924992000.0
    assert Deadline.parse("2031-01-01").at(0) == 1924992000.0


def test_a_time_that_yaml_reads_by_itself_is_the_same():
    written = load_text("deadline: 2031-01-01 00:00:00Z", "t").deadline
    assert written == load_text("deadline: '2031-01-01 00:00:00Z'", "t").deadline


def test_hours():
    assert Duration.parse("90m").hours == 1.5


@pytest.mark.parametrize(
    ("service", "policy"),
    [
        ("{}", (1, None, None)),
        ("{replicas: 3}", (3, None, None)),
        ("{workers: 3}", (3, None, None)),
        ("{replicas: 2, max_replicas: 6, target_qps_per_replica: 10}", (2, 6, 10)),
        ("{replica_policy: {min_replicas: 0, max_replicas: 2, target_qps_per_replica: 1}}", (0, 2, 1)),
    ],
)  # fmt: skip
def test_the_replica_policy_of_every_form(service, policy):
    found = load_text(f"service: {service}", "t").service.policy
    assert (found.min_replicas, found.max_replicas, found.target_qps_per_replica) == policy


@pytest.mark.parametrize(
    ("written", "idle", "down"),
    [("true", None, False), ("10", 10, False), ("'10'", 10, False), ("2h", 120, False),
     ("1d", 1440, False), ("{down: true}", None, True)],
)  # fmt: skip
def test_autostop(written, idle, down):
    found = load_text(f"resources: {{autostop: {written}}}", "t").resources.autostop
    assert (found.idle_minutes, found.down) == (idle, down)


@pytest.mark.parametrize("written", ["false", "-1"])
def test_autostop_can_be_never(written):
    assert load_text(f"resources: {{autostop: {written}}}", "t").resources.autostop is False
    assert load_text("resources: {}", "t").resources.autostop is None


@pytest.mark.parametrize(
    ("written", "regions", "docker"),
    [
        ("ami-1", {"": "ami-1"}, ""),
        ("docker:a/b:1", {}, "a/b:1"),
        ("{us-east-1: ami-1}", {"us-east-1": "ami-1"}, ""),
        ("{docker: 'docker:x', r: ami}", {"r": "ami"}, "x"),
    ],
)
def test_images(written, regions, docker):
    found = load_text(f"resources: {{image_id: {written}}}", "t").resources
    assert (dict(found.image_id.by_region), found.image_id.docker) == (regions, docker)
    assert found.alternatives()[0].images == regions


@pytest.mark.parametrize(
    ("written", "how"),
    [("true", "auto"), ("false", "never"), ("KEY-ON-NODE", "key-on-node"), ("auto", "auto")],
)
def test_self_terminate(written, how):
    assert load_text(f"self_terminate: {written}", "t").self_terminate == how
