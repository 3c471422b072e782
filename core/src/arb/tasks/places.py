"""Places: ``PROVIDER[/REGION[/ZONE]]``, with ``*`` for any."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["Place", "provider_id"]

_ALIASES: Final = {"k8s": "kubernetes"}
_ONE_NAME: Final = frozenset({"kubernetes", "ssh"})
"""Their places are contexts and pools, whose names may hold slashes: there are no zones."""


class Place(NamedTuple):
    """Provider, region and zone; empty means any."""

    provider: str = ""
    region: str = ""
    zone: str = ""

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read ``aws``, ``aws/us-east-1/us-east-1a``, ``*/us-east-1``, ``k8s/a/context`` or ``*``.

        Raises:
            ValueError: An empty part, or more than three.
        """
        bare = text.strip()
        if not bare:
            return cls()
        parts = [part.strip() for part in bare.split("/")]
        provider = provider_id(parts[0])
        named = [*parts[:1], "/".join(parts[1:])] if provider in _ONE_NAME else parts
        if not all(parts) or len(named) > 3:  # noqa: PLR2004 - provider, region, zone
            raise ValueError(f"{text!r} is not a place: write PROVIDER/REGION/ZONE")
        region, zone = ("" if part == "*" else part for part in (*named[1:], "", "")[:2])
        return cls(provider, region, zone)

    def __str__(self) -> str:
        """Return it as ``infra`` takes it; empty for anywhere."""
        parts = [part or "*" for part in self]
        while parts and parts[-1] == "*":
            parts.pop()
        return "/".join(parts)


def provider_id(text: str) -> str:
    """Return the provider's id: lower case, without aliases; empty for ``*``."""
    name = text.strip().lower()
    return "" if name == "*" else _ALIASES.get(name, name)
