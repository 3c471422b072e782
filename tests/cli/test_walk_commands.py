"""What reap, why, down --forget and launch say, where nothing has to be bought for it."""

from __future__ import annotations

import json
import time

import pytest
from support.fakecloud import offer

from arb.cli import down as down_command
from arb.cli import launch, render
from arb.cli import reap as reap_command
from arb.cli.follow import asking_for
from arb.cli.launch import _agree
from arb.clusters.down import Ended
from arb.errors import NodeError, ProviderUnavailable, UsageError
from arb.provision.agreement import Rise
from arb.provision.leftovers import Beside, Leftover
from arb.provision.reaper import Sighting, Survey
from arb.provision.verdicts import Kind
from arb.state.clusters import ClusterRecord, ClusterStatus, insert_cluster, update_cluster
from arb.state.events import WALK_ENDED, append
from arb.state.store import open_store
from arb.types import Instance, InstanceState

ONLY_LOCAL = "aws,gcp,lambda,spheron,ssh"


@pytest.fixture
def local(cli, monkeypatch):
    pytest.importorskip("arb_local")
    monkeypatch.setenv("ARB_DISABLE_PROVIDERS", ONLY_LOCAL)
    return cli


def kept(cli, name="train"):
    """Put a cluster that never came up into the state of a home."""
    cli.home.mkdir(exist_ok=True)
    with open_store(f"sqlite:///{cli.home / 'state.db'}") as store:
        record = ClusterRecord("aaaaaaaa", name, ClusterStatus.INIT, store.now(), 1)
        with store.write() as tx:
            insert_cluster(tx, record)
            data = {"cluster_id": record.id, "summary": "no offer could be bought, 3 tried"}
            append(tx, WALK_ENDED, cluster=name, data=data)
            update_cluster(tx, record.id, status=ClusterStatus.GONE)


def test_why_tells_of_a_cluster_that_is_gone(cli):
    kept(cli)

    done = cli("why", "train")

    first, *lines = done.out.splitlines()
    assert first.startswith("train (gone), launched 20")
    assert [line[10:] for line in lines] == [
        "cluster train is launched: 1 node",
        "no offer could be bought, 3 tried",
        "cluster train is gone",
    ]
    time.strptime(lines[0][:8], "%H:%M:%S")


def test_why_is_one_document(cli):
    kept(cli)
    (life,) = cli("why", "train", "--all", "--json").json
    assert [event["kind"] for event in life["events"]] == [
        "cluster-created",
        "walk-ended",
        "cluster-status",
    ]


def test_why_of_a_name_that_never_was(cli):
    kept(cli)
    done = cli("why", "trian")
    assert (done.code, done.out) == (2, "")
    assert "did you mean 'train'" in done.err


def test_reap_with_nothing_to_end(local):
    done = local("reap")
    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines()[-1] == "nothing to end"
    document = local("reap", "--json").json
    assert [each["provider"] for each in document["providers"]] == ["local"]
    assert (document["ended"], document["pending"]) == ([], [])


def test_reap_of_a_provider_that_is_not_there(local):
    done = local("reap", "locl")
    assert done.code == 2
    assert "did you mean 'local'" in done.err


def machine(id_, token="", **changes):
    values = {"provider": "fake", "region": "r1", "state": InstanceState.RUNNING, "zone": "a"}
    return Instance(id=id_, token=token, **(values | changes))


def test_reap_shows_what_it_would_end_and_what_it_leaves_alone(capsys):
    found = [
        Survey(
            "fake",
            sightings=(
                Sighting(machine("i-1", "arb-abcdefgh-aaaaaaaa-000-0000"), Kind.OURS, "train"),
                Sighting(
                    machine("i-2", "arb-abcdefgh-aaaaaaaa-001-0000", price_usd_hour=1.5),
                    Kind.LATE,
                    "train",
                ),
                Sighting(machine("i-3", "arb-zzzzzzzz-aaaaaaaa-000-0000"), Kind.FOREIGN),
            ),
            unlisted={"r2": "page 2 failed"},
        ),
        Survey("other", error=ProviderUnavailable("503 from other", code="http")),
    ]

    reap_command._show(found, "abcdefgh")
    reap_command._tell(found, ["fake/i-2"], [])

    told = capsys.readouterr()
    assert [line.split()[2] for line in told.out.splitlines()[1:]] == ["i-2", "i-3"]
    assert "turned up after its purchase had ended" in told.out
    assert "owner zzzzzzzz: left alone" in told.out
    assert "fake r2 was not listed: page 2 failed" in told.err
    assert "other was not listed: 503 from other" in told.err
    assert told.err.splitlines()[-1] == "1 machine ended, 1 in use"
    assert reap_command._question(found) == "End 1 machine ($1.50 an hour)?"
    document = json.loads(json.dumps(reap_command._document(found, ["fake/i-2"], [])))
    assert document["ended"] == ["fake/i-2"]
    assert document["providers"][0]["unlisted"] == {"r2": "page 2 failed"}


