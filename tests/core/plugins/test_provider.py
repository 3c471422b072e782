"""The facade of a provider: contexts, stamps and one method a hook."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from arb.errors import PluginError, StateError, UsageError
from arb.types import Capability, ClusterRef, InstanceRef, ListQuery, RateBudget

REF = InstanceRef("good", "i-1", "r", "t-0")


def test_a_context_holds_what_the_provider_is_told(world):
    world.changes["options"] = {"good": {"room": "/tmp/room"}, "other": {"x": 1}}
    world.add(
        "good",
        extra="""
from arb.types import RateBudget

@hookimpl
def arb_provider_info():
    return ProviderInfo("G", frozenset(), options={"room": ""}, rate_budgets={"api": RateBudget(1, 2)})

@hookimpl
def arb_check(context):
    CALLS.append(context)
    return CheckResult(CheckStatus.OK, "x")
""",
    )
    provider = world.plugins.provider("good")
    provider.check()
    (context,) = next(iter(world.modules.values())).CALLS

    assert (context.provider, context.owner) == ("good", "abcd2345")
    assert context.options == {"room": "/tmp/room"}
    assert context.limiter.shared == ("good", {"api": RateBudget(1, 2)})
    assert context.cache_dir.is_dir()
    assert context.data_dir.is_dir()
    assert context.cache_dir != context.data_dir
    assert context.env["MY_API_KEY"] not in repr(context)


def test_state_and_folders_are_not_touched_before_a_hook_needs_them(world, tmp_path):
    def unwanted(*arguments):
        pytest.fail("the state store was opened")

    world.changes |= {"owner": unwanted, "limiter": unwanted}
    world.add("good")

    assert world.plugins.provider("good").info.display_name == "Good"
    assert not (tmp_path / "data").exists()


def test_a_cache_folder_that_cannot_be_made_is_replaced(world, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # xdist runs no atexit
    (tmp_path / "cache").write_text("in the way")
    world.add(
        "good",
        extra="@hookimpl\ndef arb_check(context):\n"
        "    return CheckResult(CheckStatus.OK, str(context.cache_dir.is_dir()))\n",
    )

    assert world.plugins.provider("good").check().summary == "True"


def test_what_replaced_a_cache_folder_is_gone_after_the_command(tmp_path):
    (tmp_path / "in-the-way").touch()
    code = (
        "import os; from pathlib import Path; from types import SimpleNamespace\n"
        "from arb.plugins.contexts import ContextMaker\n"
        "settings = SimpleNamespace(cache_dir=Path('in-the-way'))\n"
        "print(os.path.isdir(ContextMaker(settings, 'good', {})._cache_dir))"
    )
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    assert subprocess.check_output(command, cwd=tmp_path, env=environment) == b"True\n"
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_data_folder_that_cannot_be_made_is_an_error_of_the_state(world, tmp_path):
    (tmp_path / "data").write_text("in the way")
    world.add("good")

    with pytest.raises(StateError, match="cannot be made"):
        world.plugins.provider("good").check()


def test_results_are_stamped_with_their_origin(world):
    world.add("good")
    provider = world.plugins.provider("good")

    answer = provider.ask("arb_catalog")

    assert (answer.provider, answer.distribution, answer.version) == ("good", "dist-good", "1.0")
    assert provider.catalog().frame.attrs["arb"] == {
        "provider": "good",
        "distribution": "dist-good",
        "version": "1.0",
    }


def test_what_is_optional_has_a_neutral_answer(world):
    world.add("good")
    provider = world.plugins.provider("good")

    provider.cleanup(ClusterRef("c", "o", (), frozenset()))
    assert provider.credential_mounts() == {}
    assert provider.self_terminate(REF) is None
    assert provider.preemption_notice() is None
    assert not provider.has("arb_poll")
    assert provider.list_leftovers("me") is None
    with pytest.raises(PluginError, match=r"dist-good 1\.0: arb_poll is not implemented"):
        provider.poll(None, "")


@pytest.mark.parametrize(
    "call",
    [
        lambda p: p.stop([REF]),
        lambda p: p.start([REF]),
        lambda p: p.open_ports(ClusterRef("c", "o", (), frozenset()), ["80"]),
    ],
    ids=["stop", "start", "open-ports"],
)
def test_what_a_provider_cannot_do_is_a_usage_error(world, call):
    world.add("good")

    with pytest.raises(UsageError, match="good cannot"):
        call(world.plugins.provider("good"))


EVERYTHING = """
from arb.types import InstanceRef, Leftovers, NoticeProbe, SelfTerminate
import pandas as pd
ALL = frozenset({Capability.STOP, Capability.PORTS, Capability.SELF_TERMINATE})

