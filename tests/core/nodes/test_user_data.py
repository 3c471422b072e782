from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml  # noqa: TID253 - reads what cloud-init would

from arb.nodes.keys import generate_key
from arb.nodes.user_data import ARMED_FILE, node_setup
from arb.types import HostKey

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin")
TOKEN = "arb-abcdefgh-ijklmnop-0001-00"


@pytest.fixture
def setup():
    pair = generate_key()
    return node_setup(TOKEN, 0, generate_key().public, HostKey(pair.public, pair.private), 300)


def _content(setup, path: str) -> str:
    return next(file.content for file in setup.files if file.path == path)


@pytest.fixture
def machine(tmp_path, setup):
    """A folder that stands for a machine's root: files in place, paths rewritten, tools faked."""
    log = tmp_path / "log"
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("systemctl", "shutdown", "logger", "service", "poweroff", "halt", "restorecon"):
        tool = tools / name
        tool.write_text(f'#!/bin/sh\necho {name} "$@" >>{log}\n')
        tool.chmod(0o755)

    class Machine:
        root = tmp_path / "root"

        def inside(self, text: str) -> str:
            for top in ("/etc/", "/var/", "/usr/local/"):
                text = text.replace(top, f"{self.root}{top}")
            return text

        def path(self, name: str) -> Path:
            return Path(self.inside(name))

        def run(self, text: str) -> None:
            env = {"PATH": f"{tools}:/usr/bin:/bin"}
            subprocess.run(["/bin/sh", "-c", self.inside(text)], env=env, check=True)

        def said(self) -> list[str]:
            return log.read_text().splitlines() if log.exists() else []

    made = Machine()
    (made.root / "var/lib").mkdir(parents=True)
    (made.root / "etc/cron.d").mkdir(parents=True)
    for file in setup.files:
        path = made.path(file.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made.inside(file.content))
        path.chmod(int(file.mode, 8))
    return made


def test_document_is_cloud_config_within_the_smallest_limit(setup):
    text = setup.user_data()
    assert text.startswith("#cloud-config\n")
    assert len(text) < 16 * 1024
    document = yaml.safe_load(text)
    modes = {file["path"]: file["permissions"] for file in document["write_files"]}
    assert modes["/etc/ssh/arb_host_ed25519"] == "0600"
    assert modes["/etc/ssh/sshd_config.d/00-arb.conf"] == "0644"
    assert document["ssh_authorized_keys"] == [setup.authorized_key]
    assert [command[:2] for command in document["runcmd"]] == [["sh", "-c"]] * 2


def test_provider_without_user_data_gets_neither_key_nor_timer():
    setup = node_setup(TOKEN, None, "ssh-ed25519 AAAA", None, 300)
    assert (setup.files, setup.commands, setup.host_key) == ((), (), None)


@pytest.mark.skipif(SSHD is None, reason="no sshd")
def test_sshd_takes_the_key_before_its_own_ones(setup, machine, tmp_path):
    other = tmp_path / "other"
    other.touch(0o600)
    other.write_text(generate_key().private)
    main = machine.path("/etc/ssh/sshd_config")
    main.write_text(machine.inside(f"Include /etc/ssh/sshd_config.d/*.conf\nHostKey {other}\n"))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    shown = subprocess.check_output([SSHD, "-T", "-f", str(main)], text=True)
    keys = [line.split()[1] for line in shown.splitlines() if line.startswith("hostkey ")]
    assert keys == [str(machine.path("/etc/ssh/arb_host_ed25519")), str(other)]


def test_sshd_without_include_gets_the_key_in_its_main_file_once(setup, machine):
    main = machine.path("/etc/ssh/sshd_config")
    main.write_text("Port 22\n#Include /etc/ssh/sshd_config.d/*.conf\n")
    for _ in range(2):
        machine.run(setup.commands[1])
    assert main.read_text().splitlines()[:2] == [
        machine.inside("HostKey /etc/ssh/arb_host_ed25519"),
        "Port 22",
    ]
    assert main.read_text().count("HostKey") == 1
    assert "systemctl restart ssh.service" in machine.said()


def test_sshd_with_include_is_left_alone(setup, machine):
    main = machine.path("/etc/ssh/sshd_config")
    main.write_text(machine.inside("Include /etc/ssh/sshd_config.d/*.conf\n"))
    before = main.read_bytes()
    machine.run(setup.commands[1])
    assert main.read_bytes() == before


def test_machine_that_nobody_claims_shuts_down_after_its_minutes(setup, machine):
    machine.run(setup.commands[0])
    tick = _content(setup, "/usr/local/sbin/arb-bringup-tick")
    for _ in range(4):
        machine.run(tick)
    assert not [line for line in machine.said() if line.startswith("shutdown")]
    machine.run(tick)
    assert "shutdown -h now" in machine.said()


def test_claimed_machine_stays_up_and_is_not_armed_again_at_the_next_boot(setup, machine):
    machine.run(setup.commands[0])
    armed = machine.path(ARMED_FILE)
    assert armed.exists()
    assert armed.parent.stat().st_mode & 0o777 == 0o777, "any user may disarm"
    armed.unlink()
    machine.run(setup.commands[0])
    assert not armed.exists()
    for _ in range(10):
        machine.run(_content(setup, "/usr/local/sbin/arb-bringup-tick"))
    assert not [line for line in machine.said() if line.startswith("shutdown")]


def test_count_survives_a_reboot_and_a_damaged_counter(setup, machine):
    machine.run(setup.commands[0])
    tick = _content(setup, "/usr/local/sbin/arb-bringup-tick")
    machine.run(tick)
    machine.run(setup.commands[0])
    machine.run(tick)
    counter = machine.path("/var/lib/arb-bringup-ticks")
    assert counter.read_text() == "2\n"
    counter.write_text("garbage; reboot\n")
    machine.run(tick)
    assert counter.read_text() == "1\n"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
def test_units_are_valid(setup, tmp_path):
    for name in ("arb-bringup.service", "arb-bringup.timer"):
        text = _content(setup, f"/etc/systemd/system/{name}")
        (tmp_path / name).write_text(text.replace("/usr/local/sbin/arb-bringup-tick", "/bin/true"))
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "arb-bringup.timer")],
        capture_output=True,
        text=True,
        check=False,
    )
    if "Failed to" in result.stderr and "manager" in result.stderr:
        pytest.skip("systemd-analyze does not run here")
    assert "arb-bringup" not in result.stderr
    assert result.returncode == 0


def test_private_key_is_not_in_reprs(setup):
    assert "PRIVATE KEY" not in repr(setup)
