"""What runs on hosts: POSIX shell, and what it prints.

Values go into the script, which is standard input: nothing shows up in a list of processes.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Final

from arb.errors import ProviderUnavailable
from arb.types import MACHINE_TOKEN_PATTERN
from arb_ssh.claims import FILE, Claim, plain, read_claim
from arb_ssh.hosts import Gpus, Hardware

__all__ = [
    "Answer",
    "claim_script",
    "look_script",
    "measure_script",
    "read_answer",
    "release_script",
]

_BEGIN: Final = "arb-ssh-begin"
_END: Final = "arb-ssh-end"
_CLAIM: Final = FILE
_LEAST_FREE_KIB: Final = 64 * 1024
"""With less free the agent, and what jobs print, may soon not fit."""

_FIRST: Final = f"""
umask 077
LC_ALL=C
export LC_ALL
cd "$HOME" || exit 1
echo
echo {_BEGIN}
"""

# Whom a key of ours lets in has the host, whatever became of the claim's file.
_SHOW: Final = f"""
if [ -e {_CLAIM} ]; then
  printf 'claim '
  head -c 4096 {_CLAIM} | tr -d '\\n\\r\\000'
  echo
fi
if [ -f .ssh/authorized_keys ]; then
  sed -nE 's/^.* ({MACHINE_TOKEN_PATTERN})$/entered \\1/p' .ssh/authorized_keys 2>/dev/null
fi
printf 'node '
uname -n
echo {_END}
"""

# GPUs may be slow to answer when nothing holds their driver, and a broken driver never does.
_MEASURE: Final = """
unset OMP_NUM_THREADS OMP_THREAD_LIMIT # what nproc heeds is one program's share
PATH="$PATH:/usr/local/bin:/usr/local/nvidia/bin:/usr/lib/wsl/lib"
echo "cpus $(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null)"
echo "memory_kib $(sed -n 's/^MemTotal: *\\([0-9]*\\) kB.*/\\1/p' /proc/meminfo 2>/dev/null)"
echo "arch $(uname -m)"
for python in python3 python /usr/bin/python3 "$HOME/miniconda3/bin/python3" /opt/conda/bin/python3
do
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 8))' </dev/null 2>/dev/null || continue
  echo python 3.8
  break
done
[ -w . ] || echo read-only
echo "free_kib $(df -Pk . 2>/dev/null | sed -n '2s/.* \\([0-9]*\\)  *[0-9]*%.*/\\1/p')"
if command -v nvidia-smi >/dev/null 2>&1; then
  limit=
  if command -v timeout >/dev/null 2>&1; then limit='timeout 10'; fi
  # Standard input is the rest of this script: nobody may read it.
  $limit nvidia-smi --query-gpu=name,memory.total --format=csv,noheader,nounits </dev/null \
    2>/dev/null | sed 's/^/gpu /'
fi
"""

# A link is made or not, with its content, on every file system that a home may be on: two who try
# at once cannot both succeed, and no crash leaves half a claim.
_TAKE: Final = f"""
new={_CLAIM}.$$
if [ ! -e {_CLAIM} ] &&
  grep -E ' {MACHINE_TOKEN_PATTERN}$' .ssh/authorized_keys 2>/dev/null | grep -qvF " $token"; then
  : # somebody has it, and their claim got lost
elif printf '%s,"node":"%s","made_at":%s}}\\n' "$claim" "$(uname -n)" "$(date +%s)" >"$new" \\
  2>/dev/null && [ -s "$new" ]; then
  why=$(ln "$new" {_CLAIM} 2>&1) || [ -e {_CLAIM} ] || echo "problem $why"
else
  echo 'problem the home folder cannot be written'
fi
rm -f "$new"
case "$(cat {_CLAIM} 2>/dev/null)" in *"\\"token\\":\\"$token\\""*)
  mkdir -p .ssh
  keys=.ssh/authorized_keys
  if ! grep -qF " $token" "$keys" 2>/dev/null; then
    # A last line without an end would swallow ours.
    if [ -s "$keys" ] && [ -n "$(tail -c 1 "$keys" 2>/dev/null)" ]; then echo >>"$keys"; fi
    {{ printf '%s\\n' "$line" >>"$keys"; }} 2>/dev/null ||
      echo 'problem authorized_keys cannot be written'
  fi
esac
"""

# The key first: who finds no claim knows that nothing else is left. The file is replaced whole,
# because a damaged one would lock its owners out.
_GIVE_BACK: Final = f"""
keys=.ssh/authorized_keys
entered=
if [ -L "$keys" ]; then keys=$(readlink -f "$keys"); fi
if grep -qF " $token" "$keys" 2>/dev/null; then
  entered=yes
  new=$keys.arb.$$
  if cp -p "$keys" "$new" && {{ grep -vF " $token" "$keys" >"$new"; [ $? -le 1 ]; }} &&
    mv -f "$new" "$keys"; then :; else
    rm -f "$new"
    echo 'problem authorized_keys cannot be written'
  fi
