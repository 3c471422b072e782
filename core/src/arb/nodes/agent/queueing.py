"""Which jobs may start now: first come, first served, by free GPUs and processors."""

from __future__ import annotations

import os

from .jobs import PENDING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable

    from .jobs import Job

_CLOSE = 1e-6


def cpu_slots() -> int:
    """Return how many jobs without GPUs run beside each other."""
    return 2 * (os.cpu_count() or 1)


def startable(jobs: Iterable[Job], gpus_per_node: int) -> list[tuple[Job, dict[str, list[int]]]]:
    """Return the jobs that may start now, with the GPU numbers of each of their ranks.

    Jobs with GPUs wait for each other in order, those without likewise; the two lines do not hold
    each other up.

    Args:
        jobs: All jobs in the order of their numbers.
        gpus_per_node: GPUs that each node has.
    """
    everything = list(jobs)
    used = _used([job for job in everything if job.status != PENDING and not job.final])
    started: list[tuple[Job, dict[str, list[int]]]] = []
    slots = cpu_slots() - sum(
        1 for job in everything if job.status != PENDING and not job.final and not job.spec["gpus"]
    )
    gpu_line_open = True
    for job in everything:
        if job.status != PENDING:
            continue
        if not job.spec["gpus"]:
            slots -= 1
            if slots >= 0:
                started.append((job, {}))
        elif gpu_line_open:
            taken = _take(job.spec, used, gpus_per_node)
            gpu_line_open = taken is not None
            if taken is not None:
                started.append((job, taken))
    return started


def _used(running: list[Job]) -> dict[str, dict[int, float]]:
    """Return the used share of each GPU of each rank."""
    used: dict[str, dict[int, float]] = {}
    for job in running:
        for rank, numbers in (job.state.get("gpu_map") or {}).items():
            _charge(used.setdefault(rank, {}), numbers, job.spec["gpus"])
    return used


def _charge(node: dict[int, float], numbers: list[int], gpus: float) -> None:
    for number in numbers:
        node[number] = node.get(number, 0.0) + min(1.0, gpus)


def _take(
    spec: dict[str, Any], used: dict[str, dict[int, float]], total: int
) -> dict[str, list[int]] | None:
    """Return GPU numbers for every rank and charge them, or None when a node has too few."""
    taken: dict[str, list[int]] = {}
    for rank in range(spec["num_nodes"]):
        numbers = _free(used.get(str(rank), {}), spec["gpus"], total)
        if numbers is None:
            return None
        taken[str(rank)] = numbers
    for key, numbers in taken.items():
        _charge(used.setdefault(key, {}), numbers, spec["gpus"])
    return taken


def _free(node: dict[int, float], gpus: float, total: int) -> list[int] | None:
    """Return GPUs with room: the fullest that still fits for a share, else empty ones."""
    if gpus < 1:
        fitting = [n for n in range(total) if node.get(n, 0.0) + gpus <= 1 + _CLOSE]
        return [max(fitting, key=lambda n: (node.get(n, 0.0), -n))] if fitting else None
    count = int(gpus) if gpus == int(gpus) else int(gpus) + 1
    empty = [n for n in range(total) if node.get(n, 0.0) <= _CLOSE]
    return empty[:count] if len(empty) >= count else None