@hookimpl
def arb_provider_info():
    return ProviderInfo("All", ALL)

@hookimpl
def arb_query_prices(context, offers):
    CALLS.append(("arb_query_prices", offers))
    return pd.DataFrame({"offer_id": ["a"], "spot": [True], "price_usd_hour": [1.0], "available": [True]})

@hookimpl
def arb_poll(context, request, handle):
    CALLS.append(("arb_poll", request, handle))
    return [Instance("x", "i-1", "r", InstanceState.RUNNING)]

@hookimpl
def arb_list_leftovers(context, owner):
    CALLS.append(("arb_list_leftovers", owner))
    return Leftovers(["t"])

@hookimpl
def arb_cleanup(context, cluster):
    CALLS.append(("arb_cleanup", cluster))

@hookimpl
def arb_stop(context, instances):
    CALLS.append(("arb_stop", instances))
    return []

@hookimpl
def arb_start(context, instances):
    CALLS.append(("arb_start", instances))
    return []

@hookimpl
def arb_open_ports(context, cluster, ports):
    CALLS.append(("arb_open_ports", cluster, ports))

@hookimpl
def arb_credential_mounts(context):
    CALLS.append(("arb_credential_mounts",))
    return {"~/.x": "/x"}

@hookimpl
def arb_ssh_ports(context, instance):
    CALLS.append(("arb_ssh_ports", instance))
    return SshEndpoint("h", 2222)

@hookimpl
def arb_self_terminate(context, instance):
    CALLS.append(("arb_self_terminate", instance))
    return SelfTerminate("poweroff")

@hookimpl
def arb_preemption_notice(context):
    CALLS.append(("arb_preemption_notice",))
    return NoticeProbe(path="/notice")
"""


def test_every_hook_has_a_method_that_hands_its_arguments_over(world):
    pytest.importorskip("pandas")
    module = world.add("all", extra=EVERYTHING)
    provider = world.plugins.provider("all")
    cluster = ClusterRef("c", "o", (), frozenset())

    request = SimpleNamespace(setups=(), count=1)
    assert list(provider.query_prices(["offer"])["offer_id"]) == ["a"]
    assert [i.provider for i in provider.poll(request, "handle")] == ["all"]
    assert provider.list_leftovers("me").tokens == {"t"}
    provider.cleanup(cluster)
    assert provider.stop([REF]) == provider.start([REF]) == ()
    provider.open_ports(cluster, ["80"])
    assert provider.credential_mounts() == {"~/.x": "/x"}
    assert provider.self_terminate(REF).command == "poweroff"
    assert provider.preemption_notice().path == "/notice"
    assert provider.ssh_ports("machine").port == 2222
    assert provider.list_instances(ListQuery()).covers("anywhere")
    assert [
        ("arb_query_prices", ("offer",)),
        ("arb_poll", request, "handle"),
        ("arb_list_leftovers", "me"),
        ("arb_cleanup", cluster),
        ("arb_stop", (REF,)),
        ("arb_start", (REF,)),
        ("arb_open_ports", cluster, ("80",)),
        ("arb_credential_mounts",),
        ("arb_self_terminate", REF),
        ("arb_preemption_notice",),
        ("arb_ssh_ports", "machine"),
    ] == module.CALLS
    assert provider.can(Capability.STOP)
