from __future__ import annotations

import ast
import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path

import pytest

from arb.errors import NodeError
from arb.nodes.agent_build import agent_payload, build_zipapp
from arb.nodes.agent_client import AgentClient

LINE = (
    "\narb: no Python 3.8 or newer with its standard library on this node (looked for python3, "
    "python3.8 to python3.14 and python on PATH and in the usual folders)\n"
)


@pytest.fixture(scope="module")
def agents():
    """Nothing: nodes begin bare here."""


def _sources() -> list[Path]:
    return sorted(Path(str(resources.files("arb.nodes.agent"))).glob("*.py"))


@pytest.mark.parametrize("path", _sources(), ids=lambda path: path.stem)
def test_the_sources_are_python_3_8(path):
    ast.parse(path.read_text(), feature_version=(3, 8))


@pytest.mark.parametrize("path", _sources(), ids=lambda path: path.stem)
def test_the_agent_imports_itself_relatively_and_the_standard_library(path):
    for found in ast.walk(ast.parse(path.read_text())):
        if isinstance(found, ast.Import):
            names = [alias.name.partition(".")[0] for alias in found.names]
        elif isinstance(found, ast.ImportFrom) and found.level == 0:
            names = [found.module.partition(".")[0]]
        else:
            continue
        assert set(names) <= sys.stdlib_module_names


def test_the_zipapp_is_the_same_every_time():
    sources = {"b.py": b"2", "a.py": b"1"}
    assert build_zipapp(sources) == build_zipapp(dict(reversed(sources.items())))
    payload = agent_payload()
    assert agent_payload() is payload
    assert len(payload.digest) == 16
    assert payload.digest in payload.command
    assert len(payload.data) < 60_000


@pytest.fixture
def bare(tmp_path) -> Path:
    """A PATH with a shell's few tools and no Python."""
    folder = tmp_path / "bare"
    folder.mkdir()
    (folder / "env").symlink_to("/usr/bin/env")
    return folder


def _script_without_usual_folders(tmp_path: Path) -> bytes:
    """Return the script, looking for interpreters in folders that this machine does not have."""
    script = agent_payload().script
    for folder in (b"/usr/bin/", b"/usr/local/bin/", b"/opt/"):
        script = script.replace(b" " + folder, b" " + os.fsencode(tmp_path) + folder)
    return script


def _bootstrap(tmp_path, path: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["/bin/sh", "-c", agent_payload().command],
        input=_script_without_usual_folders(tmp_path),
        env={"HOME": str(tmp_path), "PATH": path},
        capture_output=True,
        check=False,
    )


def test_no_python_at_all_is_one_clear_line(tmp_path, bare):
    done = _bootstrap(tmp_path, str(bare))
    assert (done.stdout.decode(), done.stderr, done.returncode) == (LINE, b"", 127)
    assert not (tmp_path / ".arb").exists()


def test_pythons_that_are_too_old_do_not_count(tmp_path, bare):
    for name in ("python3", "python", "python3.12"):
        (bare / name).write_text("#!/bin/sh\nexit 0\n")
        (bare / name).chmod(0o755)
    done = _bootstrap(tmp_path, str(bare))
    assert (done.stdout.decode(), done.returncode) == (LINE, 127)


def test_a_python_without_parts_of_its_library_does_not_count(tmp_path, bare):
    minimal = """#!/bin/sh
[ "$3" = -c ] || exit 1
exec {} -I -S -c 'import sys
sys.modules["json"] = None
exec(sys.argv.pop(1))' "$4" "$5" "$6" "$7"
"""
    (bare / "python3").write_text(minimal.format(os.path.realpath(sys.executable)))
    (bare / "python3").chmod(0o755)
    done = _bootstrap(tmp_path, str(bare))
    assert (done.stdout.decode(), done.returncode) == (LINE, 127)


def test_a_login_script_may_leave_its_last_line_open(node, process_channel):
    payload = agent_payload()
    for _ in ("installs", "is there"):
        argv = ["/bin/sh", "-c", f"printf 'Welcome! '; {payload.command}"]
        client = AgentClient(process_channel(argv, node.env), payload=payload)
        node.clients.append(client)
        assert client.hello().digest == payload.digest


def test_the_client_passes_the_line_on(make_node):
    node = make_node()
    client = node.connect()
    client._payload = None
    client._channel.send(b"echo 'arb: no Python 3.8 or newer on this node (looked)'; exit 127\n")
    with pytest.raises(NodeError) as error:
        client.hello()
    assert error.value.code == "no-python"
    assert error.value.summary == "node: no Python 3.8 or newer on this node (looked)"


