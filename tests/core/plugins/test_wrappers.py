"""Calls through wrappers of ``arb.plugins``: who sees what, and what survives whose failure."""

from __future__ import annotations

import pytest

from arb.errors import CapacityError, PluginError, ProviderUnavailable, QuotaError, UsageError
from arb.types import InstanceRef, ListQuery, Offer, ProvisionRequest, Termination

REF = InstanceRef("good", "i-1", "r", "t-0")
QUERY = ListQuery()
OFFER = Offer("good", "a", "r", "t", 1.0)
REQUEST = ProvisionRequest("c", "t", OFFER, 1, ())


def wrapper(hook, *lines, parameters="context"):
    """Return the source of one wrapper around a hook."""
    body = "\n".join(f"    {line}" for line in lines)
    return f"@hookimpl(wrapper=True)\ndef {hook}({parameters}):\n{body}\n"


def refusing_provider(error):
    """Return source that makes a provider's purchase raise."""
    return f"""
from arb.errors import *
@hookimpl
def arb_provision(context, request):
    made = (Instance("x", "i-9", "r", InstanceState.PENDING),)
    raise {error}
"""


def test_a_wrapper_sees_the_call_and_the_one_result(world):
    world.add("good")
    audit = world.add_wrapper(
        "audit",
        wrapper(
            "arb_terminate",
            "answer = yield",
            "SEEN.append((context.provider, instance.id, answer))",
            "return answer",
            parameters="context, instance",
        ),
    )

    assert world.plugins.provider("good").terminate(REF) == Termination.PENDING
    assert audit.SEEN == [("good", "i-1", Termination.PENDING)]


def test_a_wrapper_sees_every_provider_and_providers_do_not_see_each_other(world):
    first, second = world.add("good"), world.add("other")
    audit = world.add_wrapper(
        "audit",
        wrapper("arb_provision", "SEEN.append(context.provider)", "return (yield)"),
    )

    world.plugins.provider("good").provision(REQUEST)

    assert (first.CALLS, second.CALLS, audit.SEEN) == (["provision"], [], ["good"])
    world.plugins.provider("other").provision(REQUEST)
    assert (second.CALLS, audit.SEEN) == (["provision"], ["good", "other"])


def test_the_first_name_is_the_outermost_wrapper(world):
    world.add("good")
    order = []
    for name in ("b", "a", "c"):
        plugin = world.add_wrapper(
            name,
            wrapper("arb_check", f"ORDER.append('{name}')", "return (yield)"),
        )
        plugin.ORDER = order

    world.plugins.provider("good").check()

    assert order == ["a", "b", "c"]


def test_a_wrapper_may_change_a_result(world):
    world.add("good")
    world.add_wrapper(
        "discount",
        wrapper(
            "arb_catalog",
            "catalog = yield",
            "catalog.frame['price_usd_hour'] *= 0.5",
            "return catalog",
        ),
    )

    assert list(world.plugins.provider("good").catalog().frame["price_usd_hour"]) == [1.25]


def test_a_policy_refusal_stops_a_purchase_before_it_is_made(world):
    good = world.add("good")
    world.add_wrapper(
        "policy",
        wrapper("arb_provision", "raise UsageError('not on fridays', code='friday')", "yield"),
    )

    with pytest.raises(UsageError, match="not on fridays") as caught:
        world.plugins.provider("good").provision(REQUEST)

    assert (caught.value.code, good.CALLS, world.warned) == ("friday", [], [])
    assert caught.value.never_sent


def test_only_an_error_before_the_provider_was_asked_says_never_sent(world):
    world.add("good", extra=refusing_provider("CapacityError('none', scope=Scope.ZONE)"))
    world.add_wrapper("audit", wrapper("arb_provision", "return (yield)"))

    with pytest.raises(CapacityError) as caught:
        world.plugins.provider("good").provision(REQUEST)

    assert not caught.value.never_sent


def test_the_providers_own_error_passes_unchanged_through_wrappers(world):
    world.add("good", extra=refusing_provider("CapacityError('none', scope=Scope.ZONE, made=made)"))
    world.add_wrapper("audit", wrapper("arb_provision", "return (yield)"))

    with pytest.raises(CapacityError, match="none") as caught:
        world.plugins.provider("good").provision(REQUEST)

    (machine,) = caught.value.made
    assert (machine.id, machine.provider, world.warned) == ("i-9", "good", [])