def test_reap_names_what_is_left_beside_machines_and_asks(capsys):
    token = "arb-abcdefgh-aaaaaaaa-000"
    beside = Beside((Leftover("fake", token, ""),))
    found = [
        Survey("fake", beside=beside),
        Survey("other", beside=Beside(error=ProviderUnavailable("503", code="http"))),
    ]

    reap_command._show(found, "abcdefgh")
    reap_command._tell_beside(found, [token])
    reap_command._tell_beside(found, [])

    told = capsys.readouterr().err.splitlines()
    assert told == [
        f"fake: something is left of the purchase {token}",
        "warning: other: rules, groups and disks were not listed: 503",
        "removed what was left of 1 purchase",
        "warning: what is left of 1 purchase is removed by the next command",
    ]
    assert reap_command._question(found) == "Remove what is left of 1 purchase?"
    document = reap_command._document(found, [], [])
    assert document["providers"][0]["leftovers"] == [token]


def test_down_says_that_something_is_left_beside_machines(capsys):
    ended = [Ended("train", beside=True)]
    down_command._show(ended, as_json=False)
    told = capsys.readouterr().err
    assert "train: what was made beside its machines is removed later" in told
    assert "is gone" not in told
    assert down_command._document(ended[0])["gone"] is False


def test_giving_up_takes_names_one_by_one(cli):
    done = cli("down", "--forget", "--all")
    assert done.code == 2
    assert "--forget needs names" in done.err


def test_giving_up_what_is_not_there(cli):
    kept(cli)
    done = cli("down", "--forget", "train")
    assert done.code == 2
    assert "unknown cluster" in done.err


def test_a_slippage_below_nothing_is_refused(cli):
    assert cli("launch", "--max-slippage", "-1", "true").code == 2


RISE = Rise(offer(), 10.0, 12.5)


def test_a_price_that_rose_is_asked_about(monkeypatch):
    asked = []
    monkeypatch.setattr(render, "confirm", lambda question, yes: asked.append(question) or False)
    assert _agree(RISE, yes=False) is False
    assert asked == ["The best price is now $12.50 an hour, not $10.00. Buy?"]


def test_yes_agrees_to_a_price_that_rose_and_says_what_bounds_it(capsys):
    assert launch._agree(RISE, yes=True)
    assert "now $12.50 an hour, not $10.00; max_hourly_cost bounds it" in capsys.readouterr().err


@pytest.fixture
def agent(cli, monkeypatch):
    """A cluster that is up, whose agent knows no job 9."""
    cli.home.mkdir()
    with open_store(f"sqlite:///{cli.home / 'state.db'}") as store, store.write() as tx:
        insert_cluster(tx, ClusterRecord("aaaaaaaa", "train", ClusterStatus.UP, 1.0, 1))

    class NoSuchJob:
        def __getattr__(self, _):
            raise NodeError("train rank 0: there is no job 9", code="no-such-job")

    class OneNode:
        def __init__(self, _session, cluster, **_):
            self.cluster = cluster
            self.head = self

        def __len__(self):
            return 1

        def agent(self):
            return NoSuchJob()

    monkeypatch.setattr("arb.clusters.nodes.Nodes", OneNode)
    return cli


@pytest.mark.parametrize("words", ["logs train 9", "logs train 9 --sync-down", "cancel train 9"])
def test_a_job_that_is_not_there_is_a_name_that_was_typed_wrong(agent, words):
    done = agent(*words.split())
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        "error: cluster train: there is no job 9",
        "  arb queue train lists its jobs, arb status its nodes",
    ]


def test_a_rank_that_is_not_there_is_told_once():
    summary = "cluster train has ranks 0 to 1, not 4"
    with pytest.raises(UsageError) as caught, asking_for("train"):
        raise NodeError(summary, code="no-such-rank")
    assert caught.value.summary == summary


def test_other_failures_of_a_node_stay_what_they_are():
    with pytest.raises(NodeError, match="broken"), asking_for("train"):
        raise NodeError("broken", code="agent-broken")


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ([], ["train-1", "train-2", "web"]),
        (["web"], ["web"]),
        (["train-*"], ["train-1", "train-2"]),
        (["web", "*-2"], ["train-2", "web"]),
        (["x*"], []),
    ],
    ids=str,
)
def test_status_takes_names_and_globs(cli, words, shown):
    cli.home.mkdir()
    with open_store(f"sqlite:///{cli.home / 'state.db'}") as store, store.write() as tx:
        for name in ("train-1", "train-2", "web"):
            insert_cluster(tx, ClusterRecord(name, name, ClusterStatus.UP, 1.0, 1))
    done = cli("status", *words)
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()[1:]] == shown
    assert [each["name"] for each in cli("status", *words, "--json").json] == shown
    assert shown or done.err == "no cluster is called x*\n"