@pytest.mark.parametrize("name", ["python3", "python3.11", "python"])
def test_an_interpreter_of_any_name_will_do(make_node, name, tmp_path):
    node = make_node()
    tools = tmp_path / "tools" / "node"
    (tools / "python3").rename(tools / name)
    node.env["PATH"] = str(tools)
    for tool in ("sleep", "rm", "mv"):
        (tools / tool).symlink_to(f"/bin/{tool}")
    assert node.connect().call("status")["jobs_active"] == 0


def test_the_agent_is_sent_only_once(node):
    first = node.connect()
    first.hello()
    channel = node.connect()
    sent: list[int] = []
    send = channel._channel.send
    channel._channel.send = lambda data: (sent.append(len(data)), send(data))
    channel.hello()
    assert sent == [len(agent_payload().script)]


def test_many_clients_may_install_at_once(node):
    clients = [node.connect() for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        hellos = list(threads.map(AgentClient.hello, clients))
    assert {hello.digest for hello in hellos} == {agent_payload().digest}
    assert len({client.call("status")["pid"] for client in clients}) == 1
    assert [path.name for path in node.arb.glob("agent/*.tmp")] == []


@pytest.mark.parametrize("lost", ["python", "ready", "all"])
def test_an_agent_that_cannot_be_started_is_put_there_anew(node, lost):
    """Its interpreter went away, or the power did before its files were on the disk."""
    node.connect().hello()
    (folder,) = (path.parent for path in node.arb.glob("agent/*/ready"))
    if lost == "python":
        (folder / lost).write_text("/nonexistent/python3\n")
    for file in [folder / lost] if lost == "ready" else folder.rglob("*") if lost == "all" else []:
        if file.is_file():
            file.write_bytes(b"")
    node.end()
    assert node.connect().call("status")["digest"] == agent_payload().digest
    assert os.access((folder / "python").read_text().strip(), os.X_OK)
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [folder.name]


def test_a_home_that_takes_no_files_is_told_in_one_line(node):
    shutil.rmtree(node.arb, ignore_errors=True)
    node.arb.write_text("in the way")
    with pytest.raises(NodeError) as error:
        node.connect().hello()
    assert error.value.summary == "node: the agent cannot be put into ~/.arb: Not a directory"
    assert (error.value.code, error.value.hint) == ("agent-broken", "")


def test_a_home_that_takes_no_files_any_more_is_told_in_one_line(node):
    node.connect().call("status")
    node.end()
    (node.arb / "jobs").rmdir()
    (node.arb / "jobs").write_text("in the way")
    with pytest.raises(NodeError) as error:
        node.connect().hello()
    assert error.value.summary == "node: the agent cannot work in ~/.arb: File exists"


def test_damaged_payloads_are_not_installed(node):
    broken = dataclasses.replace(agent_payload(), data=bytes(len(agent_payload().data)))
    with pytest.raises(NodeError, match="did not start: exit code 1"):
        node.connect(broken).hello()
    assert not list(node.arb.glob("agent/*.pyz"))


def _best_s(what, times=7):
    """Return the shortest time that ``what`` took: other work on the machine only adds."""
    best = float("inf")
    for _ in range(times):
        began = time.monotonic()
        what()
        best = min(best, time.monotonic() - began)
    return best


def test_the_front_end_starts_as_fast_as_an_interpreter_with_json(node):
    node.connect().call("status")
    bare = ["/bin/sh", "-c", "exec python3 -I -S -c 'import json, socket'"]
    yardstick = _best_s(lambda: subprocess.check_call(bare, env=node.env))
    assert _best_s(lambda: node.connect().hello()) < 2.5 * yardstick + 0.01


def test_the_front_end_imports_little():
    """Every module that it imports is paid for by each command."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import arb_agent.rpc; print(*sys.modules)"
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "agent.pyz"
        archive.write_bytes(agent_payload().data)
        seen = subprocess.check_output(
            [sys.executable, "-I", "-S", "-c", code, str(archive)], text=True
        ).split()
    heavy = {
        "argparse",
        "asyncio",
        "subprocess",
        "typing",
        "dataclasses",
        "pathlib",
        "tempfile",
    } | {"runpy", "shutil", "contextlib", "zipfile"}
    assert not heavy & set(seen)
