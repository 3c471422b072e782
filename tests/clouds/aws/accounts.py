"""Who may call: two accounts, each with a key, and what was taken from them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from clouds.aws.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Collection

    from clouds.aws.calls import AwsCall

__all__ = ["OTHER_KEY", "OWN_KEY", "SECRET", "Accounts"]

OWN_KEY = "AKIAOWNKEYOFTESTS001"
OTHER_KEY = "AKIAOTHERKEYOFTEST02"
SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYzTestsOnly01"
SESSION_KEY = "AKIAIOSFODNN7EXAMPLE"
"""What moto's STS gives to everybody."""

_NUMBERS = itertools.count(100_000_000_001)
_REFUSALS = {
    "ec2": ("AuthFailure", "AWS was not able to validate the provided access credentials", 401),
    "sts": ("InvalidClientTokenId", "The security token included in the request is invalid.", 403),
    "s3": ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist.", 403),
}
_JSON_REFUSAL = (
    "UnrecognizedClientException", "The security token included in the request is invalid.", 400,
)  # fmt: skip
_CLOSED = "with an explicit deny in a service control policy"
_ENCODED = "Encoded authorization failure message: " + "aBcDeF0123456789" * 20


class Accounts:
    """Keys and permissions. Each cloud has account numbers of its own, and so moto's own backends."""

    def __init__(self) -> None:
        self.own, self.other = (str(next(_NUMBERS)) for _ in range(2))
        self._of_key = {OWN_KEY: self.own, OTHER_KEY: self.other, SESSION_KEY: self.own}
        self.denied: dict[str, str] = {}
        """Action with its service, for instance ``ec2:RunInstances`` -> why."""

    def signed(self, call: AwsCall) -> AwsCall:
        """Return a call with the account whose key signed it.

        Raises:
            Refused: Nobody's key.
        """
        if call.key not in self._of_key:
            raise Refused(*_REFUSALS.get(call.service, _JSON_REFUSAL))
        return replace(call, account=self._of_key[call.key])

    def check(self, call: AwsCall, closed: Collection[str] = ()) -> None:
        """Refuse what the account may not, and everything of EC2 in regions that are closed.

        Raises:
            Refused: It may not.
        """
        prefix = {"service-quotas": "servicequotas"}.get(call.service, call.service)
        action = f"{prefix}:{call.action}"
        is_closed = call.service == "ec2" and call.region in closed
        if action not in self.denied and not is_closed:
            return
        who = f"User: arn:aws:iam::{call.account}:user/tests is not authorized to perform: {action}"
        why = _CLOSED if is_closed else self.denied[action]
        if call.service == "ec2":
            told = f"You are not authorized to perform this operation. {who} {why}. {_ENCODED}"
            raise Refused("UnauthorizedOperation", told, 403)
        if call.service in {"sts", "s3"}:
            raise Refused("AccessDenied", f"{who} {why}", 403)
        raise Refused("AccessDeniedException", f"{who} {why}")

    @staticmethod
    def identity(call: AwsCall) -> str:
        """Return the arn of a caller."""
        return f"arn:aws:iam::{call.account}:user/tests"
