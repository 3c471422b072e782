"""botocore's descriptions of services, without what is never called.

EC2's has 830 operations. A client has a method for each, which costs more time than a call does, and
all of them together hold 20 MB: here are those that the policy names.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from arb_aws.policy import actions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = ["lean", "loader"]

_EC2: Final = ("ec2", "service-2")


@cache
def loader() -> Any:
    """Return the reader of descriptions: what was read once serves all sessions of the process."""
    from botocore.loaders import Loader, create_loader

    class Lean(Loader):  # type: ignore[misc]
        """Reads EC2's description once, and keeps a part of it."""

        lock = threading.Lock()
        ec2: Any = None

        def load_service_model(
            self, service_name: str, type_name: str, api_version: str | None = None
        ) -> Any:
            if (service_name, type_name) != _EC2 or api_version:
                return super().load_service_model(service_name, type_name, api_version)
            with self.lock:
                if self.ec2 is None:  # read by another one, which keeps all that it reads
                    self.ec2 = lean(create_loader().load_service_model(*_EC2), actions("ec2"))
            return self.ec2

    return Lean()


def lean(model: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return the part of a description that some operations take.

    Args:
        model: As botocore's files hold it.
        names: Of operations, for instance ``RunInstances``.
    """
    operations = {name: model["operations"][name] for name in sorted(names)}
    shapes: dict[str, Any] = {}
    waiting = list(_shapes_in(operations))
    while waiting:
        name = waiting.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            waiting += _shapes_in(shapes[name])
    return {**model, "operations": operations, "shapes": shapes}


def _shapes_in(said: Any) -> Iterator[str]:
    """Yield the names of shapes that a piece of a description refers to."""
    values = said.values() if isinstance(said, dict) else said if isinstance(said, list) else ()
    if isinstance(said, dict) and isinstance(said.get("shape"), str):
        yield said["shape"]
    for value in values:
        yield from _shapes_in(value)
