from __future__ import annotations

import pytest

from arb.errors import UsageError
from arb_local.simulated import read_simulated

GOOD = {"instance_type": "a", "accelerator": "H100", "price_usd_hour": 2}


def test_defaults_are_filled_in(tmp_path):
    (kind,) = read_simulated([GOOD], tmp_path)
    assert kind.accelerator_count == 1
    assert dict(kind.regions) == {"sim": ()}
    assert (kind.capacity, kind.spot_price_usd_hour, kind.tells_capacity) == (None, {}, False)


@pytest.mark.parametrize("option", [None, [], ""], ids=["none", "empty-list", "empty-text"])
def test_nothing_is_simulated_by_default(tmp_path, option):
    assert read_simulated(option, tmp_path) == ()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("x", "[0] must be a map"),
        ({}, "[0] has no instance_type"),
        ({"instance_type": "a"}, "has neither price_usd_hour nor spot_price_usd_hour"),
        ({**GOOD, "price_usd_hours": 1}, "did you mean 'price_usd_hour'?"),
        ({**GOOD, "price_usd_hour": 0}, ".price_usd_hour must be above 0"),
        ({**GOOD, "price_usd_hour": "two"}, "must be a number of 0 or more, not 'two'"),
        ({**GOOD, "vcpus": -1}, ".vcpus must be a number of 0 or more, not -1"),
        ({**GOOD, "vcpus": float("nan")}, ".vcpus must be a number"),
        ({**GOOD, "capacity": True}, ".capacity must be a number"),
        ({**GOOD, "regions": {}}, ".regions must be a map of region to its zones"),
        ({**GOOD, "regions": {"east": "a"}}, ".regions.east must be a list of zones"),
        ({**GOOD, "accelerator": ["H100"]}, ".accelerator must be a text, not ['H100']"),
        ({**GOOD, "price_usd_hour": {}}, "has neither price_usd_hour nor spot_price_usd_hour"),
        ({**GOOD, "price_usd_hour": {"simm": 1}}, "unknown place 'simm': did you mean 'sim'?"),
        ({**GOOD, "price_usd_hour": {"sim": -1}}, ".price_usd_hour.sim must be a number of 0"),
        ({**GOOD, "coordinates": {"simm": [1, 2]}}, "unknown region 'simm': did you mean 'sim'?"),
        ({**GOOD, "coordinates": {"sim": [91, 2]}}, ".coordinates.sim must be latitude and"),
        ({**GOOD, "coordinates": {"sim": [1, 2, 3]}}, ".coordinates.sim must be latitude and"),
        ({**GOOD, "coordinates": [1, 2]}, ".coordinates must be a map of region to latitude"),
        ({**GOOD, "partial_gangs": "maybe"}, ".partial_gangs must be true or false"),
        (
            {"instance_type": "a", "price_usd_hour": 1, "accelerator_count": 2},
            "has an accelerator_count and no accelerator",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path, row, message):
    with pytest.raises(UsageError) as caught:
        read_simulated([row], tmp_path)
    assert message in caught.value.summary
    assert caught.value.summary.startswith("provider_options.local.simulated")


def test_one_name_is_given_once(tmp_path):
    with pytest.raises(UsageError, match="names 'a' twice"):
        read_simulated([GOOD, GOOD], tmp_path)


def test_regions_may_be_a_list(tmp_path):
    (kind,) = read_simulated([{**GOOD, "regions": ["east", "west"]}], tmp_path)
    assert dict(kind.regions) == {"east": (), "west": ()}


def test_a_yaml_file_is_read(tmp_path):
    text = "- instance_type: a\n  spot_price_usd_hour: 1.5\n  regions: {east: [a, b]}\n"
    (tmp_path / "types.yaml").write_text(text)
    (kind,) = read_simulated("~/types.yaml", tmp_path)
    assert (kind.spot_price_usd_hour, kind.regions["east"]) == ({"": 1.5}, ("a", "b"))


def test_the_most_specific_price_decides(tmp_path):
    prices = {"east": 3, "east/b": 2.5, "west": None}
    regions = {"east": ["a", "b"], "west": ["a"]}
    kind = {**GOOD, "price_usd_hour": prices, "spot_price_usd_hour": 1, "regions": regions}
    (kind,) = read_simulated([kind], tmp_path)
    assert kind.price("east", "a", spot=False) == 3
    assert kind.price("east", "b", spot=False) == 2.5
    assert kind.price("west", "a", spot=False) is None
    assert kind.price("west", "a", spot=True) == 1


def test_a_csv_file_is_read(tmp_path):
    text = (
        "instance_type,accelerator,accelerator_count,price_usd_hour,regions,capacity\n"
        "a,H100,8,20,east=a|b;west,4\n"
        "b,,,1,,\n"
    )
    (tmp_path / "types.csv").write_text(text)
    first, second = read_simulated(str(tmp_path / "types.csv"), tmp_path)
    assert dict(first.regions) == {"east": ("a", "b"), "west": ()}
    assert (first.capacity, first.accelerator_count) == (4, 8)
    assert (second.capacity, second.accelerator, dict(second.regions)) == (None, "", {"sim": ()})


def test_maps_in_a_csv_file_are_pairs(tmp_path):
    text = (
        "instance_type,price_usd_hour,spot_price_usd_hour,regions,coordinates\n"
        "a,east=3;west=2.5,1,east=a;west,east=39.0|-77.5\n"
    )
    (tmp_path / "types.csv").write_text(text)
    (kind,) = read_simulated(str(tmp_path / "types.csv"), tmp_path)
    assert kind.price_usd_hour == {"east": 3, "west": 2.5}
    assert kind.spot_price_usd_hour == {"": 1}
    assert kind.coordinates == {"east": (39.0, -77.5)}


def test_a_path_that_depends_on_the_current_folder_is_refused_with_the_way_out(
    tmp_path, monkeypatch
):
    (tmp_path / "types.yaml").write_text("- {instance_type: a, price_usd_hour: 1}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="absolute") as caught:
        read_simulated("types.yaml", tmp_path)
    assert caught.value.hint.endswith('"$PWD/types.yaml"')


def test_an_empty_file_simulates_nothing(tmp_path):
    (tmp_path / "types.yaml").write_text("# nothing yet\n")
    assert read_simulated("~/types.yaml", tmp_path) == ()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("missing.yaml", None, "cannot read"),
        ("broken.yaml", "a: [", "is not YAML"),
        ("map.yaml", "a: 1", "must be a list of maps"),
        ("deep.yaml", "[" * 3000, "is not YAML"),
    ],
)
def test_a_bad_file_is_named(tmp_path, name, text, message):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=message):
        read_simulated(str(tmp_path / name), tmp_path)
