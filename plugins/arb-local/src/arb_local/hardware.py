"""What this computer has: CPUs, memory and GPUs."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import Final

__all__ = ["Gpu", "Hardware", "accelerator_name", "parse_nvidia_smi", "read_hardware"]

_QUERY: Final = ["--query-gpu=index,name,memory.total", "--format=csv,noheader,nounits"]
_TIMEOUT_S: Final = 8
_COLUMNS: Final = 3


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU: its index, canonical name and memory in GiB."""

    index: int
    name: str
    memory_gib: float


@dataclass(frozen=True, slots=True)
class Hardware:
    """This computer."""

    vcpus: int
    memory_gib: float
    arch: str
    gpus: tuple[Gpu, ...] = ()


def read_hardware() -> Hardware:
    """Look at this computer. Asks ``nvidia-smi`` where it is installed."""
    return Hardware(_vcpus(), _memory_gib(), _arch(), _gpus())


def parse_nvidia_smi(text: str) -> tuple[Gpu, ...]:
    """Read ``nvidia-smi --query-gpu=index,name,memory.total --format=csv,noheader,nounits``.

    Lines of another form (a driver's complaint) are left out, and GPUs without known memory have 0.
    """
    rows = ([cell.strip() for cell in line.split(",")] for line in text.splitlines())
    return tuple(
        Gpu(int(row[0]), accelerator_name(row[1]), _gib(row[2]))
        for row in rows
        if len(row) == _COLUMNS and row[0].isdigit()
    )


def accelerator_name(marketing: str) -> str:
    """Return the canonical name: ``NVIDIA H100 80GB HBM3`` is an ``H100``.

    The memory, form factor and vendor are dropped; they are other columns of an offer.
    """
    name = re.sub(r"\b(NVIDIA|Tesla|Quadro|GeForce|Graphics Device)\b", " ", marketing)
    name = re.sub(r"[-\s](\d+\s?GB|SXM\d?|PCIe|HBM\w*|NVL|MIG\b.*)(?=[-\s]|$)", " ", name)
    name = re.sub(r"[-\s](\d+\s?GB|SXM\d?|PCIe|HBM\w*|NVL)(?=[-\s]|$)", " ", name)
    words = name.replace("Generation", " ").split()
    if words[:1] == ["RTX"] and len(words) > 1:
        generation = [word for word in words[2:] if word in {"Ada", "Ti", "SUPER"}]
        first = words[1] if words[1].startswith("A") else f"RTX{words[1]}"
        return "-".join([first, *generation])
    return "-".join(words)


def _gpus() -> tuple[Gpu, ...]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    try:
        result = subprocess.run(
            [tool, *_QUERY], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return parse_nvidia_smi(result.stdout) if result.returncode == 0 else ()


def _gib(mebibytes: str) -> float:
    try:
        return round(float(mebibytes) / 1024, 1)
    except ValueError:  # "[N/A]" on systems with unified memory
        return 0.0


def _vcpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_gib() -> float:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return round(total / 2**30, 1)


def _arch() -> str:
    return {"aarch64": "arm64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())
