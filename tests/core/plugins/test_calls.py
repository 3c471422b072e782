"""Deadlines, exits and output of code that is not ours."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from arb.errors import ArbError, PluginError, ProviderUnavailable
from arb.plugins import _stdout
from arb.plugins.calls import call, in_parallel
from arb.types import Offer, ProvisionRequest

HANGING_CHECK = """
import threading
@hookimpl
def arb_check(context):
    CALLS.append("check")
    threading.arb_test_gate.wait(20)
"""


def raising(error):
    """Return source of a provider whose check raises."""
    return f"@hookimpl\ndef arb_check(context):\n    raise {error}\n"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("ValueError('a\\n  b')", "ValueError: a b"),
        ("SystemExit(0)", "SystemExit: 0"),
        ("KeyboardInterrupt", "KeyboardInterrupt"),
        ("GeneratorExit", "GeneratorExit"),
        ("StopIteration", "StopIteration"),
        ("MemoryError", "MemoryError"),
        ("ValueError('key hunter2hunter2 refused')", "ValueError: key *** refused"),
        ("ValueError('x' * 900)", "ValueError: " + "x" * 200 + "..."),
    ],
)
def test_any_foreign_exception_is_told_in_one_line(world, error, told):
    world.add("good", extra=raising(error))

    with pytest.raises(PluginError) as caught:
        world.plugins.provider("good").check()

    assert caught.value.summary == f"dist-good 1.0: arb_check raised {told}"


def test_an_exception_that_cannot_be_printed_is_told_by_its_class(world):
    source = "class Nasty(Exception):\n    def __str__(self):\n        raise RuntimeError\n"
    world.add("good", extra=source + raising("Nasty()"))

    with pytest.raises(PluginError, match=r"arb_check raised Nasty$"):
        world.plugins.provider("good").check()


@pytest.mark.parametrize("raised", ["KeyboardInterrupt", "SystemExit(9)"])
def test_an_exception_whose_text_is_an_exit_ends_nothing(world, raised):
    source = f"class Nasty(BaseException):\n    def __str__(self):\n        raise {raised}\n"
    world.add("good", extra=source + raising("Nasty()"))

    with pytest.raises(PluginError, match=r"arb_check raised Nasty$"):
        world.plugins.provider("good").check()


UNSOUND = {
    "no-constructor": ("ArbError", "pass", "without a summary"),
    "summary": ("ArbError", "super().__init__(7)", "whose summary is a int"),
    "hint": ("ArbError", "super().__init__('x', hint=None)", "whose hint is None"),
    "wait": ("RateLimited", "self.summary = 'x'", "without retry_after_s"),
    "scope": ("CapacityError", "self.summary = 'x'", "without a scope"),
    "word": ("CapacityError", "super().__init__('x', scope='zone')", "without a scope"),
    "outage": ("ProviderUnavailable", "super().__init__('x'); self.scope = 'r'", "without a scope"),
}


@pytest.mark.parametrize(("base", "body", "reason"), UNSOUND.values(), ids=UNSOUND.keys())
def test_an_error_that_lacks_what_its_class_promises_is_a_broken_contract(
    world, base, body, reason
):
    source = f"""
        from arb.errors import ArbError, CapacityError, ProviderUnavailable, RateLimited
        class Own({base}):
            def __init__(self):
                {body}
        @hookimpl
        def arb_check(context):
            raise Own
    """
    world.add("good", extra=textwrap.dedent(source))

    with pytest.raises(PluginError) as caught:
        world.plugins.provider("good").check()

    assert caught.value.summary == f"dist-good 1.0: arb_check raised Own {reason}"


def test_endless_recursion_is_blamed_on_the_plugin(world):
    source = "@hookimpl\ndef arb_check(context):\n    return arb_check(context)\n"
    world.add("good", extra=source)

    with pytest.raises(PluginError, match="arb_check raised RecursionError"):
        world.plugins.provider("good").check()


def test_an_error_of_the_contract_passes_unchanged(world):
    world.add(
        "good",
        extra="from arb.errors import *\nERROR = RateLimited('slow down', retry_after_s=7)\n"
        + raising("ERROR"),
    )
    provider = world.plugins.provider("good")

    with pytest.raises(ArbError) as caught:
        provider.check()

    assert caught.value is next(iter(world.modules.values())).ERROR


def test_a_hook_that_hangs_is_left_behind_at_its_deadline(world, gate, short_budgets):
    world.add("good", extra=HANGING_CHECK)
    start = time.monotonic()

    with pytest.raises(ProviderUnavailable) as caught:
        world.plugins.provider("good").check()

    assert caught.value.code == "deadline"
    assert time.monotonic() - start < 5


def test_a_provider_that_hung_is_not_entered_again(world, gate, short_budgets):
    good = world.add("good", extra=HANGING_CHECK)
    provider = world.plugins.provider("good")
    with pytest.raises(ProviderUnavailable):
        provider.check()
    gate.open()

    with pytest.raises(ProviderUnavailable, match="arb_check hung before") as caught:
        provider.terminate(None)
    assert caught.value.never_sent

    assert good.CALLS == ["check"]


def test_another_provider_is_not_touched_by_one_that_hangs(world, gate, short_budgets):
    world.add("bad", extra=HANGING_CHECK)
    world.add("good")

    replies = world.plugins.ask_all(lambda provider: provider.check())

    assert [(r.provider, r.error is None) for r in replies] == [("bad", False), ("good", True)]
    assert world.warned == ["dist-bad 1.0: arb_check gave no answer within 0.3 s"]


def test_a_provider_may_set_its_own_budgets(world, gate):
    world.add(
        "good",
        extra=HANGING_CHECK
        + """
