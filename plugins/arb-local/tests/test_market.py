"""Simulated types as ``arb gpus`` shows them: what is edited is seen by the next command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from arb.cli.app import run

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "simulated.yaml"
TYPE = "- {{instance_type: sim, accelerator: H100, price_usd_hour: {price}}}\n"


@pytest.fixture
def arb(tmp_path, monkeypatch, capsys):
    """Run a command line in this process, with a home of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ARB_HOME", str(tmp_path / "arb"))
    for name in ("ARB_DATABASE_URL", "ARB_DISABLE_PROVIDERS", "ARB_NO_PLUGINS", "ARB_LOCAL_ROOM"):
        monkeypatch.delenv(name, raising=False)

    def arb_in_process(*arguments):
        capsys.readouterr()
        code = run(list(arguments))
        return code, *capsys.readouterr()

    return arb_in_process


def prices(arb, *arguments):
    _, out, _ = arb("gpus", "H100", "--infra", "local", "--json", *arguments)
    return [offer["price_usd_hour"] for offer in json.loads(out)["offers"]]


def test_an_edited_file_is_read_by_the_next_command(arb, tmp_path):
    file = tmp_path / "types.yaml"
    file.write_text(TYPE.format(price=3))
    arb("config", "set", "provider_options.local.simulated", str(file))
    assert prices(arb) == [3.0]
    file.write_text(TYPE.format(price=2.5))
    assert prices(arb) == [2.5]
    file.unlink()
    _, out, err = arb("gpus", "H100", "--infra", "local")
    assert "2.50" in out
    assert f"cannot read {file}" in err
    file.write_text(TYPE.format(price=4))
    assert prices(arb) == [4.0]


def test_changed_options_are_read_by_the_next_command(arb):
    where = "provider_options.local.simulated"
    kind = "{{instance_type: sim, accelerator: H100, price_usd_hour: {price}}}"
    for price in (3, 2):
        arb("config", "set", where, f"[{kind.format(price=price)}]")
        assert prices(arb) == [price]


def test_the_example_has_everything_to_try(arb):
    arb("config", "set", "provider_options.local.simulated", str(EXAMPLE))
    document = json.loads(arb("gpus", "-a", "--infra", "local", "--json")[1])
    offers = document["offers"]
    assert document["providers"][0]["refused"] == 0
    assert {o["note"] for o in offers} == {"simulated"}
    assert {o["accelerator_count"] for o in offers if o["accelerator"] == "H100"} == {1, 2, 8}
    assert len({o["region"] for o in offers}) > 1
    assert any(o["zone"] for o in offers)
    assert any(o["minimum_s"] for o in offers)
    assert any(o["capacity"] for o in offers)
    assert all(o["latitude"] is not None and o["longitude"] is not None for o in offers)
    on_demand = {(o["instance_type"], o["region"], o["zone"]): o for o in offers if not o["spot"]}
    spot = {(o["instance_type"], o["region"], o["zone"]): o for o in offers if o["spot"]}
    both = on_demand.keys() & spot.keys()
    dearer = {spot[k]["price_usd_hour"] > on_demand[k]["price_usd_hour"] for k in both}
    assert dearer == {True, False}