BROKEN_AFTER = {
    "raises": ["yield", "raise KeyError('boom')"],
    "raises-arb-error": ["yield", "raise UsageError('too late')"],
    "exits": ["yield", "raise SystemExit(3)"],
    "interrupts": ["yield", "raise KeyboardInterrupt"],
    "returns-nothing": ["yield"],
    "returns-other-type": ["yield", "return 'bought'"],
    "loses-machines": [
        "from dataclasses import replace",
        "return replace((yield), instances=())",
    ],
    "changes-handle": ["from dataclasses import replace", "return replace((yield), handle='')"],
    "yields-twice": ["yield", "yield"],
    "hangs": ["yield", "import threading", "threading.arb_test_gate.wait(20)"],
}


@pytest.mark.parametrize("lines", BROKEN_AFTER.values(), ids=BROKEN_AFTER.keys())
def test_a_wrapper_that_fails_after_a_purchase_loses_nothing(world, lines, gate, short_budgets):
    good = world.add("good")
    world.add_wrapper("audit", wrapper("arb_provision", *lines))

    result = world.plugins.provider("good").provision(REQUEST)

    assert [i.id for i in result.instances] == ["i-1"]
    assert (result.handle, good.CALLS) == ("handle", ["provision"])
    (line,) = world.warned
    assert line.startswith("dist-audit 1.0: arb_provision ")


BROKEN_AFTER_REFUSAL = {
    "replaces-it": [
        "try:",
        "    yield",
        "except CapacityError:",
        "    raise KeyError('x') from None",
    ],
    "replaces-it-with-a-refusal": ["try:", "    yield", "finally:", "    raise UsageError('x')"],
    "swallows-it": ["try:", "    yield", "except CapacityError:", "    return None"],
}


@pytest.mark.parametrize("lines", BROKEN_AFTER_REFUSAL.values(), ids=BROKEN_AFTER_REFUSAL.keys())
def test_no_wrapper_hides_what_exists_of_a_broken_gang(world, lines):
    world.add("good", extra=refusing_provider("CapacityError('none', scope=Scope.ZONE, made=made)"))
    world.add_wrapper("audit", wrapper("arb_provision", *lines))

    with pytest.raises(CapacityError) as caught:
        world.plugins.provider("good").provision(REQUEST)

    assert [machine.id for machine in caught.value.made] == ["i-9"]
    assert [line.split(":")[0] for line in world.warned] == ["dist-audit 1.0"]


BROKEN_BEFORE = {
    "raises": ["raise KeyError('boom')", "yield"],
    "exits": ["raise SystemExit", "yield"],
    "unsound": ["raise ArbError(None)", "yield"],
    "no-yield": ["if False:", "    yield"],
    "hangs": ["import threading", "threading.arb_test_gate.wait(20)", "yield"],
}


@pytest.mark.parametrize("lines", BROKEN_BEFORE.values(), ids=BROKEN_BEFORE.keys())
def test_nothing_is_bought_past_a_wrapper_that_could_not_decide(world, lines, gate, short_budgets):
    good = world.add("good")
    world.add_wrapper("policy", wrapper("arb_provision", *lines))
    provider = world.plugins.provider("good")

    with pytest.raises(PluginError, match=r"^dist-policy 1\.0: arb_provision "):
        provider.provision(REQUEST)
    gate.open()
    with pytest.raises(PluginError, match=r"^dist-policy 1\.0: arb_provision ") as caught:
        provider.provision(REQUEST)
    assert caught.value.never_sent

    assert good.CALLS == []


@pytest.mark.parametrize("lines", BROKEN_BEFORE.values(), ids=BROKEN_BEFORE.keys())
def test_giving_back_goes_on_without_a_wrapper_that_broke(world, lines, gate, short_budgets):
    good = world.add("good")
    world.add_wrapper("policy", wrapper("arb_terminate", *lines))
    provider = world.plugins.provider("good")

    assert provider.terminate(REF) == Termination.PENDING
    assert provider.terminate(REF) == Termination.PENDING

    assert good.CALLS == ["terminate", "terminate"]
    (line,) = world.warned
    assert line.startswith("dist-policy 1.0: arb_terminate ")


def test_one_broken_wrapper_does_not_cost_another(world):
    world.add("good")
    world.add_wrapper("bad", wrapper("arb_check", "raise KeyError('x')", "yield"))
    audit = world.add_wrapper("audit", wrapper("arb_check", "SEEN.append(1)", "return (yield)"))

    world.plugins.provider("good").check()

    assert audit.SEEN[-1:] == [1]
    assert [line.split(":")[0] for line in world.warned] == ["dist-bad 1.0"]


