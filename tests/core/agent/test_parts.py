"""The agent's parts that need no node."""

from __future__ import annotations

import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest

from arb.nodes.agent import (
    boot,
    env,
    fetch,
    idle,
    install,
    notice,
    operations,
    rendezvous,
    wrapper,
)
from arb.nodes.agent.logs import _tail_offset
from arb.nodes.agent.loop import Loop
from arb.nodes.agent.protocol import AgentError, Lines, decode, encode
from arb.nodes.agent.queueing import cpu_slots, startable
from arb.nodes.agent.rpc import FrontEnd
from arb.nodes.agent_client import JobState


def _job(number, state="PENDING", gpus=0.0, nodes=1, gpu_map=None):
    return SimpleNamespace(
        id=number,
        status=state,
        final=state == "SUCCEEDED",
        spec={"gpus": gpus, "num_nodes": nodes},
        state={"gpu_map": gpu_map or {}},
    )


def _started(jobs, gpus=8):
    return [(job.id, gpu_map) for job, gpu_map in startable(jobs, gpus)]


def test_gpu_jobs_start_in_order_and_none_overtakes():
    jobs = [_job(1, gpus=6), _job(2, gpus=4), _job(3, gpus=1)]
    assert _started(jobs) == [(1, {"0": [0, 1, 2, 3, 4, 5]})]


def test_jobs_without_gpus_pass_those_that_wait_for_some():
    jobs = [_job(1, "RUNNING", gpus=8, gpu_map={"0": list(range(8))}), _job(2, gpus=1), _job(3)]
    assert _started(jobs) == [(3, {})]


def test_shares_fill_one_gpu_before_the_next():
    jobs = [_job(n, gpus=0.5) for n in range(1, 4)]
    assert _started(jobs, gpus=2) == [(1, {"0": [0]}), (2, {"0": [0]}), (3, {"0": [1]})]


def test_a_gang_needs_its_gpus_on_every_node():
    busy = _job(1, "RUNNING", gpus=1, nodes=2, gpu_map={"0": [0], "1": [3]})
    assert _started([busy, _job(2, gpus=3, nodes=2)], gpus=4) == [
        (2, {"0": [1, 2, 3], "1": [0, 1, 2]})
    ]
    assert _started([busy, _job(2, gpus=4, nodes=2)], gpus=4) == []


def test_jobs_that_ended_give_their_gpus_back():
    done = _job(1, "SUCCEEDED", gpus=8, gpu_map={"0": list(range(8))})
    assert len(_started([done, _job(2, gpus=8)])) == 1


def test_as_many_jobs_without_gpus_run_as_the_processors_allow():
    slots = cpu_slots()
    jobs = [_job(1, "RUNNING"), *(_job(n) for n in range(2, slots + 5))]
    assert len(_started(jobs)) == slots - 1


def test_lines_are_cut_wherever_the_pieces_end():
    lines = Lines()
    assert lines.feed(b"a") == []
    assert lines.feed(b"b\n\ncd\ne") == [b"ab", b"cd"]
    assert lines.feed(b"\n") == [b"e"]


def test_bytes_that_are_no_text_survive_the_protocol():
    data = bytes(range(256))
    text = decode(encode({"data": data.decode("utf-8", "surrogateescape")}))["data"]
    assert text.encode("utf-8", "surrogateescape") == data


@pytest.mark.parametrize("line", [b"nonsense", b"[1]", b"\xff"])
def test_what_is_no_request_is_refused(line):
    with pytest.raises(AgentError):
        decode(line)


@pytest.mark.parametrize("end", [b"\n", b""], ids=["ended", "open"])
@pytest.mark.parametrize("count", [1, 2, 7, 40_000])
def test_the_tail_of_a_log_is_found_across_blocks(tmp_path, count, end):
    lines = [f"line {n}".encode() for n in range(30_000)]
    whole = b"\n".join(lines) + end
    file = tmp_path / "log"
    file.write_bytes(whole)
    fd = os.open(file, os.O_RDONLY)
    try:
        assert whole[_tail_offset(fd, count) :] == b"\n".join(lines[-count:]) + end
    finally:
        os.close(fd)


