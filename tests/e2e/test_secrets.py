"""A secret reaches the job's environment, and is found nowhere else."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from support.command import eventually

SECRET = "s3cr3t-pa55-w0rd-abcdef"


def files_with(root: Path, text: bytes) -> list[Path]:
    return [p for p in root.rglob("*") if p.is_file() and text in p.read_bytes()]


def environments_with(text: bytes) -> list[str]:
    """Return the command lines of processes whose environment holds a text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if text in (entry / "environ").read_bytes() and int(entry.name) != os.getpid():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def arguments_with(text: bytes) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if text in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_a_secret_is_in_the_jobs_environment_and_nowhere_else(arb):
    check = 'test "$TOKEN" = "$(cat "$HOME/expected")" && echo right; sleep 60 & wait'
    arb("launch", "-c", "s", "--infra", "local", "--num-nodes", "2", "true")
    for folder in arb.machine_folders():
        (folder / "home" / "expected").write_text(SECRET)
    arb("exec", "s", "--num-nodes", "2", "-d", "--secret", "TOKEN", check, env={"TOKEN": SECRET})
    output = wait_for_output(arb)
    for folder in arb.machine_folders():
        (folder / "home" / "expected").unlink()
    secret = SECRET.encode()
    assert output.count("right") == 2
    assert files_with(arb.root, secret) == []
    assert arguments_with(secret) == []
    holders = environments_with(secret)
    assert holders
    assert not [line for line in holders if "arb_agent" in line or "serve" in line or "rpc" in line]
    for command in (("status",), ("queue", "s"), ("cost",), ("config",)):
        assert SECRET not in arb(*command, "--json").stdout
    tables = sqlite3.connect(arb.home / "state.db")
    assert SECRET not in "\n".join(tables.iterdump())
    tables.close()


def wait_for_output(arb) -> str:
    def printed():
        text = arb("logs", "s", "2", "--no-follow").stdout
        return text if text.count("right") == 2 else ""

    return eventually(printed, what="the job's output", every_s=0.5)


def test_a_missing_secret_is_asked_for_by_name(arb):
    task = arb.write("t.yaml", "secrets: {TOKEN: null}\nrun: 'true'\nresources: {cloud: local}\n")
    done = arb("launch", "-c", "s", task, code=2)
    assert "no value for TOKEN" in done.stderr
    assert "--secret TOKEN" in done.stderr
