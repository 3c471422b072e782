"""What a machine is given at creation: its SSH host key and the bring-up timer.

cloud-init deletes the keys at sshd's usual paths at the first boot and makes new ones, so the host
key gets a path of its own and a configuration file that sshd reads first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.types import NodeFile, NodeSetup

if TYPE_CHECKING:
    from arb.types import HostKey

__all__ = ["ARMED_FILE", "node_setup"]

HOST_KEY_FILE: Final = "/etc/ssh/arb_host_ed25519"
SSHD_CONFIG_FILE: Final = "/etc/ssh/sshd_config.d/00-arb.conf"
ARMED_FILE: Final = "/var/lib/arb/armed"
"""While this file is there the machine ends itself after the bring-up time-out.

Its folder is open to every user, so that the agent disarms without being root.
"""
TICK_FILE: Final = "/usr/local/sbin/arb-bringup-tick"
TICKS_FILE: Final = "/var/lib/arb-bringup-ticks"
SERVICE_FILE: Final = "/etc/systemd/system/arb-bringup.service"
TIMER_FILE: Final = "/etc/systemd/system/arb-bringup.timer"
CRON_FILE: Final = "/etc/cron.d/arb-bringup"
TICK_S: Final = 60

# Distributions older than OpenSSH 8.2 have no Include; the first HostKey of a type wins.
USE_HOST_KEY: Final = f"""
set -eu
chmod 600 {HOST_KEY_FILE}
if command -v restorecon >/dev/null; then restorecon {HOST_KEY_FILE} {SSHD_CONFIG_FILE} || :; fi
main=/etc/ssh/sshd_config
if ! grep -Eqi '^[[:space:]]*include[[:space:]].*/etc/ssh/sshd_config[.]d/' "$main" &&
   ! grep -q '^HostKey {HOST_KEY_FILE}$' "$main"; then
  {{ echo 'HostKey {HOST_KEY_FILE}'; cat "$main"; }} >"$main.arb"
  cat "$main.arb" >"$main"
  rm -f "$main.arb"
fi
systemctl restart ssh.service 2>/dev/null || systemctl restart sshd.service 2>/dev/null ||
  service ssh restart || service sshd restart
"""

# Counts minutes of running, on disk: neither a reboot nor a jump of the clock moves the end.
TICK_SCRIPT: Final = """#!/bin/sh
# Ends this machine when nothing has claimed it in time: see arb's documentation, "bring-up timer".
[ -e {armed} ] || exit 0
ticks=$(cat {ticks} 2>/dev/null || :)
case $ticks in ''|*[!0-9]*) ticks=0 ;; esac
ticks=$((ticks + 1))
echo "$ticks" >{ticks}
[ "$ticks" -ge {limit} ] || exit 0
logger -t arb 'bring-up time-out: shutting down' 2>/dev/null || :
shutdown -h now || poweroff || halt -p
"""

SERVICE: Final = f"""[Unit]
Description=End this machine unless arb claims it in time
ConditionPathExists={ARMED_FILE}

[Service]
Type=oneshot
ExecStart={TICK_FILE}
"""

TIMER: Final = f"""[Unit]
Description=Count down to the end of this machine unless arb claims it

[Timer]
OnActiveSec={TICK_S}
OnUnitActiveSec={TICK_S}
AccuracySec=1

[Install]
WantedBy=timers.target
"""

# The counter exists from the first time on: a provider that runs this at every boot must not arm a
# machine again that is in use.
ARM: Final = f"""
set -eu
if [ -e {TICKS_FILE} ]; then exit 0; fi
mkdir -p /var/lib/arb
echo 0 >{TICKS_FILE}
: >{ARMED_FILE}
chmod 777 /var/lib/arb
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl enable --now arb-bringup.timer
elif [ -d /etc/cron.d ]; then
  echo '* * * * * root {TICK_FILE}' >{CRON_FILE}
fi
"""


def node_setup(
    token: str,
    rank: int | None,
    client_public: str,
    host_key: HostKey | None,
    bringup_timeout_s: float,
) -> NodeSetup:
    """Return what one machine is given at creation.

    Args:
        token: The machine's name, 30 characters ``[a-z0-9-]``.
        rank: 0 for the head; None in a batch call.
        client_public: Public line of the owner's client key.
        host_key: What it must show; None for a provider without user data, which gets neither
            files nor commands and so has no bring-up timer either.
        bringup_timeout_s: After so many seconds of running it shuts down, unless ``ARMED_FILE`` was
            removed; counted in minutes, at least one.

    Returns:
        The host key, sshd's configuration and the timer (systemd, else cron) with the commands
        that put them to use. The commands may run again at a later boot.
    """
    if host_key is None:
        return NodeSetup(token=token, rank=rank, authorized_key=client_public)
    limit = max(1, round(bringup_timeout_s / TICK_S))
    tick = TICK_SCRIPT.format(armed=ARMED_FILE, ticks=TICKS_FILE, limit=limit)
    return NodeSetup(
        token=token,
        rank=rank,
        authorized_key=client_public,
        host_key=host_key,
        files=(
            NodeFile(HOST_KEY_FILE, host_key.private, "0600"),
            NodeFile(SSHD_CONFIG_FILE, f"HostKey {HOST_KEY_FILE}\n", "0644"),
            NodeFile(TICK_FILE, tick, "0755"),
            NodeFile(SERVICE_FILE, SERVICE, "0644"),
            NodeFile(TIMER_FILE, TIMER, "0644"),
        ),
        commands=(ARM, USE_HOST_KEY),
    )
