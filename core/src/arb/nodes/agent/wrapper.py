"""The POSIX shell wrapper around each phase of a job.

It records the exit code itself, so the daemon may die at any point, and it is where the job's
environment and secrets enter: files that only the job's own shell reads, never an argument or the
environment of a process of ours.
"""

from __future__ import annotations

import shlex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping

FILE = "wrapper.sh"
ENV_FILE = "env.sh"
SECRETS_FILE = "secrets.sh"

TEXT = r"""# Runs one phase of a job and records its exit code: wrapper.sh PHASE WORKDIR, in the job's folder.
# Signals to the session are for the job; the wrapper stays to record what becomes of it.
trap : HUP INT QUIT ALRM TERM USR1 USR2 PIPE
_arb_phase=$1 _arb_workdir=$2 _arb_dir=$PWD
umask 077
read -r _arb_stat < "/proc/$$/stat" || exit 112
set -- ${_arb_stat##*) }
# Process id and start time, never overwritten: a phase that was begun is not begun again.
set -C
echo "$$ ${20}" 2>/dev/null > "$_arb_phase.pid" || exit 111
set +C
# The place for its end is taken now: the phase may fill the disk.
echo "       " > "$_arb_phase.exit.tmp" || exit 111
(
  umask 022
  . ./env.sh
  if [ -f secrets.sh ]; then
    . ./secrets.sh
    command rm -f secrets.sh
  fi
  cd "$_arb_workdir" 2>/dev/null || cd "$HOME" || exit 112
  if command -v bash >/dev/null 2>&1; then
    exec bash "$_arb_dir/$_arb_phase.sh"
  fi
  exec sh "$_arb_dir/$_arb_phase.sh"
) </dev/null >>log 2>&1
echo "$?" 1<> "$_arb_phase.exit.tmp"
mv -f "$_arb_phase.exit.tmp" "$_arb_phase.exit"
"""


def exports(variables: Mapping[str, str]) -> str:
    """Return shell text that exports the variables, values quoted."""
    return "".join(f"export {k}={shlex.quote(v)}\n" for k, v in variables.items())
