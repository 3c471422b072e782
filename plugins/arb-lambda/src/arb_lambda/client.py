"""Calls of the API. Nothing else talks to the network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

from arb.errors import CredentialsError, ProviderUnavailable, RateLimited
from arb_lambda.credentials import SET_UP, ApiKey, find_key
from arb_lambda.errors import Reply, call_error
from arb_lambda.info import API
from arb_lambda.settings import Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    import requests

    from arb.types import ProviderContext

__all__ = ["LambdaClient", "path_of"]

_PREFIX: Final = "/api/v1"
_CONNECT_S: Final = 5.0
_READ_S: Final = 20.0
_LEAST_S: Final = 0.2
"""With less time left nothing is sent."""
_RETRY_AFTER_S: Final = 1.0
_TRIES: Final = 2


class LambdaClient:
    """One hook call's view of the API: its key, its deadline, its connection.

    Args:
        context: Of the hook call.
        settings: Where the API is.
        key: Whose account.
    """

    def __init__(self, context: ProviderContext, settings: Settings, key: ApiKey) -> None:
        import requests

        self.context = context
        self.settings = settings
        self.key = key
        self._session = requests.Session()

    @classmethod
    def open(cls, context: ProviderContext) -> Self:
        """Return a client with the user's key.

        Raises:
            CredentialsError: There is none.
            UsageError: An option is wrong.
        """
        settings, key = read_settings(context), find_key(context.env, context.home)
        if key is None:
            raise CredentialsError("lambda has no API key", code="lambda-no-key", hint=SET_UP)
        return cls(context, settings, key)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, path: str) -> Any:
        """Read something and return its ``data``.

        Raises:
            CredentialsError: The key was refused.
            RateLimited: The budget is used up, or the API says so.
            ProviderUnavailable: No answer, or one that says nothing.
        """
        return self.data(self.read(path), path)

    def read(self, path: str) -> Reply:
        """Read something and return whatever the answer is; one that failed is asked for again.

        Raises:
            RateLimited: The budget is used up, or the API says so and there is no time to wait.
            ProviderUnavailable: No answer after a second try, or no time for one.
        """
        for tries_left in reversed(range(_TRIES)):
            self.acquire(API)
            try:
                return self._good(self.send("GET", path), path)
            except (ProviderUnavailable, RateLimited) as error:
                wait_s = max(_RETRY_AFTER_S, getattr(error, "retry_after_s", 0.0))
                if isinstance(error, RateLimited):
                    self.context.limiter.pause(API, wait_s)  # other processes share the limit
                if not tries_left or self.context.remaining_s() < 4 * wait_s:
                    raise
            self.context.clock.sleep(wait_s)
        raise AssertionError("the last try returns or raises")

    def change(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
    ) -> Reply:
        """Change something, once, and return whatever the answer is; it counts as one call.

        Raises:
            RateLimited: The budget is used up; nothing was sent.
            ProviderUnavailable: As ``send``.
        """
        self.acquire(API)
        return self.send(method, path, body)

    def acquire(self, budget: str) -> None:
        """Wait for a call that the limits allow.

        Raises:
            RateLimited: There is none in time.
        """
        self.context.limiter.acquire(budget, deadline=self.context.deadline)

    def data(self, reply: Reply, what: str) -> Any:
        """Return the ``data`` of a good answer.

        Raises:
            CredentialsError, RateLimited, ProviderUnavailable: It is not good.
        """
        if not reply.is_ok:
            raise call_error(reply, what, self.context.clock.now())
        if not isinstance(reply.body, dict) or "data" not in reply.body:
            raise _unavailable(what, "the answer is of another form")
        return reply.body["data"]

    def rows(self, path: str, *needed: str) -> list[dict[str, Any]]:
        """Read a list of objects, each with some fields that are texts.

        Raises:
            CredentialsError, RateLimited, ProviderUnavailable: As ``get``, or the list is of another
                form: then nothing is known.
        """
        rows = self.get(path)
        if not isinstance(rows, list) or not all(_has(row, needed) for row in rows):
            raise _unavailable(path, "the answer is of another form")
        return rows

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        patience_s: float = _READ_S,
    ) -> Reply:
        """Send one request, once, and return the answer, of any status. It takes no budget.

        Args:
            method: HTTP method.
            path: Below the API's prefix, for instance ``/ssh-keys``.
            body: Sent as JSON.
            patience_s: How long the answer may take, within the deadline.

        Raises:
            ProviderUnavailable: No answer in time, or a 2xx that is no JSON: it may have had its
                effect all the same.
        """
        import requests

        try:
            answer = self._session.request(
                method,
                f"{self.settings.api_url}{_PREFIX}{path}",
                json=body,
                auth=self._authorize,
                timeout=self._timeout(path, patience_s),
                allow_redirects=False,  # the key goes where the user said, and nowhere else
            )
        except requests.RequestException as error:
            # Not chained: the exception holds the whole request, the key included.
            raise _unavailable(path, _why(error)) from None
        return _reply(answer, path)

    def _good(self, reply: Reply, path: str) -> Reply:
        """Return an answer unless it says nothing or "later"."""
        if reply.status >= 500 or reply.status == 429:  # noqa: PLR2004 - HTTP
            raise call_error(reply, path, self.context.clock.now())
        return reply

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the header here, so that no ``.netrc`` replaces it."""
        request.headers["Authorization"] = f"Bearer {self.key.text}"
        return request

    def _timeout(self, path: str, patience_s: float) -> tuple[float, float]:
        left_s = self.context.remaining_s() * 0.9
        if left_s < _LEAST_S:
            raise _unavailable(path, "no time was left to ask")
        return min(_CONNECT_S, left_s), min(patience_s, left_s)


def path_of(collection: str, id_: str) -> str:
    """Return the path of one thing. Ids are texts: nobody says which characters they may have."""
    return f"{collection}/{quote(id_, safe='')}"


def _has(row: object, needed: tuple[str, ...]) -> bool:
    return isinstance(row, dict) and all(isinstance(row.get(name), str) for name in needed)


def _reply(answer: requests.Response, path: str) -> Reply:
    body: Any = None
    if answer.content.strip():
        try:
            body = json.loads(answer.content)
        except ValueError:
            if answer.ok:
                raise _unavailable(path, "the answer is not JSON") from None
    return Reply(answer.status_code, body, dict(answer.headers))


def _unavailable(path: str, why: str) -> ProviderUnavailable:
    return ProviderUnavailable(f"lambda {path}: {why}", code="lambda-unreachable")


def _why(error: requests.RequestException) -> str:
    import requests

    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "the encrypted connection failed"
    if isinstance(error, requests.ConnectionError):
        return "no connection, or it broke"
    return f"the call failed ({type(error).__name__})"
