"""Shell completion: the scripts, and what they get back from the command."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from arb.cli import completion
from arb.state.clusters import ClusterRecord, ClusterStatus, insert_cluster
from arb.state.store import open_store
from arb.types.tokens import new_id

SHELLS = ["bash", "zsh", "fish"]


@pytest.fixture
def clusters(cli):
    cli.home.mkdir()
    with open_store(f"sqlite:///{cli.home / 'state.db'}") as store, store.write() as tx:
        for name in ("train", "trial", "web"):
            insert_cluster(tx, ClusterRecord(new_id(), name, ClusterStatus.UP, 1.0, 1))


def complete(line: str, shell: str = "bash") -> list[str]:
    """Ask as the script of a shell does."""
    words = line.split(" ")
    env = {
        **os.environ,
        "_ARB_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        [sys.executable, "-m", "arb"], env=env, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell_is_shown(cli, monkeypatch, shell):
    monkeypatch.setenv("SHELL", f"/bin/{shell}")
    monkeypatch.setattr("shellingham.detect_shell", lambda: (shell, f"/bin/{shell}"))
    done = cli("--show-completion")
    assert done.code == 0
    assert "_ARB_COMPLETE" in done.out


@pytest.mark.usefixtures("clusters")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("arb down tr", ["train", "trial"]),
        ("arb exec w", ["web"]),
        ("arb status nope", []),
        ("arb stat", ["status"]),
        ("arb launch --num", ["--num-nodes"]),
        ("arb launch -c tr", ["train", "trial"]),
        ("arb launch --gpus H10", ["H100"]),
        ("arb plan --objective v", ["value"]),
        ("arb gpus --sort m", ["memory"]),
    ],
)
def test_names_are_completed(line, words):
    assert complete(line) == words


@pytest.mark.parametrize("line", ["arb check loc", "arb refresh loc", "arb launch --infra loc"])
def test_installed_providers_are_completed(line):
    pytest.importorskip("arb_local")
    assert complete(line) == ["local"]


@pytest.mark.parametrize("line", ["arb down x", "arb logs x 1", "arb check x", "arb gpus H1"])
def test_completion_makes_no_home(cli, line):
    complete(line)
    assert not cli.home.exists()


def test_jobs_of_the_cluster_are_completed_the_newest_first(monkeypatch):
    asked = []
    monkeypatch.setattr(completion, "_jobs_of", lambda name: asked.append(name) or ["11", "2", "1"])
    assert completion.complete_job(SimpleNamespace(params={"cluster": "train"}), "1") == ["11", "1"]
    assert asked == ["train"]


def test_a_node_that_does_not_answer_does_not_keep_the_shell_waiting(monkeypatch):
    never = threading.Event()
    monkeypatch.setattr(completion, "_jobs_of", lambda _: [str(never.wait(30))])
    monkeypatch.setattr(completion, "_PATIENCE_S", 0.01)
    assert completion.complete_job(SimpleNamespace(params={"cluster": "train"}), "") == []
    never.set()


def test_jobs_of_an_unknown_cluster_are_none(cli):
    cli("status")
    assert complete("arb logs nosuch ") == []


def test_completion_says_nothing_when_state_cannot_be_read(cli):
    cli.home.write_text("a file in the way")
    assert complete("arb down x") == []
