"""``arb_validate_task``, ``arb_adjust_offers`` and ``arb_event``: each plugin by itself."""

from __future__ import annotations

import pytest

from arb.errors import UsageError
from arb.types import Event, TaskView

pd = pytest.importorskip("pandas")

TASK = TaskView("t", 1, "{}")
EVENT = Event(1, 0.0, "launched")
OFFERS = pd.DataFrame(
    {
        "provider": ["p", "p"],
        "offer_id": ["a", "b"],
        "spot": [False, False],
        "price_usd_hour": [2.0, 3.0],
    }
)
RAISES = "raise KeyError('boom')"
HANGS = "import threading; threading.arb_test_gate.wait(20)"
HOOKS = {
    "arb_validate_task": ("task", lambda plugins: plugins.validate_task(TASK)),
    "arb_adjust_offers": ("offers", lambda plugins: plugins.adjust_offers(OFFERS)),
    "arb_event": ("event", lambda plugins: plugins.event(EVENT)),
}


def observing(hook, body):
    return f"@hookimpl\ndef {hook}({HOOKS[hook][0]}):\n    {body}\n"


@pytest.mark.parametrize("hook", HOOKS)
def test_plugins_are_called_in_the_order_of_their_names(world, hook):
    order = []
    for name in ("c", "a", "b"):
        plugin = world.add_wrapper(
            name, observing(hook, f"ORDER.append('{name}'); return {HOOKS[hook][0]}")
        )
        plugin.ORDER = order

    HOOKS[hook][1](world.plugins)

    assert order == ["a", "b", "c"]


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(
    ("body", "text"),
    [
        (RAISES, "raised KeyError: 'boom'"),
        ("raise SystemExit(1)", "raised SystemExit: 1"),
        ("raise ArbError(None)", "raised ArbError: None"),
        (HANGS, "gave no answer within 0.3 s"),
    ],
    ids=["raises", "exits", "unsound", "hangs"],
)
@pytest.mark.usefixtures("gate", "short_budgets")
def test_a_broken_plugin_costs_one_line_and_no_other(world, hook, body, text):
    world.add_wrapper("bad", observing(hook, body))
    good = world.add_wrapper("good", observing(hook, f"SEEN.append(1); return {HOOKS[hook][0]}"))

    for _ in range(2):
        HOOKS[hook][1](world.plugins)

    assert good.SEEN == [1, 1]
    assert world.warned == [f"dist-bad 1.0: {hook} {text}"]


@pytest.mark.parametrize("hook", ["arb_validate_task", "arb_adjust_offers"])
def test_a_refusal_passes_unchanged(world, hook):
    world.add_wrapper("policy", observing(hook, "raise UsageError('no', code='mine')"))

    with pytest.raises(UsageError, match="no") as caught:
        HOOKS[hook][1](world.plugins)

    assert (caught.value.code, world.warned) == ("mine", [])


def test_an_event_can_refuse_nothing(world):
    world.add_wrapper("policy", observing("arb_event", "raise UsageError('no')"))

    world.plugins.event(EVENT)

    assert world.warned == ["dist-policy 1.0: arb_event raised UsageError: no"]


def test_each_plugin_adjusts_what_the_one_before_left(world):
    world.add_wrapper("a", observing("arb_adjust_offers", "return offers[offers.offer_id == 'b']"))
    world.add_wrapper(
        "b",
        observing(
            "arb_adjust_offers", "return offers.assign(price_usd_hour=offers.price_usd_hour / 2)"
        ),
    )

    adjusted = world.plugins.adjust_offers(OFFERS)

    assert adjusted.to_dict("list") == {
        "provider": ["p"],
        "offer_id": ["b"],
        "spot": [False],
        "price_usd_hour": [1.5],
    }


@pytest.mark.parametrize(
    "body",
    [
        "return None",
        "return offers.drop(columns='spot')",
        "offers['price_usd_hour'] = 0.0; raise KeyError('half done')",
        "offers['price_usd_hour'] = -1.0; return offers",
    ],
    ids=["none", "columns", "changed-then-raised", "negative"],
)
def test_a_wrong_adjustment_leaves_the_offers_as_they_were(world, body):
    world.add_wrapper("bad", observing("arb_adjust_offers", body))

    adjusted = world.plugins.adjust_offers(OFFERS)

    assert list(adjusted["price_usd_hour"]) == [2.0, 3.0]
    (line,) = world.warned
    assert line.startswith("dist-bad 1.0: arb_adjust_offers ")


def test_what_an_observer_prints_is_dropped(world, capsys):
    world.add_wrapper("loud", observing("arb_event", "print('x')"))

    world.plugins.event(EVENT)

    assert capsys.readouterr().out == ""
    assert world.warned == ["dist-loud 1.0: arb_event printed to standard output"]


def test_an_observer_may_name_no_parameter(world):
    plugin = world.add_wrapper("a", "@hookimpl\ndef arb_event():\n    SEEN.append(1)\n")

    world.plugins.event(EVENT)

    assert plugin.SEEN == [1]
