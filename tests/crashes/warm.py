"""What every command at AWS would read anew: the descriptions of its APIs, some megabytes of JSON.

Imported by the process that forks; its forks find them in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def _remembering(load: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[str, Any] = {}

    def load_file(self: object, path: str) -> Any:
        if path not in known:
            known[path] = load(self, path)
        return known[path]

    return load_file


def _warm() -> None:
    import boto3
    from botocore.loaders import JSONFileLoader

    JSONFileLoader.load_file = _remembering(JSONFileLoader.load_file)
    boto3.Session("key", "secret", region_name="us-east-1").client("ec2")


_warm()
