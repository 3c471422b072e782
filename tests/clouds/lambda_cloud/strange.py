"""Answers that are as Lambda's description allows, and not as anybody would write them."""

from __future__ import annotations

import zlib
from typing import Any

__all__ = ["strange"]

_OPTIONAL = ("private_ip", "hostname", "jupyter_token", "jupyter_url", "firewall_rulesets")


def strange(data: Any) -> Any:
    """Return the ``data`` of an answer with fields that nobody knows, and without optional ones.

    A machine is shown with its name or with its tags, never with both.
    """
    if isinstance(data, list):
        return [strange(item) for item in data]
    if not isinstance(data, dict):
        return data
    shown = {key: strange(value) for key, value in data.items() if key not in _OPTIONAL}
    if {"name", "tags"} <= data.keys():
        del shown["name" if zlib.crc32(data["id"].encode()) % 2 else "tags"]
    is_table = any(isinstance(v, dict) and "instance_type" in v for v in data.values())
    return shown if is_table else {**shown, "not_described": None}
