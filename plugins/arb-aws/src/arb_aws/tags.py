"""Tags: our names on everything that is made, beside the user's labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from arb.types import ProvisionRequest

__all__ = [
    "ADDRESS",
    "MOST_VALUES",
    "OWNER",
    "PRIVATE",
    "TOKEN",
    "USER",
    "tag_list",
    "tags_of",
    "value_of",
]

OWNER: Final = "arb-owner"
TOKEN: Final = "arb-token"  # noqa: S105 - the name of a tag
USER: Final = "arb-user"
"""Whom the image lets in, where that is not the usual one."""
ADDRESS: Final = "arb-address"
PRIVATE: Final = "private"
"""Value of ``ADDRESS`` on machines without a public address."""
MOST_VALUES: Final = 150
"""EC2 takes 200 values of a filter."""
_CLUSTER: Final = "arb-cluster"
_RESERVED: Final = "aws:"
_LONGEST_KEY: Final = 128
_LONGEST_VALUE: Final = 256
_MOST_LABELS: Final = 40
"""EC2 takes 50 tags; ours are among them."""


def tags_of(
    request: ProvisionRequest, user: str = "", *, is_private: bool = False
) -> dict[str, str]:
    """Return the user's labels as EC2 takes them, and ours, which win.

    Args:
        request: The order.
        user: Whom its image lets in; empty for the usual one.
        is_private: Its machines have no public address.
    """
    chosen: dict[str, str] = {}
    for key, value in sorted(request.labels.items()):
        name = key.strip()
        if name.lower().startswith(_RESERVED):
            name = f"label-{name[len(_RESERVED) :]}"
        if name and len(chosen) < _MOST_LABELS:
            chosen[name[:_LONGEST_KEY]] = value[:_LONGEST_VALUE]
    own = {
        "Name": request.token,
        TOKEN: request.token,
        OWNER: request.token.split("-")[1],
        _CLUSTER: request.cluster[:_LONGEST_VALUE],
    }
    more = {USER: user, ADDRESS: PRIVATE if is_private else ""}
    return chosen | own | {key: value for key, value in more.items() if value}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as requests hold them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def value_of(tags: Iterable[Mapping[str, Any]] | None, key: str) -> str:
    """Return the value of a tag in an answer; empty when it is not there."""
    return next((str(tag.get("Value") or "") for tag in tags or () if tag.get("Key") == key), "")