fi
if ! grep -qF " $token" "$keys" 2>/dev/null; then
  case "$(cat {_CLAIM} 2>/dev/null | tr -d '\\000')" in
  *"\\"token\\":\\"$token\\""*) entered=yes ;;
  *"}}") entered= ;; # whole, and another one's
  esac
  if [ "$entered" ]; then
    echo released
    rm -f {_CLAIM} || echo 'problem the claim cannot be removed'
  fi
fi
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a host said.

    Attributes:
        claim: Who has it; None when it is free.
        node: What it calls itself.
        hardware: What was measured; None when that was not asked or could not be found out.
        has_python: Whether there is a Python for the agent; True when that was not asked.
        no_room: Why nothing can be written to the home; empty when it can, and when that was not
            asked.
        released: Whether a claim was there to be released.
        problem: What did not work; empty when all did.
    """

    claim: Claim | None = None
    node: str = ""
    hardware: Hardware | None = None
    has_python: bool = True
    no_room: str = ""
    released: bool = False
    problem: str = ""


def look_script() -> str:
    """Return what tells whether a host is free."""
    return _FIRST + _SHOW


def measure_script() -> str:
    """Return what tells that, and what a host has."""
    return _FIRST + _MEASURE + _SHOW


def claim_script(claim: Claim, authorized_key: str) -> str:
    """Return what takes a host unless somebody has it, and lets a key in; repeating it is fine."""
    line = f"{' '.join(authorized_key.split()[:2])} {claim.token}"
    values = {"token": claim.token, "claim": claim.text().removesuffix("}"), "line": line}
    return _FIRST + _assigned(values) + _TAKE + _SHOW


def release_script(token: str) -> str:
    """Return what takes key and claim of one token away; others' claims stay."""
    return _FIRST + _assigned({"token": token}) + _GIVE_BACK + _SHOW


def read_answer(name: str, text: str) -> Answer:
    """Read what a script printed; what a login script says before is skipped.

    Raises:
        ProviderUnavailable: It is not that, or was cut short.
    """
    _, begun, rest = f"\n{text}".partition(f"\n{_BEGIN}\n")
    said, ended, _ = rest.partition(f"\n{_END}\n")
    if not (begun and ended):
        summary = f"{name} answers something else than was asked"
        hint = "see that its login shell runs commands: ssh HOST 'echo fine'"
        raise ProviderUnavailable(summary, code="ssh-unreadable", hint=hint)
    facts: dict[str, list[str]] = {}
    for line in said.splitlines():
        key, _, value = line.partition(" ")
        facts.setdefault(key, []).append(value.strip())
    claims, problems = facts.get("claim", []), facts.get("problem", [])
    return Answer(
        claim=_claim(claims, facts.get("entered", [])),
        node=facts.get("node", [""])[0],
        hardware=_hardware(facts),
        has_python="python" in facts or "cpus" not in facts,
        no_room=_no_room(facts),
        released="released" in facts,
        problem=plain(problems[0]) if problems else "",
    )


def _claim(claims: list[str], entered: list[str]) -> Claim | None:
    """Return who has a host: by its claim, or else by the key that is let in."""
    claim = read_claim(claims[0]) if claims else None
    if (claim is None or not claim.token) and entered:
        return Claim(entered[0])
    return claim


def _assigned(values: dict[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def _no_room(facts: dict[str, list[str]]) -> str:
    """Return why an agent cannot be put into the home."""
    if "read-only" in facts:
        return "its home folder cannot be written"
    free = facts.get("free_kib", [""])[0]
    if free.isdecimal() and int(free) < _LEAST_FREE_KIB:
        return f"its home folder has only {int(free) // 1024} MiB free"
    return ""


def _hardware(facts: dict[str, list[str]]) -> Hardware | None:
    try:
        cpus, memory_kib = float(facts["cpus"][0]), float(facts["memory_kib"][0])
    except (KeyError, ValueError):
        return None
    machine = facts.get("arch", [""])[0]
    arch = {"aarch64": "arm64", "amd64": "x86_64"}.get(machine, machine) or "x86_64"
    return Hardware(cpus, round(memory_kib / 2**20, 1), _gpus(facts.get("gpu", [])), arch)


def _gpus(lines: list[str]) -> Gpus:
    """Return the accelerators that there are most of."""
    rows = [[cell.strip() for cell in line.split(",")] for line in lines]
    found = [Gpus(row[0], 1, _gib(row[1])) for row in rows if len(row) == 2 and row[0]]  # noqa: PLR2004 - name, memory
    if not found:
        return Gpus()
    kinds = sorted(set(found), key=lambda gpu: (-found.count(gpu), gpu.name))
    return Gpus(kinds[0].name, found.count(kinds[0]), kinds[0].gib)


def _gib(mebibytes: str) -> float:
    try:
        return round(float(mebibytes) / 1024, 1)
    except ValueError:  # "[N/A]" on systems with unified memory
        return 0.0
