"""Spheron's words for accelerators and places, in the catalog's."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["fabric", "place", "plug_of", "read_gpu_type"]

_PLUGS: Final = {"SXM": "SXM", "PCIE": "PCIe", "NVL": "NVL"}
_PLUG: Final = re.compile(r"_(SXM|PCIE|NVL)\d*$")
_BARE_METAL: Final = "_BAREMETAL"
_SIZE: Final = re.compile(r"_(\d+)GB?$")
_NAMES: Final = {"RTXPRO6000": "RTX-PRO-6000", "RTXPRO5000": "RTX-PRO-5000"}
_FABRICS: Final = (("infiniband", "ib"), ("roce", "roce"))
_PLACES: Final = (
    ("montreal", (45.5, -73.6)),
    ("canada", (45.5, -73.6)),
    ("norway", (59.9, 10.8)),
    ("finland", (60.2, 24.9)),
    ("iceland", (64.1, -21.9)),
    ("virginia", (38.9, -77.4)),
    ("desmoines", (41.6, -93.6)),
    ("kansascity", (39.1, -94.6)),
    ("dallas", (32.8, -96.8)),
    ("texas", (32.8, -96.8)),
)
"""Words in names of regions that tell where it is; ``US Central 1`` tells too little."""


def read_gpu_type(text: str, gib: float) -> tuple[str, str, bool]:
    """Take ``A100_80G_SXM4`` apart.

    Args:
        text: A ``gpuType``.
        gib: Memory of one, where it is told: of an A100 there are two models.

    Returns:
        Name, interconnect (empty when it is not told), and whether there is no hypervisor.
    """
    bare_metal = text.endswith(_BARE_METAL)
    rest = text.removesuffix(_BARE_METAL)
    plug = _PLUG.search(rest)
    if plug:
        rest = rest[: plug.start()]
    size = _SIZE.search(rest)
    if size:
        rest = f"{rest[: size.start()]}-{size[1]}GB"
    elif rest == "A100" and gib >= 80:  # noqa: PLR2004 - the larger model
        rest = "A100-80GB"
    name = _NAMES.get(rest, rest.replace("_", "-"))
    return name, _PLUGS[plug[1]] if plug else "", bare_metal


def plug_of(text: str) -> str:
    """Return the interconnect that an offer names by itself, for instance ``SXM5``; else no text."""
    upper = text.upper()
    return next((name for word, name in _PLUGS.items() if upper.startswith(word)), "")


def fabric(description: str) -> str:
    """Return what joins the machines of one place, from an offer's own description."""
    text = description.lower()
    return next((name for word, name in _FABRICS if word in text), "")


def place(region: str) -> tuple[float, float] | None:
    """Return latitude and longitude of a region whose name tells them; None otherwise."""
    text = re.sub(r"[^a-z]", "", region.lower())
    return next((where for word, where in _PLACES if word in text), None)
