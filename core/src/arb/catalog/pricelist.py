"""Price lists as people and plugins write them: CSV, wide or long, with errors that name the place."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from arb.catalog.columns import NULLABLE, NUMBERS, REQUIRED, TEXTS
from arb.errors import UsageError, closest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pandas as pd

__all__ = ["PriceList", "read_price_list"]

_WIDE_NAMES: Final[Mapping[str, str]] = {
    "instance_name": "instance_type",
    "memory_gb": "memory_gib",
    "accelerator_name": "accelerator",
}
"""Names of the wide form, and ours."""
_WIDE_OF: Final = {ours: theirs for theirs, ours in _WIDE_NAMES.items()}
_PRICES: Final[Mapping[str, bool]] = {"price": False, "spot_price": True}
"""Columns of the wide form that make an offer, and whether it is spot."""
_OTHER_TEXTS: Final = ("offer_id", "payload", "provider", "source")
_COUNT: Final = "accelerator_count"
_FLAGS: Final = ("spot", "available", "user_data")
_AT_LEAST: Final[Mapping[bool, tuple[str, ...]]] = {
    True: ("instance_type",),
    False: ("instance_type", "spot", "price_usd_hour"),
}
_EMPTY_IS_0: Final = ("vcpus", "memory_gib", "accelerator_count", "accelerator_gib")
_FLOAT32: Final = ("accelerator_count", "accelerator_gib", "vcpus", "memory_gib")
_BOOLEANS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class PriceList:
    """Offers of a file.

    Attributes:
        name: Of the file, for messages.
        frame: Columns of ``arb_catalog``.
        providers: Whose each row is; empty texts where the file does not say.
    """

    name: str
    frame: pd.DataFrame
    providers: tuple[str, ...]

    def of(self, provider: str = "") -> pd.DataFrame:
        """Return the rows of one provider.

        Args:
            provider: Which; empty takes all, which must then be of one.

        Raises:
            UsageError: There is none of that name, or there are several and none was named.
        """
        known = sorted({name for name in self.providers if name})
        if not known:
            return self.frame
        if not provider:
            if len(known) > 1:
                summary = f"{self.name}: holds prices of {', '.join(known)}: say whose are wanted"
                raise UsageError(summary, code="csv-providers")
            return self.frame
        rows = [name == provider for name in self.providers]
        if not any(rows):
            summary = f"{self.name}: {closest(provider, known, what='provider')}"
            raise UsageError(summary, code="csv-providers")
        return self.frame[rows].reset_index(drop=True)


def read_price_list(source: str | Path | IO[str], *, defaults: Mapping[str, object]) -> PriceList:
    """Read a price list, as ``read_csv`` describes it.

    Raises:
        UsageError: Something in it is wrong; the summary tells file, line and column.
    """
    name, text = _read(source)
    rows = _Rows(name, text, defaults)
    offers = list(rows.offers())
    if not offers:
        raise UsageError(f"{name}: holds no prices", code="csv-empty")
    _check_identities(name, offers)
    providers = tuple(offer.pop("provider", "") for _, offer in offers)
    return PriceList(name, _frame([offer for _, offer in offers]), providers)


def _read(source: str | Path | IO[str]) -> tuple[str, str]:
    """Return the name and the text of a file. A file within a package has only ``read_text``."""
    name = str(source) if isinstance(source, str | Path) else getattr(source, "name", "")
    name = name or "the price list"
    try:
        if isinstance(source, str):
            source = Path(source)
        if hasattr(source, "read_text"):
            return name, source.read_text(encoding="utf-8-sig")
        return name, source.read().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: not UTF-8 text", code="csv-file") from error
    except OSError as error:
        summary = f"cannot read {name}: {error.strerror}"
        raise UsageError(summary, code="csv-file") from error


class _Rows:
    """The rows of one file, read one value at a time so that each error has a place."""

    def __init__(self, name: str, text: str, defaults: Mapping[str, object]) -> None:
        self._name = name
        self._reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
        self._defaults = {key: str(value) for key, value in defaults.items()}
        self._header = self._read_header()
        self._is_wide = "price" in self._header or "spot_price" in self._header

    def offers(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield each offer with its line."""
        for cells in self._lines():
            if not any(cells):
                continue
            line = self._reader.line_num
            if len(cells) != len(self._header):
                told = f"{len(cells)} values for {len(self._header)} columns"
                raise self._wrong(line, told)
            texts = dict(zip(self._header, cells, strict=True))
            for values in self._offers_of(line, texts):
                yield line, values

    def _lines(self) -> Iterator[list[str]]:
        try:
            for cells in self._reader:
                yield [cell.strip() for cell in cells]
        except csv.Error as error:
            raise self._wrong(self._reader.line_num, f"not CSV: {error}") from error

    def _read_header(self) -> list[str]:
        header = next((cells for cells in self._lines() if any(cells)), None)
        if header is None:
            raise UsageError(f"{self._name}: is empty", code="csv-empty")
        known = {*_COLUMNS, *_WIDE_NAMES, *_PRICES}
        for name in header:
            if name not in known:
                raise self._wrong(self._reader.line_num, closest(name, known, what="column"))
        names = [_WIDE_NAMES.get(name, name) for name in header]
        twice = next((name for name in names if names.count(name) > 1), "")
        if twice:
            raise self._wrong(self._reader.line_num, f"has the column {twice} twice")
        is_wide = "price" in names or "spot_price" in names
        if is_wide and "price_usd_hour" in names:
            raise self._wrong(self._reader.line_num, "has both price and price_usd_hour")
        for name in _AT_LEAST[is_wide]:
            if name not in names and name not in self._defaults:
                told = f"has no column {_WIDE_OF.get(name, name) if is_wide else name}"
                raise self._wrong(self._reader.line_num, told)
        self._names = dict(zip(names, header, strict=True))
        return names

    def _offers_of(self, line: int, texts: dict[str, str]) -> Iterator[dict[str, Any]]:
        for name, default in self._defaults.items():
            texts[name] = texts.get(name) or default
        values = {
            name: _COLUMNS[name](self, line, name, text)
            for name, text in texts.items()
            if name not in _PRICES
        }
        values.pop("source", None)
        self._check(line, values)
        if not self._is_wide:
            yield self._with_id(values)
            return
        priced = [name for name in _PRICES if texts.get(name)]
        if not priced:
            raise self._wrong(line, "has neither a price nor a spot_price")
        for name in priced:
            price = self.number(line, name, texts[name])
            yield self._with_id({**values, "spot": _PRICES[name], "price_usd_hour": price})

    def _check(self, line: int, values: dict[str, Any]) -> None:
        for name in ("instance_type", "region"):
            if not values.get(name):
                raise self._wrong(line, f"has no {self._names.get(name, name)}")
        if values.get("accelerator") and not values.get("accelerator_count"):
            raise self._wrong(line, f"has an accelerator and no {_COUNT}")
        if values.get("accelerator_count") and not values.get("accelerator"):
            raise self._wrong(line, f"has an {_COUNT} and no accelerator")
        if not self._is_wide and (values["spot"] is None or math.isnan(values["price_usd_hour"])):
            raise self._wrong(line, "has no spot or no price_usd_hour")

    def _with_id(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return an offer with an id: its own, or what makes a place and a type one."""
        values.setdefault("zone", "")
        if not values.get("offer_id"):
            place = "/".join(part for part in (values["region"], values["zone"]) if part)
            values["offer_id"] = f"{values['instance_type']}@{place}"
        return values

    def text(self, line: int, name: str, text: str) -> str:  # noqa: ARG002 - as the others
        """Return a text as it stands."""
        return text

    def number(self, line: int, name: str, text: str) -> float:
        """Return a number; an empty text is 0 for sizes, else NaN."""
        if not text:
            return 0.0 if name in _EMPTY_IS_0 else math.nan
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or "_" in text:
            raise self._wrong(line, f"column {name}: {text!r} is not a number")
        return value

    def flag(self, line: int, name: str, text: str) -> bool | None:
        """Return a truth value; an empty text is None."""
        if not text:
            return None
        if text.lower() not in _BOOLEANS:
            raise self._wrong(line, f"column {name}: {text!r} is neither true nor false")
        return _BOOLEANS[text.lower()]

    def date(self, line: int, name: str, text: str) -> float:
        """Return seconds since the epoch for these or a date."""
        try:
            day = dt.date.fromisoformat(text)
        except ValueError:
            if "-" not in text.strip("-"):
                return self.number(line, name, text)
            raise self._wrong(line, f"column {name}: {text!r} is not a date") from None
        return dt.datetime.combine(day, dt.time(), dt.UTC).timestamp()

    def _wrong(self, line: int, what: str) -> UsageError:
        return UsageError(f"{self._name}:{line}: {what}", code="csv-value")


_COLUMNS: Final[Mapping[str, Callable[[_Rows, int, str, str], Any]]] = {
    **dict.fromkeys((*TEXTS, *_OTHER_TEXTS), _Rows.text),
    **dict.fromkeys((*NUMBERS, "capacity"), _Rows.number),
    **dict.fromkeys(_FLAGS, _Rows.flag),
    "as_of": _Rows.date,
}
"""Every column of the long form, and how its values are read."""


def _check_identities(name: str, offers: Sequence[tuple[int, dict[str, Any]]]) -> None:
    seen: dict[tuple[str, str, bool], int] = {}
    for line, offer in offers:
        key = (offer.get("provider", ""), offer["offer_id"], offer["spot"])
        first = seen.setdefault(key, line)
        if first != line:
            told = f"the offer {offer['offer_id']} stands in line {first} too"
            raise UsageError(f"{name}:{line}: {told}", code="csv-value")


def _frame(offers: list[dict[str, Any]]) -> pd.DataFrame:
    """Return offers with the dtypes of ``arb_catalog``, without the optional columns of nobody."""
    import pandas as pd

    from arb.catalog.normal import normal_form

    raw = pd.DataFrame(offers).reindex(columns=list({**dict.fromkeys(REQUIRED), **_told(offers)}))
    for name in _EMPTY_IS_0:
        raw[name] = raw[name].fillna(0)
    for name in NULLABLE:
        if name in raw:
            raw[name] = raw[name].astype(object)
    frame = normal_form(raw, minimum_s=math.nan)
    columns = list(raw.columns)
    if "interconnect" not in columns and (frame["interconnect"] != "").any():
        columns.append("interconnect")  # the accelerator's spelling told it
    return frame[columns].astype({**dict.fromkeys(_FLOAT32, "float32"), "spot": bool})


def _told(offers: list[dict[str, Any]]) -> dict[str, None]:
    """Return the columns of which some offer tells something."""
    return {
        name: None
        for offer in offers[:1]
        for name in offer
        if any(each[name] not in ("", None) and each[name] == each[name] for each in offers)
    }
