"""Calls of the API. Nothing else talks to the network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Self

from arb.errors import CredentialsError, ProviderUnavailable
from arb_spheron.credentials import SET_UP, ApiKey, find_key
from arb_spheron.errors import Reply, call_error
from arb_spheron.info import READ
from arb_spheron.settings import Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    import requests

    from arb.types import ProviderContext

__all__ = ["SpheronClient"]

_CONNECT_S: Final = 5.0
_READ_S: Final = 20.0
_LEAST_S: Final = 0.2
"""With less time left nothing is sent."""
_RETRY_AFTER_S: Final = 1.0
_TRIES: Final = 2


class SpheronClient:
    """One hook call's view of the API: its key, its deadline, its connection.

    Args:
        context: Of the hook call.
        settings: Where the API is.
        key: None asks as anybody may.
    """

    def __init__(self, context: ProviderContext, settings: Settings, key: ApiKey | None) -> None:
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
        client = cls.open_public(context)
        if client.key is None:
            client.close()
            summary = "spheron has no API key"
            raise CredentialsError(summary, code="spheron-no-key", hint=SET_UP)
        return client

    @classmethod
    def open_public(cls, context: ProviderContext) -> Self:
        """Return a client with the user's key if there is one."""
        return cls(context, read_settings(context), find_key(context.env, context.home))

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Read something. A read costs one of the shared budget; one that failed is tried again.

        Raises:
            CredentialsError: The key was refused.
            RateLimited: The budget is used up, or the API says so.
            ProviderUnavailable: No answer, or one that says nothing.
        """
        return self.good(self.read(path, query), path)

    def good(self, reply: Reply, path: str) -> Any:
        """Return what a good answer holds.

        Raises:
            CredentialsError, RateLimited, ProviderUnavailable: It is none.
        """
        if not reply.is_ok:
            raise call_error(reply, path, self.context.clock.now())
        return reply.body

    def read(self, path: str, query: Mapping[str, str] | None = None) -> Reply:
        """Read something and return whatever the answer is, server errors aside.

        Raises:
            RateLimited: The budget is used up.
            ProviderUnavailable: No answer after a second try, or no time for one.
        """
        for tries_left in reversed(range(_TRIES)):
            self.context.limiter.acquire(READ, deadline=self.context.deadline)
            try:
                reply = self.send("GET", path, query=query)
                if reply.status < 500:  # noqa: PLR2004 - HTTP
                    return reply
                raise call_error(reply, path, self.context.clock.now())
            except ProviderUnavailable:
                if not tries_left or self.context.remaining_s() < 4 * _RETRY_AFTER_S:
                    raise
            self.context.clock.sleep(_RETRY_AFTER_S)
        raise AssertionError("the last try returns or raises")

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        patience_s: float = _READ_S,
    ) -> Reply:
        """Send one request, once, and return the answer, of any status.

        Args:
            method: HTTP method.
            path: For instance ``/api/balance``.
            query: Parameters of the address.
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
                self.settings.api_url + path,
                params=query,
                json=body,
                auth=self._authorize,
                timeout=self._timeout(path, patience_s),
                allow_redirects=False,  # the key goes where the user said, and nowhere else
            )
        except requests.RequestException as error:
            # Not chained: the exception holds the whole request, the key included.
            raise _unavailable(path, _why(error)) from None
        return self._reply(answer, path)

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the header here, so that no ``.netrc`` replaces it."""
        if self.key is not None:
            request.headers["Authorization"] = f"Bearer {self.key.text}"
        return request

    def _timeout(self, path: str, patience_s: float) -> tuple[float, float]:
        left_s = self.context.remaining_s() * 0.9
        if left_s < _LEAST_S:
            raise _unavailable(path, "no time was left to ask")
        return min(_CONNECT_S, left_s), min(patience_s, left_s)

    def _reply(self, answer: requests.Response, path: str) -> Reply:
        body: Any = None if answer.ok else ""
        if answer.content.strip():
            try:
                body = json.loads(answer.content)
            except ValueError:
                if answer.ok:
                    raise _unavailable(path, "the answer is not JSON") from None
                body = _plain(answer.content)
        return Reply(answer.status_code, body, answer.headers)


def _plain(content: bytes) -> str | None:
    """Return a refusal that is told in plain words; None for a page of a proxy."""
    text = content.decode(errors="replace").strip()
    return None if text.startswith("<") else text


def _unavailable(path: str, why: str) -> ProviderUnavailable:
    return ProviderUnavailable(f"spheron {path}: {why}", code="spheron-unreachable")


def _why(error: requests.RequestException) -> str:
    import requests

    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "the encrypted connection failed"
    if isinstance(error, requests.ConnectionError):
        return "no connection, or it broke"
    return f"the call failed ({type(error).__name__})"
