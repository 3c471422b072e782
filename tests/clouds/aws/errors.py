"""Refusals as each service writes them."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

from clouds.http import Answer

__all__ = ["XML", "Refused", "ec2_xml"]

XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_REQUEST = "00000000-0000-4000-8000-000000000001"


class Refused(Exception):
    """A call is refused.

    Attributes:
        code: AWS's own.
        status: HTTP status.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status

    def answer(self, service: str) -> Answer:
        """Return it in the form of a service's protocol."""
        if service == "ec2":
            return Answer(self.status, ec2_xml(self.code, self.message))
        if service == "sts":
            inside = f"<Type>Sender</Type><Code>{self.code}</Code><Message>{escape(self.message)}</Message>"
            body = f"<ErrorResponse><Error>{inside}</Error><RequestId>{_REQUEST}</RequestId></ErrorResponse>"
            return Answer(self.status, XML + body)
        if service == "s3":
            return Answer(self.status, f"{XML}<Error><Code>{self.code}</Code></Error>")
        body = json.dumps({"__type": self.code, "message": self.message})
        return Answer(self.status, body, {"x-amzn-RequestId": _REQUEST})


def ec2_xml(code: str, message: str) -> str:
    """Return EC2's document of an error."""
    error = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return f"{XML}<Response><Errors>{error}</Errors><RequestID>{_REQUEST}</RequestID></Response>"
