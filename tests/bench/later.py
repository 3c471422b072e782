"""Rows of the design whose subject does not exist yet."""

from __future__ import annotations

from typing import Final

from .harness import Kind, Limit, Row

__all__ = ["ROWS"]

ROWS: Final = (
    Row(
        "controller",
        "controller, 10,000 rows polled every 5 s: of one core (memory: 150 MB)",
        Limit(Kind.TOTAL, 10, "%"),
    ),
    Row(
        "balancer",
        "load balancer, 100 replicas, weights pushed each second: time a request",
        Limit(Kind.RATIO, 1 / 0.97),
        "HAProxy alone",
    ),
)
