"""The forms of the values below ``resources``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from arb.tasks.accelerators import Accelerators
from arb.tasks.amounts import Amount, Memory, gib, plain
from arb.tasks.forms import Form, kind, read_text
from arb.tasks.places import Place, provider_id

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "AcceleratorsForm",
    "Cpus",
    "DiskSize",
    "ImageForm",
    "Images",
    "Infra",
    "LocalDisk",
    "MemoryForm",
    "Ports",
    "Provider",
    "UseSpot",
]

_DOCKER: Final = "docker:"
_NUMBER: Final = r"\s*(\d+(\.\d*)?|\.\d+)\s*"
_UNIT: Final = "([KkMmGgTtPp][BbIi])?"


def _number_or(pattern: str) -> dict[str, Any]:
    return {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, _text(pattern)]}


def _text(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^{pattern}$"}


@dataclass(frozen=True, slots=True)
class Images:
    """What ``image_id`` says.

    Attributes:
        by_region: Cloud image by region, as pairs; the region "" is every region.
        docker: A container image; empty for none.
    """

    by_region: tuple[tuple[str, str], ...] = ()
    docker: str = ""

    @classmethod
    def parse(cls, value: Any) -> Images:
        """Read an image id, ``docker:IMAGE``, or a map of regions to these with an optional key ``docker``.

        Raises:
            ValueError: It is none of these.
        """
        if isinstance(value, Images):
            return value
        if isinstance(value, str):
            return cls._from_map({"": value})
        if isinstance(value, dict):
            return cls._from_map({("" if key is None else str(key)): v for key, v in value.items()})
        raise ValueError(f"expected an image or a map of regions to images, got {kind(value)}")

    @classmethod
    def _from_map(cls, given: dict[str, Any]) -> Images:
        images = {key.strip(): read_text(value).strip() for key, value in given.items()}
        if not images or not all(images.values()):
            raise ValueError("it names no image")
        docker = images.pop("docker", "").removeprefix(_DOCKER)
        whole = images.get("", "")
        if whole.startswith(_DOCKER) and not docker:
            docker = images.pop("").removeprefix(_DOCKER)
        if docker and any(image.startswith(_DOCKER) for image in images.values()):
            raise ValueError("it names two docker images: keep one")
        return cls(tuple(images.items()), docker)

    def dump(self) -> str | dict[str, str]:
        """Return it as a task file writes it."""
        images = dict(self.by_region)
        docker = _DOCKER + self.docker
        if not images:
            return docker
        if set(images) == {""} and not self.docker:
            return images[""]
        return {**images, **({"docker": self.docker} if self.docker else {})}


def _amount(parse: Callable[[str], Amount]) -> Callable[[Any], Amount]:
    def read(value: Any) -> Amount:
        if isinstance(value, Amount):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(f"expected a number or a text such as 8+, got {kind(value)}")
        amount = parse(_as_text(value))
        if amount.value <= 0:
            raise ValueError("must be above 0")
        return amount

    return read


def _as_text(value: float | str) -> str:
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        raise ValueError("expected a finite number")
    return plain(value)


def _disk_gib(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"expected GiB or a text such as 1TB, got {kind(value)}")
    size = gib(_as_text(value))
    if size <= 0 or size != int(size):
        raise ValueError(f"{value!r} is not a whole number of GiB above 0")
    return int(size)


def _infra(value: Any) -> str:
    text = read_text(value)
    place = Place.parse(text)
    if not text.strip():
        raise ValueError("it is empty: write PROVIDER, or * for any")
    return str(place) or "*"


def _provider(value: Any) -> str:
    name = provider_id(read_text(value))
    if not name or "/" in name:
        raise ValueError(f"{value!r} is not a provider; a whole place goes to infra")
    return name


def _local_disk(value: Any) -> str:
    """Return ``nvme:500+``: kind and GB; ``nvme`` alone is 100 GB at least, a size alone is NVMe."""
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    text = (_as_text(value) if numeric else read_text(value)).strip().lower()
    name, colon, size = text.partition(":")
    if not colon:
        name, size = (text, "100+") if text in {"nvme", "ssd"} else ("nvme", text)
    try:
        amount = Amount.parse(size)
    except ValueError:
        amount = Amount(0)
    if name not in {"nvme", "ssd"} or amount.value <= 0:
        raise ValueError(f"{value!r} is not a local disk: write nvme, ssd:500 or nvme:1000+")
    return f"{name}:{amount}"


def _use_spot(value: Any) -> bool | str:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() == "prefer":
        return "prefer"
    raise ValueError(f"expected true, false or prefer, got {kind(value)}")


def read_ports(value: Any) -> tuple[str, ...]:
    """Return ports and ranges in ascending order, neighbours joined.

    Raises:
        ValueError: One of them is none.
    """
    items = value if isinstance(value, list | tuple) else [value]
    taken = sorted(span for item in items for span in _spans(item))
    joined: list[tuple[int, int]] = []
    for first, last in taken:
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(str(a) if a == b else f"{a}-{b}" for a, b in joined)


def _spans(item: Any) -> list[tuple[int, int]]:
    if isinstance(item, bool) or not isinstance(item, int | str):
        raise ValueError(f"expected a port such as 8080 or 8000-8010, got {kind(item)}")
    return [_span(part.strip(" ")) for part in str(item).split(",") if part.strip(" ")]


def _span(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", text, re.ASCII)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 0 < first <= last < 65536:  # noqa: PLR2004 - TCP
        raise ValueError(f"{text!r} is not a port: write 8080 or 8000-8010")
    return first, last


_ACCELERATOR: Final = _text(rf"[^:]+(:\s*\d+[GMTgmt][Bb]\+?\s*)?(:{_NUMBER}\+?\s*)?")
AcceleratorsForm = Annotated[
    Accelerators | None,
    Form(
        Accelerators.parse,
        {
            "anyOf": [
                _ACCELERATOR,
                {"type": "array", "items": _ACCELERATOR, "minItems": 1},
                {
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": {"type": ["number", "string", "null"]},
                },
            ]
        },
        Accelerators.dump,
    ),
]
Cpus = Annotated[Amount | None, Form(_amount(Amount.parse), _number_or(rf"{_NUMBER}\+?\s*"), str)]
MemoryForm = Annotated[
    Amount | None,
    Form(_amount(Memory.parse), _number_or(rf"{_NUMBER}(x|{_UNIT}\s*\+?)\s*"), str),
]
DiskSize = Annotated[
    int,
    Form(
        _disk_gib,
        {"anyOf": [{"type": "integer", "minimum": 1}, _text(rf"{_NUMBER}{_UNIT}\s*")]},
    ),
]
Infra = Annotated[str, Form(_infra, _text(r"[^/]+(/[^/]+)*"))]
Provider = Annotated[str, Form(_provider, _text("[^/]+"))]
LocalDisk = Annotated[
    str,
    Form(
        _local_disk,
        _number_or(rf"\s*(([Nn][Vv][Mm][Ee]|[Ss][Ss][Dd])(:{_NUMBER}\+?)?|{_NUMBER}\+?)\s*"),
    ),
]
UseSpot = Annotated[
    bool | str,
    Form(_use_spot, {"anyOf": [{"type": "boolean"}, {"enum": ["prefer"]}]}),
]
_PORT: Final = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 65535},
        {"type": "string", "pattern": r"^[0-9, -]*$"},
    ]
}
Ports = Annotated[
    tuple[str, ...],
    Form(read_ports, {"anyOf": [*_PORT["anyOf"], {"type": "array", "items": _PORT}]}, list),
]
ImageForm = Annotated[
    Images | None,
    Form(
        Images.parse,
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": {"type": "string", "minLength": 1},
                },
            ]
        },
        Images.dump,
    ),
]
