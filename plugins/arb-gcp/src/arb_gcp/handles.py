"""What later hooks need to know of an attempt or a machine, as the opaque text that core keeps."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Handle"]


@dataclass(frozen=True, slots=True)
class Handle:
    """Where an attempt's machines are, and the operations that make them.

    A listed machine's ``payload`` is a handle without operations: they are long over then.

    Attributes:
        project: Of the machines.
        zone: Of the machines.
        operations: Machine token -> name of its insert operation.
        rules: Whether firewall rules were made for it; None when that is not known.
        network_project: Where those are; empty means ``project``.
        rule_operations: Names of the operations that make them.
    """

    project: str = ""
    zone: str = ""
    operations: Mapping[str, str] = field(default_factory=dict)
    rules: bool | None = None
    network_project: str = ""
    rule_operations: Sequence[str] = ()

    def to_json(self) -> str:
        """Return the text that ``of`` reads."""
        told = {k: v for k, v in asdict(self).items() if v not in ("", {}, (), [], None)}
        return json.dumps(told, sort_keys=True)

    @classmethod
    def of(cls, text: str) -> Handle:
        """Read a handle of this or another version; a text that is none is an empty one."""
        try:
            said = json.loads(text)
            known = {k: v for k, v in said.items() if k in cls.__dataclass_fields__}
        except (ValueError, AttributeError):
            return cls()
        return cls(**known)
