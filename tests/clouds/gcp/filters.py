"""``filter``, ``fields``, ``orderBy`` and pages, as every list of the API takes them."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Test = Callable[[Mapping[str, Any]], bool]

__all__ = ["WrongFilter", "masked", "page_of", "parse_filter"]

_TOKEN = re.compile(
    r"""\s*(?:(?P<open>\()|(?P<close>\))|(?P<word>AND|OR)(?=[\s(])
    |(?P<field>[\w.-]+)\s*(?P<op>!=|>=|<=|=|<|>|:|\s(?:eq|ne)\s)\s*
     (?P<value>"[^"]*"|'[^']*'|[^\s()]+))""",
    re.VERBOSE,
)
_MOST = 500


class WrongFilter(ValueError):
    """The API would answer 400."""


def parse_filter(text: str) -> Test:
    """Return what a filter expression tests.

    Two dialects are known, and may not be mixed: AIP-160 (``=``, ``:`` and the like, AND and OR), and
    regular expressions that must match whole fields (``eq``, ``ne``).

    Raises:
        WrongFilter: It is neither.
    """
    if not text:
        return lambda _: True
    tokens = list(_tokens(text))
    if len({t["op"].strip() in {"eq", "ne"} for t in tokens if t["op"]}) > 1:
        raise WrongFilter("regular expressions cannot be mixed with other operators")
    parser = _Parser(tokens)
    test = parser.all_of()
    if parser.left():
        raise WrongFilter("unbalanced parentheses")
    return test


def page_of(
    items: Sequence[Any], query: Mapping[str, str], most: int, cap: int = _MOST
) -> tuple[Sequence[Any], str | None]:
    """Return a page of a list and the token of the next.

    Raises:
        WrongFilter: The token is not one of ours.
    """
    asked = int(query.get("maxResults") or cap)
    if not 0 <= asked <= cap:
        raise WrongFilter(f"Invalid value for field 'maxResults': '{asked}'.")
    size = min(asked or cap, most or cap)
    begin = 0
    if query.get("pageToken"):
        try:
            begin = int(base64.urlsafe_b64decode(query["pageToken"]).decode().removeprefix("from "))
        except ValueError:
            raise WrongFilter("Invalid value for field 'pageToken'") from None
    end = begin + size
    token = base64.urlsafe_b64encode(f"from {end}".encode()).decode()
    return items[begin:end], token if end < len(items) else None


def masked(value: Any, fields: str) -> Any:
    """Return the parts of an answer that a field mask names, as ``fields`` does.

    Raises:
        WrongFilter: It is no field mask.
    """
    if not fields:
        return value
    mask, rest = _mask(fields)
    if rest:
        raise WrongFilter(f"Invalid field selection {fields}")
    return _masked(value, mask)


def _masked(value: Any, mask: Mapping[str, Any]) -> Any:
    if not mask:
        return value
    if isinstance(value, list):
        return [_masked(item, mask) for item in value]
    if not isinstance(value, dict):
        return value
    every = mask.get("*")
    kept = {}
    for key, item in value.items():
        if key in mask or every is not None:
            kept[key] = _masked(item, mask.get(key, every) or {})
    return kept


def _mask(text: str) -> tuple[dict[str, Any], str]:
    """Read ``a,b/c(d,e)`` into nested maps, up to the end or a closing parenthesis."""
    mask: dict[str, Any] = {}
    while True:
        match = re.match(r"[\w*]+(?:/[\w*]+)*", text)
        if match is None:
            raise WrongFilter("Invalid field selection")
        node = mask
        for name in match[0].split("/"):
            node = node.setdefault(name, {})
        text = text[match.end() :]
        if text.startswith("("):
            inner, text = _mask(text[1:])
            if not text.startswith(")"):
                raise WrongFilter("Invalid field selection")
            node.update(inner)
            text = text[1:]
        if not text.startswith(","):
            return mask, text
        text = text[1:]


def _tokens(text: str) -> Iterable[re.Match[str]]:
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise WrongFilter(f"Invalid value for field 'filter': '{text}'.")
        yield match
        at = match.end()


class _Parser:
    """Reads tokens; OR binds closer than AND, as AIP-160 says."""

    def __init__(self, tokens: list[re.Match[str]]) -> None:
        self._tokens = tokens

    def left(self) -> bool:
        """Say whether something is left."""
        return bool(self._tokens)

    def all_of(self) -> Test:
        """Read expressions that stand beside each other or are joined by AND."""
        tests = [self._any_of()]
        while self._tokens and not self._tokens[0]["close"]:
            if self._tokens[0]["word"] == "AND":
                self._tokens.pop(0)
            tests.append(self._any_of())
        return lambda item: all(test(item) for test in tests)

    def _any_of(self) -> Test:
        tests = [self._one()]
        while self._tokens and self._tokens[0]["word"] == "OR":
            self._tokens.pop(0)
            tests.append(self._one())
        return lambda item: any(test(item) for test in tests)

    def _one(self) -> Test:
        if not self._tokens:
            raise WrongFilter("the filter ends too early")
        token = self._tokens.pop(0)
        if token["open"]:
            test = self.all_of()
            if not self._tokens or not self._tokens.pop(0)["close"]:
                raise WrongFilter("unbalanced parentheses")
            return test
        if not token["field"]:
            raise WrongFilter("an expression is missing")
        return _comparison(token["field"], token["op"].strip(), token["value"])


def _comparison(field: str, op: str, raw: str) -> Test:
    wanted = raw[1:-1] if raw[:1] in {'"', "'"} else raw
    if op == ":":
        if wanted == "*":
            return lambda item: _value(item, field) is not None
        return lambda item: wanted in _text(_value(item, field))
    if op in {"eq", "ne"}:
        pattern = re.compile(wanted)
        fits: Test = lambda item: pattern.fullmatch(_text(_value(item, field))) is not None  # noqa: E731
        return fits if op == "eq" else lambda item: not fits(item)
    compare = {
        "=": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
        "<": lambda a, b: a < b,
        ">": lambda a, b: a > b,
        "<=": lambda a, b: a <= b,
        ">=": lambda a, b: a >= b,
    }[op]
    return lambda item: compare(_text(_value(item, field)), wanted)


def _value(item: Any, field: str) -> Any:
    """Return a nested field; labels have names with dashes, and no field below them."""
    head, _, rest = field.partition(".")
    value = item.get(head) if isinstance(item, dict) else None
    if not rest or value is None:
        return value
    return value.get(rest) if head == "labels" else _value(value, rest)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
