"""Starting the agent when the machine starts, by whatever the machine offers."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

from . import files, install

UNIT = """[Unit]
Description=arb node agent of {user}
After=network.target

[Service]
User={user}
Environment=HOME={home}
ExecStart={launcher} serve
Restart=on-failure
RestartSec=2
KillMode=process

[Install]
WantedBy=multi-user.target
"""
SYSTEMD = "/run/systemd/system"
TIMEOUT_S = 30


def main() -> int:
    """Install the start at boot, say how, and return 0; 1 when nothing was found."""
    install.link()
    for way in (_script, _systemd, _crontab):
        done = way()
        if done:
            sys.stdout.write(f"arb: the agent starts at boot: {done}\n")
            return 0
    sys.stdout.write(
        "arb: the agent does not start at boot: neither systemd with root nor crontab is here;"
        " it starts with the next command\n"
    )
    return 1


def _launcher() -> str:
    return os.path.join(files.home(), ".arb", install.LAUNCHER)


def _script() -> str:
    folder = os.environ.get("ARB_BOOT_DIR")
    if not folder:
        return ""
    path = os.path.join(folder, "arb-agent")
    line = f"HOME={shlex.quote(files.home())} exec {shlex.quote(_launcher())} boot"
    os.makedirs(folder, exist_ok=True)
    files.write(path, f"#!/bin/sh\n{line}\n", mode=0o700)
    return path


def _root(*argv: str, text: str = "") -> bool:
    """Run a command as root, without ever asking for a password."""
    command = list(argv) if os.geteuid() == 0 else ["sudo", "-n", *argv]
    return _run(command, text) is not None


def _run(argv: list[str], text: str = "") -> str | None:
    """Return what a command printed; None when it is absent or failed."""
    try:
        done = subprocess.run(
            argv,
            input=text.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace")


def _systemd() -> str:
    if not os.path.isdir(SYSTEMD):
        return ""
    import pwd

    user = pwd.getpwuid(os.getuid()).pw_name
    name = f"arb-agent-{user}.service"
    text = UNIT.format(user=user, home=files.home(), launcher=_launcher())
    path = "/etc/systemd/system/" + name
    written = _root("tee", path, text=text) and _root("systemctl", "daemon-reload")
    return path if written and _root("systemctl", "enable", name) else ""


def _crontab() -> str:
    line = f"@reboot {shlex.quote(_launcher())} boot"
    old = _run(["crontab", "-l"]) or ""
    if line in old.splitlines():
        return "crontab"
    kept = old if not old or old.endswith("\n") else old + "\n"
    return "" if _run(["crontab", "-"], kept + line + "\n") is None else "crontab"
