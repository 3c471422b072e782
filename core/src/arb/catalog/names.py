"""Accelerator names: many spellings, one name, and what is known of it.

``H100``, ``h100``, ``H100-80GB``, ``H100_SXM5`` and ``NVIDIA H100 80GB HBM3`` meet; ``A100`` (40 GB) and
``A100-80GB`` do not. The table is ``data/accelerators.csv``; each row says where its figures are from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AcceleratorFacts", "Spelling", "canonical", "facts", "known_names", "read_spelling"]

_TABLE: Final = Path(__file__).with_name("data") / "accelerators.csv"
_MAKERS: Final = frozenset(
    {"amd", "geforce", "generation", "google", "habana", "instinct", "intel", "nvidia", "tesla"}
)
"""Words that tell nothing more."""
_FILLER: Final = re.compile(r"hbm\d*e?|oam|edition|gpu|accelerator")
_PLUGS: Final = {"sxm": "SXM", "pcie": "PCIe", "nvl": "NVL", "nvlink": "NVLink"}
_PLUG: Final = re.compile(r"(sxm|pcie|nvlink|nvl)\d*")
_GLUED_PLUG: Final = re.compile(r"(.*\d[a-z]?)(sxm\d?|pcie|nvl\d*)")
_MEMORY: Final = re.compile(r"(\d+)g(?:i?b)?")
_SLICE: Final = re.compile(r"(tpu-?v?\d+[a-z]*)-([1-9]\d{0,5})")
_CORES_A_CHIP: Final = {"TPU-v2": 2, "TPU-v3": 2, "TPU-v4": 2, "TPU-v5p": 2}
"""TPU slices are named after TensorCores up to v5p, later after chips."""
_NEAR: Final = 0.08
"""How far the memory that a driver reports is from the data sheet's, as a share."""


@dataclass(frozen=True, slots=True)
class AcceleratorFacts:
    """What is known of one accelerator.

    Attributes:
        name: Canonical name.
        maker: Who makes it.
        memory_gib: Memory of one, as it is sold (GB and GiB are not told apart there).
        bf16_tflops: Dense bf16 TFLOPS of one; 0 when it has no bf16 units or none are stated.
        source: Where the figure is from.
        other_memory_gib: More sizes of memory that go by this name.
        by_interconnect: Dense bf16 TFLOPS where they differ: ``{"PCIe": 756}``.
    """

    name: str
    maker: str
    memory_gib: float
    bf16_tflops: float
    source: str
    other_memory_gib: tuple[float, ...] = ()
    by_interconnect: Mapping[str, float] = field(default_factory=dict)

    def tflops(self, interconnect: str = "") -> float:
        """Return dense bf16 TFLOPS of the model with this interconnect."""
        return self.by_interconnect.get(interconnect, self.bf16_tflops)

    def nearest_gib(self, gib: float) -> float:
        """Return the size of memory as it is sold; 0 when no model has about this much."""
        sizes = (self.memory_gib, *self.other_memory_gib)
        near = min(sizes, key=lambda size: abs(size - gib))
        return near if abs(near - gib) <= _NEAR * near else 0.0


@dataclass(frozen=True, slots=True)
class Spelling:
    """What a name says.

    Attributes:
        name: Canonical name, or the text itself when it is not known.
        interconnect: ``SXM``, ``PCIe``, ``NVL``, or empty.
        times: Accelerators that one of these stands for: 8 for ``tpu-v5litepod-8``.
        is_known: Whether the name is in the table.
    """

    name: str
    interconnect: str = ""
    times: float = 1
    is_known: bool = True


def canonical(text: str, gib: float = 0) -> str:
    """Return the one name of an accelerator; one that is not known stays as it is, trimmed.

    Args:
        text: Any spelling.
        gib: Memory of one, where that is known: it tells A100 from A100-80GB.
    """
    return read_spelling(text, gib).name


def facts(name: str) -> AcceleratorFacts | None:
    """Return what is known of a canonical name."""
    return _tables()[0].get(name)


def known_names() -> tuple[str, ...]:
    """Return every canonical name, for hints."""
    return tuple(_tables()[0])


@lru_cache(maxsize=4096)
def read_spelling(text: str, gib: float = 0) -> Spelling:
    """Take a spelling apart.

    Args:
        text: Any spelling.
        gib: As for ``canonical``.
    """
    written = text.strip()
    whole = _find(written.lower(), gib)
    if whole is not None:
        return whole
    if match := _SLICE.fullmatch(written.lower()):
        chip = _find(match[1], gib)
        if chip is not None:
            return Spelling(chip.name, times=int(match[2]) / _CORES_A_CHIP.get(chip.name, 1))
    return Spelling(written, is_known=False)


def _find(lowered: str, gib: float) -> Spelling | None:
    words = [word for word in re.split(r"[^a-z0-9]+", lowered) if word]
    plug, memory, rest = "", 0.0, []
    for word in words:
        if match := _PLUG.fullmatch(word):
            plug = _PLUGS[match[1]]
        elif match := _MEMORY.fullmatch(word):
            memory = float(match[1])
        elif word not in _MAKERS and not _FILLER.fullmatch(word):
            rest.append(word)
    key = "".join(rest)
    if key not in _tables()[1] and (match := _GLUED_PLUG.fullmatch(key)):
        key, plug = match[1], _PLUGS[match[2].rstrip("0123456789")]
    name = _by_memory(_tables()[1].get(key, ()), memory, gib)
    return Spelling(name, plug) if name else None


def _by_memory(names: tuple[str, ...], written_gib: float, gib: float) -> str:
    """Choose among models of one name; empty when the memory that is written is none of theirs."""
    if not names:
        return ""
    known = _tables()[0]
    if written_gib:
        return next((n for n in names if known[n].nearest_gib(written_gib)), "")
    return next((n for n in names if gib and known[n].nearest_gib(gib)), names[0])


@cache
def _tables() -> tuple[dict[str, AcceleratorFacts], dict[str, tuple[str, ...]]]:
    """Return facts by name, and names by squeezed spelling."""
    known: dict[str, AcceleratorFacts] = {}
    spelled: dict[str, tuple[str, ...]] = {}
    _, *lines = _TABLE.read_text(encoding="utf-8").splitlines()
    for line in lines:
        name, maker, memory, tflops, plugs, aliases, source = line.split(",", 6)
        first, *others = (float(size) for size in memory.split("|"))
        pairs = (pair.split("=") for pair in plugs.split(";") if pair)
        by_plug = {plug: float(value) for plug, value in pairs}
        known[name] = AcceleratorFacts(
            name, maker, first, float(tflops), source, tuple(others), by_plug
        )
        for key in (_squeezed(name), *filter(None, aliases.split("|"))):
            spelled[key] = (*spelled.get(key, ()), name)
    return known, spelled


def _squeezed(name: str) -> str:
    """Return a canonical name as spellings are looked up: without memory and signs."""
    words = re.split(r"[^a-z0-9]+", name.lower())
    return "".join(word for word in words if not _MEMORY.fullmatch(word))