@hookimpl
def arb_provider_info():
    return ProviderInfo("Good", frozenset(), hook_budgets_s={"arb_check": 0.25})
""",
    )

    with pytest.raises(ProviderUnavailable, match=r"within 0\.25 s"):
        world.plugins.provider("good").check()


def test_a_purchase_may_take_longer_for_each_further_machine(world):
    world.add(
        "good",
        extra="""
@hookimpl
def arb_provider_info():
    return ProviderInfo("G", frozenset(), machine_interval_s=12)

@hookimpl
def arb_provision(context, request):
    return ProvisionResult((), str(round(context.remaining_s())))
""",
    )
    offer = Offer("good", "a", "r", "t", 1.0)
    provider = world.plugins.provider("good")

    handles = [
        provider.provision(ProvisionRequest("c", "t", offer, count, ())).handle for count in (1, 3)
    ]

    assert handles == ["120", "144"]


@pytest.mark.parametrize("question", ["plugins.provider('x').check()", "plugins.ask_all(ask)"])
def test_an_interrupt_ends_the_process_while_plugins_hang(site, tmp_path, good_provider, question):
    hangs = "\n@hookimpl\ndef arb_check(context):\n    import time\n    time.sleep(60)\n"
    site.install("arb-x", good_provider + hangs)
    code = (
        "import os, signal, sys, threading\n"
        "from pathlib import Path\n"
        "from arb.plugins import Plugins, PluginSettings\n"
        "here = Path(sys.argv[1])\n"
        "settings = PluginSettings(cache_dir=here / 'c', data_dir=here / 'd', env={}, home=here,\n"
        "    owner=lambda: 'o', limiter=lambda *_: None, disabled=frozenset({'local'}))\n"
        "plugins = Plugins(settings, warn=print)\n"
        "ask = lambda p: p.check()\n"
        "plugins.provider('x')\n"
        "threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        f"try:\n    {question}\nexcept KeyboardInterrupt:\n    print('interrupted')\n"
    )
    env = dict(os.environ) | {"PYTHONPATH": str(site.folder)}
    command = [sys.executable, "-c", code, str(tmp_path)]

    output = subprocess.check_output(command, env=env, text=True, timeout=15)

    assert output == "interrupted\n"


def test_the_context_names_the_deadline(world):
    world.add(
        "good",
        extra="@hookimpl\ndef arb_check(context):\n"
        "    return CheckResult(CheckStatus.OK, str(round(context.remaining_s())))\n",
    )

    assert world.plugins.provider("good").check().summary == "20"


@pytest.mark.parametrize("at", ["import", "hook"])
def test_the_process_exits_at_once_with_a_hung_thread(at):
    code = (
        "import time\n"
        "from arb.plugins.calls import call\n"
        "outcome = call(lambda: time.sleep(60), budget_s=0.2, name='x')\n"
        "assert not outcome.finished\n"
    )
    if at == "import":
        code = (
            "import sys, types\n"
            "from arb.plugins.loading import load\n"
            "from arb.plugins.table import PluginEntry\n"
            "class Finder:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            "        if name == 'arb_hangs':\n"
            "            import time; time.sleep(60)\n"
            "sys.meta_path.insert(0, Finder())\n"
            "entry = PluginEntry('arb.providers', 'x', 'arb_hangs', 'd', '1')\n"
            "try:\n"
            "    load(entry, env={}, warn=print, budget_s=0.2)\n"
            "except Exception as error:\n"
            "    assert error.code == 'plugin-hung', error\n"
            "else:\n"
            "    raise SystemExit('it did not hang')\n"
        )
    start = time.monotonic()

    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)

    assert time.monotonic() - start < 20


def test_what_a_plugin_prints_is_dropped_and_warned_of_once(world, capsys):
    world.add(
        "good",
        extra="@hookimpl\ndef arb_check(context):\n    print('hello')\n"
        "    return CheckResult(CheckStatus.OK, 'fine')\n",
    )
    provider = world.plugins.provider("good")

    provider.check()
    provider.check()

    assert capsys.readouterr().out == ""
    assert world.warned == ["dist-good 1.0: arb_check printed to standard output"]


def test_what_a_wrapper_prints_is_blamed_on_the_wrapper(world, capsys):
    world.add("good")
    world.add_wrapper(
        "loud",
        "@hookimpl(wrapper=True)\ndef arb_check():\n    print('x')\n    return (yield)\n",
    )

    world.plugins.provider("good").check()

    assert capsys.readouterr().out == ""
    assert world.warned == ["dist-loud 1.0: arb_check printed to standard output"]


def test_other_threads_print_while_a_plugin_runs(capsys):
    inside, go_on = threading.Event(), threading.Event()

    def quiet():
        inside.set()
        go_on.wait(10)
        print("dropped")

    thread = threading.Thread(target=lambda: call(quiet, budget_s=10, name="x"))
    thread.start()
    inside.wait(10)
    print("kept")
    sys.stdout.writelines(["also\n"])
    sys.stdout.flush()
    go_on.set()
    thread.join()

    assert capsys.readouterr().out == "kept\nalso\n"


def test_stdout_is_given_back(capsys):
    before = sys.stdout

    call(lambda: print("x"), budget_s=10, name="x")

    assert sys.stdout is before
    assert _stdout._users == 0


def test_in_parallel_keeps_the_order_and_raises_the_first_error():
    def work(item):
        if item < 0:
            raise ValueError(item)
        return item * 2

    assert in_parallel(work, [1, 2, 3]) == [2, 4, 6]
    with pytest.raises(ValueError, match="-2"):
        in_parallel(work, [1, -2, -3])


def test_a_provider_that_hung_gets_another_chance_only_once_its_call_has_ended(
    world, gate, short_budgets
):
    world.add("good", extra=HANGING_CHECK)
    provider = world.plugins.provider("good")
    with pytest.raises(ProviderUnavailable):
        provider.check()

    world.plugins.let_in_again()
    assert provider.hung_in == "arb_check"

    gate.open()
    (ended,) = provider._hooks.hung_calls
    assert ended.wait(20)
    assert provider.hung_in == "arb_check", "nobody asked for another chance yet"
    world.plugins.let_in_again()
    assert provider.hung_in == ""
    with pytest.raises(PluginError, match="returned None"):  # as this one does: it was entered
        provider.check()