def test_a_crashing_provider_is_blamed_although_wrappers_took_part(world):
    world.add(
        "good",
        extra="@hookimpl\ndef arb_list_instances(context, query):\n    return {}['missing']\n",
    )
    world.add_wrapper("audit", wrapper("arb_list_instances", "return (yield)"))

    with pytest.raises(PluginError, match=r"^dist-good 1\.0: arb_list_instances raised KeyError"):
        world.plugins.provider("good").list_instances(QUERY)

    assert world.warned == []


def test_a_wrong_result_is_blamed_on_the_provider_that_returned_it(world):
    world.add("good", extra="@hookimpl\ndef arb_terminate(context, instance):\n    return 'ok'\n")
    world.add_wrapper("audit", wrapper("arb_terminate", "return (yield)"))

    with pytest.raises(PluginError, match=r"^dist-good 1\.0: arb_terminate returned a str"):
        world.plugins.provider("good").terminate(REF)


def test_a_wrapper_cannot_call_a_machine_gone(world):
    world.add("good")
    world.add_wrapper(
        "eager",
        "from arb.types import Termination\n"
        + wrapper("arb_terminate", "yield", "return Termination.GONE"),
    )

    assert world.plugins.provider("good").terminate(REF) == Termination.PENDING
    assert world.warned == ["dist-eager 1.0: arb_terminate called a machine gone that is not"]


def test_a_wrapper_may_answer_for_a_provider_that_failed_to_read(world):
    world.add(
        "good",
        extra="from arb.errors import QuotaError, Scope\n@hookimpl\ndef arb_check(context):\n"
        "    raise QuotaError('x', scope=Scope.REGION)\n",
    )
    world.add_wrapper(
        "soft",
        "from arb.types import CheckResult, CheckStatus\n"
        + wrapper(
            "arb_check",
            "try:",
            "    return (yield)",
            "except ArbError:",
            "    return CheckResult(CheckStatus.LIMITED, 'softened')",
        ),
    )

    assert world.plugins.provider("good").check().summary == "softened"


def test_an_error_of_a_wrapper_passes_for_reads(world):
    world.add("good")
    world.add_wrapper(
        "policy",
        wrapper("arb_catalog", "yield", "raise CapacityError('no', scope=Scope.PROVIDER)"),
    )

    with pytest.raises(CapacityError, match="no"):
        world.plugins.provider("good").catalog()


def test_a_wrapper_that_hung_is_left_out_afterwards(world, gate, short_budgets):
    world.add("good")
    slow = world.add_wrapper(
        "slow",
        wrapper(
            "arb_check",
            "SEEN.append(1)",
            "import threading",
            "threading.arb_test_gate.wait(20)",
            "return (yield)",
        ),
    )
    provider = world.plugins.provider("good")

    provider.check()
    provider.check()

    assert slow.SEEN == [1]
    assert world.warned == ["dist-slow 1.0: arb_check gave no answer within 0.3 s"]


def test_a_provider_that_hangs_under_a_wrapper_is_the_one_to_blame(world, gate, short_budgets):
    world.add(
        "good",
        extra="import threading\n@hookimpl\ndef arb_check(context):\n"
        "    threading.arb_test_gate.wait(20)\n",
    )
    world.add_wrapper("audit", wrapper("arb_check", "return (yield)"))
    provider = world.plugins.provider("good")

    with pytest.raises(ProviderUnavailable, match=r"^dist-good 1\.0: arb_check gave no answer"):
        provider.check()

    assert (provider.hung_in, world.warned) == ("arb_check", [])


def test_a_wrapper_with_a_shared_decorator_is_told_from_the_provider(world):
    decorator = """
import functools
def traced(function):
    @functools.wraps(function)
    def inner(*arguments):
        return function(*arguments)
    return inner
"""
    world.add("good")
    world.add_wrapper(
        "one", decorator + "@hookimpl\n@traced\ndef arb_event(event):\n    return None\n"
    )
    world.add_wrapper("two", wrapper("arb_check", "yield", "raise KeyError('two')"))
    world.add_wrapper("three", wrapper("arb_check", "return (yield)"))

    world.plugins.provider("good").check()

    assert world.warned == ["dist-two 1.0: arb_check raised KeyError: 'two'"]


def test_no_quota_error_is_lost_when_the_provider_raises_it(world):
    world.add("good", extra=refusing_provider("QuotaError('q', scope=Scope.QUOTA_FAMILY)"))

    with pytest.raises(QuotaError, match="q"):
        world.plugins.provider("good").provision(REQUEST)


def test_a_refusal_whose_made_are_no_instances_is_a_broken_contract(world):
    world.add("good", extra=refusing_provider("CapacityError('c', scope=Scope.ZONE, made=['i'])"))

    with pytest.raises(PluginError, match="whose made are no Instances"):
        world.plugins.provider("good").provision(REQUEST)