def test_processes_that_write_one_file_at_once_leave_one_whole_text(tmp_path):
    path = tmp_path / "launcher"
    code = (
        "import sys; from arb.nodes.agent import files\n"
        "for _ in range(400): files.write(sys.argv[1], sys.argv[2] * 5000)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, path, word]) for word in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert path.read_text() in {word * 5000 for word in "abc"}
    assert list(tmp_path.iterdir()) == [path]


def test_exports_are_quoted():
    assert wrapper.exports({"A": "it's $x", "B": ""}) == "export A='it'\"'\"'s $x'\nexport B=''\n"


def test_what_belongs_to_an_ssh_session_does_not_reach_jobs(monkeypatch):
    for name in ("SSH_CONNECTION", "SSH_AUTH_SOCK", "ARB_AGENT_LEASE_S", "TERM", "ARB_BOOT_DIR"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/usr/local/cuda/lib64")
    kept = env.base()
    assert kept["LD_LIBRARY_PATH"] == "/usr/local/cuda/lib64"
    assert kept["PATH"] == os.environ["PATH"]
    assert not {"SSH_CONNECTION", "SSH_AUTH_SOCK", "ARB_AGENT_LEASE_S", "TERM"} & set(kept)


@pytest.fixture
def loop():
    before = signal.getsignal(signal.SIGCHLD)
    made = Loop()
    yield made
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, before)
    made.close()


def _notice(loop, probe):
    seen = []

    def saw(text):
        seen.append(text)
        loop.stop()

    notice.look(loop, probe, saw)
    if not seen:
        loop.run()
    return seen[0]


@pytest.fixture
def server():
    """A metadata server that wants a token and answers what ``answers`` says."""

    class Handler(http.server.BaseHTTPRequestHandler):
        answers: ClassVar = {"/notice": (404, "")}
        seen: ClassVar = []

        def do_PUT(self):
            self.seen.append((self.path, self.headers.get("X-Lifetime")))
            self._say(200, "the-token\n")

        def do_GET(self):
            self.seen.append((self.path, self.headers.get("X-Token")))
            self._say(*self.answers[self.path])

        def _say(self, code, text):
            self.send_response(code)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    yield SimpleNamespace(
        url=f"http://127.0.0.1:{running.server_port}", answers=Handler.answers, seen=Handler.seen
    )
    running.shutdown()
    running.server_close()
    thread.join()


def test_a_notice_is_an_answer_that_matches(server, loop):
    probe = {"url": server.url + "/notice", "match": "TRUE"}
    assert _notice(loop, probe) is None
    server.answers["/notice"] = (200, "FALSE")
    assert _notice(loop, probe) is None
    server.answers["/notice"] = (200, "TRUE")
    assert _notice(loop, probe) == "TRUE"


def test_a_token_is_fetched_first_where_the_provider_wants_one(server, loop):
    server.answers["/notice"] = (200, "soon")
    probe = {
        "url": server.url + "/notice",
        "token_url": server.url + "/token",
        "token_header": "X-Token",
        "token_request_headers": {"X-Lifetime": "60"},
    }
    assert _notice(loop, probe) == "soon"
    assert server.seen == [("/token", "60"), ("/notice", "the-token")]


def test_no_metadata_server_is_no_notice(loop):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/x"
        assert _notice(loop, {"url": url}) is None


@pytest.mark.parametrize("url", ["http://127.0.0.1:x/", "http://no.such.host.invalid/", ""])
def test_addresses_that_are_none_are_no_notice(loop, url):
    assert _notice(loop, {"url": url}) is None


def test_a_server_that_never_answers_does_not_hold_up_the_daemon(loop, monkeypatch):
    monkeypatch.setattr(fetch, "TIMEOUT_S", 0.1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        ran = []
        loop.later(0.02, lambda: ran.append("meanwhile"))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert _notice(loop, {"url": url}) is None
        assert ran == ["meanwhile"]


def test_a_file_can_be_the_notice(tmp_path, loop):
    path = tmp_path / "notice"
    assert _notice(loop, {"path": str(path)}) is None
    path.write_text("in 30 s")
    assert _notice(loop, {"path": str(path)}) == "in 30 s"


def test_a_port_that_is_taken_is_passed_over(free_port):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port))
        taken.listen()
        assert rendezvous.choose_port("127.0.0.1", free_port, {free_port + 1}) == free_port + 2


def _knock(loop, port):
    said = []

    def done(problem):
        said.append(problem)
        loop.stop()

    rendezvous.Knock(loop, "127.0.0.1", port, done)
    loop.run()
    return said


def test_a_knock_is_answered_and_leaves_the_port_free(loop, free_port):
    opened = rendezvous.listen("127.0.0.1", free_port)
    listener = rendezvous.Listener(loop, opened)
    assert _knock(loop, free_port) == [""]
    listener.close()
    with socket.socket() as job:
        job.bind(("127.0.0.1", free_port))  # no option that allows a lingering one


def test_a_knock_where_nobody_is_says_why(loop, free_port):
    assert _knock(loop, free_port) == ["Connection refused"]


def test_a_stranger_at_the_port_is_noticed(loop, free_port):
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", free_port))
        stranger.listen()

        def speak():
            guest, _ = stranger.accept()
            guest.sendall(b"SSH-2.0\r\n")
            guest.close()

        thread = threading.Thread(target=speak)
        thread.start()
        assert _knock(loop, free_port) == ["something else listens there"]
        thread.join()


def test_timers_run_in_order_and_cancelled_ones_never(loop):
    ran = []
    loop.later(0.02, lambda: (ran.append("second"), loop.stop()))
    loop.later(0.01, lambda: ran.append("first"))
    loop.later(0, lambda: ran.append("never")).cancel()
    loop.run()
    assert ran == ["first", "second"]


