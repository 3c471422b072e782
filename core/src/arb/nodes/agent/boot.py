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
_SCRIPT = "arb-agent"


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


def uninstall() -> str:
    """Take back what ``main`` did for this home, in whichever way; repeating it is fine.

    Returns:
        What could not be taken back, for people; empty when nothing is left.
    """
    folder = os.environ.get("ARB_BOOT_DIR")
    if folder:
        files.remove(os.path.join(folder, _SCRIPT))
    _uncrontab()
    # Another home of this user may have the unit by now.
    if not os.path.isdir(SYSTEMD) or install.launcher() not in files.read(_unit_path()):
        return ""
    path = _unit_path()
    as_root("systemctl", "disable", "--now", os.path.basename(path))
    as_root("rm", "-f", path)
    as_root("systemctl", "daemon-reload")
    return path if install.launcher() in files.read(path) else ""


def _script() -> str:
    folder = os.environ.get("ARB_BOOT_DIR")
    if not folder:
        return ""
    path = os.path.join(folder, _SCRIPT)
    line = f"HOME={shlex.quote(files.home())} exec {shlex.quote(install.launcher())} boot"
    os.makedirs(folder, exist_ok=True)
    files.write(path, f"#!/bin/sh\n{line}\n", mode=0o700)
    return path


def as_root(*argv: str, text: str = "") -> bool:
    """Run a command as root, without ever asking for a password; say whether that went well."""
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
    path = _unit_path()
    text = UNIT.format(user=_user(), home=files.home(), launcher=install.launcher())
    written = as_root("tee", path, text=text) and as_root("systemctl", "daemon-reload")
    return path if written and as_root("systemctl", "enable", os.path.basename(path)) else ""


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def _unit_path() -> str:
    return f"/etc/systemd/system/arb-agent-{_user()}.service"


def _cron_line() -> str:
    return f"@reboot {shlex.quote(install.launcher())} boot"


def _uncrontab() -> None:
    old = (_run(["crontab", "-l"]) or "").splitlines()
    kept = [line for line in old if line != _cron_line()]
    if kept:
        if kept != old:
            _run(["crontab", "-"], "\n".join(kept) + "\n")
    elif old:
        _run(["crontab", "-r"])


def _crontab() -> str:
    line = _cron_line()
    old = _run(["crontab", "-l"]) or ""
    if line in old.splitlines():
        return "crontab"
    kept = old if not old or old.endswith("\n") else old + "\n"
    return "" if _run(["crontab", "-"], kept + line + "\n") is None else "crontab"
