"""What later hooks need to know of an attempt or a machine, as the opaque text that core keeps."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

__all__ = ["Handle"]


@dataclass(frozen=True, slots=True)
class Handle:
    """Of an attempt and, as ``payload``, of each of its machines.

    Attributes:
        region: Where; names the region of what was made beside machines, too.
        spot: Whether it is spot.
        user: Whom the image lets in, where that is not the usual one.
    """

    region: str = ""
    spot: bool = False
    user: str = ""

    def to_json(self) -> str:
        """Return the text that ``of`` reads."""
        told = {k: v for k, v in asdict(self).items() if v not in ("", False)}
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