def test_somebody_at_a_terminal_is_noticed(monkeypatch, tmp_path, until):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not idle.has_login()
    code = "import pty; pty.spawn(['sleep', '60'])"
    home = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    # The interpreter plays the SSH server, sleep the shell.
    server = subprocess.Popen(
        [sys.executable, "-c", code], env=home, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        until(idle.has_login)
    finally:
        server.kill()
        server.wait()
    until(lambda: not idle.has_login())


@pytest.fixture
def launcher(monkeypatch, tmp_path):
    """A home with an agent's launcher, and no way to start it at boot."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("ARB_BOOT_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(boot, "SYSTEMD", str(tmp_path / "no-systemd"))
    (tmp_path / "bin").mkdir()
    return tmp_path


def _tool(folder, name, script):
    path = folder / "bin" / name
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)


def test_without_systemd_and_crontab_it_is_said(launcher, capsys):
    assert boot.main() == 1
    assert "does not start at boot" in capsys.readouterr().out


def test_crontab_gets_one_line_and_keeps_the_others(launcher, capsys):
    table = launcher / "table"
    table.write_text("5 4 * * * backup")
    script = f"case $1 in -l) /bin/cat {table};; -) /bin/cat > {table}.new; /bin/mv {table}.new {table};; esac"
    _tool(launcher, "crontab", script)
    assert boot.main() == boot.main() == 0
    line = f"@reboot {launcher}/.arb/bin/arb-agent boot"
    assert table.read_text() == f"5 4 * * * backup\n{line}\n"


def test_systemd_gets_a_unit_that_leaves_jobs_alone(launcher, monkeypatch, capsys):
    (launcher / "no-systemd").mkdir()
    unit = launcher / "unit"
    # Root runs the tools itself, others through sudo.
    _tool(launcher, "sudo", '[ "$1" = -n ] && shift && exec "$@"')
    _tool(launcher, "tee", f"echo $1 > {launcher}/name; /bin/cat > {unit}")
    _tool(launcher, "systemctl", f'echo "$@" >> {launcher}/calls')
    assert boot.main() == 0
    text = unit.read_text()
    assert "KillMode=process" in text
    assert f"ExecStart={launcher}/.arb/bin/arb-agent serve" in text
    name = (launcher / "name").read_text().strip()
    assert name.startswith("/etc/systemd/system/arb-agent-")
    calls = (launcher / "calls").read_text().splitlines()
    assert calls == ["daemon-reload", f"enable {name.rpartition('/')[2]}"]


def _crontab(launcher, text):
    table = launcher / "table"
    table.write_text(text)
    script = (
        f"case $1 in -l) /bin/cat {table};; -r) /bin/rm {table};; "
        f"-) /bin/cat > {table}.new; /bin/mv {table}.new {table};; esac"
    )
    _tool(launcher, "crontab", script)
    return table


def test_the_line_in_crontab_goes_and_the_others_stay(launcher):
    table = _crontab(launcher, "5 4 * * * backup\n")
    assert boot.main() == 0
    assert boot.uninstall() == ""
    assert boot.uninstall() == ""
    assert table.read_text() == "5 4 * * * backup\n"


def test_a_crontab_that_was_ours_alone_goes(launcher):
    table = _crontab(launcher, "")
    assert boot.main() == 0
    assert boot.uninstall() == ""
    assert not table.exists()


@pytest.mark.parametrize("may", [True, False])
def test_the_unit_goes_or_is_told_to_be_left(launcher, monkeypatch, may):
    (launcher / "no-systemd").mkdir()
    unit = launcher / "unit"
    unit.write_text(f"ExecStart={launcher}/.arb/bin/arb-agent serve\n")
    monkeypatch.setattr(boot, "_unit_path", lambda: str(unit))
    _tool(launcher, "sudo", '[ "$1" = -n ] && shift && exec "$@"')
    _tool(launcher, "systemctl", f'echo "$@" >> {launcher}/calls')
    _tool(launcher, "rm", f"/bin/rm {unit}" if may else "exit 1")
    assert boot.uninstall() == ("" if may else str(unit))
    calls = (launcher / "calls").read_text().splitlines()
    assert calls == ["disable --now unit", "daemon-reload"]


def test_the_unit_of_another_home_stays(launcher, monkeypatch):
    (launcher / "no-systemd").mkdir()
    unit = launcher / "unit"
    unit.write_text("ExecStart=/home/other/.arb/bin/arb-agent serve\n")
    monkeypatch.setattr(boot, "_unit_path", lambda: str(unit))
    assert boot.uninstall() == ""
    assert unit.exists()


def test_the_protocol_page_knows_every_operation_and_state():
    page = (Path(__file__).parents[3] / "docs" / "agent-protocol.md").read_text()
    inner = {"front_end"}
    assert [op for op in operations.TABLE if f"| `{op}` |" not in page] == sorted(inner)
    assert [state for state in JobState if f"`{state}`" not in page] == []


def test_the_launcher_is_there_before_the_hello_is_said(monkeypatch):
    """Who has read the hello starts the launcher at once: arb does, to install the boot script."""
    told = []
    front = FrontEnd()
    monkeypatch.setattr(install, "link", lambda: told.append("link"))
    monkeypatch.setattr(front, "_write", lambda hello: told.append(hello["proto"]))
    monkeypatch.setattr(front, "_connect", lambda: setattr(front, "_gone", True))
    assert front.run() == 0
    assert told == ["link", 1]
