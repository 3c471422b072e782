"""Answers of EC2's protocol that moto does not write, and changes to those that it does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar
from xml.sax.saxutils import escape

from clouds.aws.errors import XML
from clouds.http import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["as_run_answer", "ec2_answer", "page_of", "with_token"]

T = TypeVar("T")
_NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
_REQUEST = "<requestId>00000000-0000-4000-8000-000000000002</requestId>"
_RESERVATION = re.compile(r"<reservationSet>\s*<item>(.*)</item>\s*</reservationSet>", re.DOTALL)


def ec2_answer(
    action: str, name: str, items: Iterable[Mapping[str, str]], token: str = ""
) -> Answer:
    """Return a list of flat structures.

    Args:
        action: What was asked.
        name: Of the list's element, for instance ``spotPriceHistorySet``.
        items: Element name -> text of each.
        token: Of the next page.
    """
    rows = "".join(
        "<item>" + "".join(f"<{k}>{escape(v)}</{k}>" for k, v in item.items()) + "</item>"
        for item in items
    )
    more = f"<nextToken>{token}</nextToken>" if token else ""
    inside = f"{_REQUEST}<{name}>{rows}</{name}>{more}"
    return Answer(200, f'{XML}<{action}Response xmlns="{_NAMESPACE}">{inside}</{action}Response>')


def with_token(answer: Answer, token: str) -> Answer:
    """Return an answer with the token of a next page."""
    if not token:
        return answer
    body = re.sub(
        r"</(\w+Response)>\s*$", rf"<nextToken>{token}</nextToken></\1>", str(answer.body)
    )
    return Answer(answer.status, body, answer.headers)


def as_run_answer(answer: Answer) -> Answer:
    """Return what ``RunInstances`` says, of what ``DescribeInstances`` says of one reservation."""
    match = _RESERVATION.search(str(answer.body))
    assert match is not None, answer.body
    inside = f"{_REQUEST}{match[1]}"
    return Answer(
        200, f'{XML}<RunInstancesResponse xmlns="{_NAMESPACE}">{inside}</RunInstancesResponse>'
    )


def page_of(rows: list[T], token: str, size: int) -> tuple[list[T], str]:
    """Return a page of rows and the token of the next one; tokens are numbers of rows."""
    begin = int(token or 0)
    end = begin + size
    return rows[begin:end], str(end) if end < len(rows) else ""
