"""HTTP calls to Google's APIs: time-outs, tokens, retries of reads."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any, Final

from arb.errors import CredentialsError, ProviderUnavailable, RateLimited
from arb_gcp.answers import ApiError, ServerError
from arb_gcp.calls import Call, body_of, error_of
from arb_gcp.credentials import METADATA, need_credentials, project_of, quota_project_of
from arb_gcp.metadata import project_of_machine
from arb_gcp.settings import APIS, Settings
from arb_gcp.tokens import drop_token, get_token

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import requests

    from arb.types import ProviderContext

__all__ = ["Bearer", "Client"]

_CONNECT_S: Final = 5.0
_ANSWER_S: Final = 30.0
_SHARE: Final = 0.9
"""Of what is left of a hook's time: the rest is for telling that there was no answer."""
_LEAST_S: Final = 0.2
_ENOUGH_S: Final = 5.0
"""With less time left a change whose answer is lost is not sent again."""
_TRIES: Final = 3
_NOT_UNDERSTOOD: Final = 400
_UNAUTHORIZED: Final = 401
_NARROWING: Final = frozenset({"fields", "filter", "orderBy"})
"""Query parameters without which a list says the same, and more."""
_OVERRIDE: Final = "CLOUDSDK_API_ENDPOINT_OVERRIDES_"


class Client:
    """One hook call's way to the APIs. Its threads may share it.

    Args:
        context: Of the hook call.
        settings: Checked options.

    Attributes:
        credentials: Whose calls these are.
        project: Where to buy; empty when nothing names one.
        http: The connections.

    Raises:
        CredentialsError: There are no credentials.
    """

    def __init__(self, context: ProviderContext, settings: Settings) -> None:
        import requests

        self.context = context
        self.settings = settings
        self.credentials = need_credentials(context, settings)
        self.http = requests.Session()
        self.project = project_of(context, settings, self.credentials)
        if not self.project and self.credentials.kind == METADATA:
            self.project = project_of_machine(context, self.http, self.credentials.host)
        self._lock = threading.Lock()
        self._token = ""

    @classmethod
    def from_context(cls, context: ProviderContext) -> Client:
        """Return a client for one hook call that needs a project.

        Raises:
            UsageError: An option is wrong.
            CredentialsError: There are no credentials, or nothing names a project.
        """
        client = cls(context, Settings.of(context.options))
        if not client.project:
            hint = "run: gcloud config set project PROJECT, or set the option project"
            raise CredentialsError("gcp has no project", code="gcp-no-project", hint=hint)
        return client

    # -- calls ---------------------------------------------------------------------------------

    def get(self, path: str, params: Mapping[str, Any] | None = None, api: str = "compute") -> Any:
        """Read something; repeated when the network or the server has trouble.

        Args:
            path: Below the API's address.
            params: Query; None values are left out.
            api: A name out of ``APIS``.

        Raises:
            ApiError: A 4xx that depends on what was asked: 400, 404, 409, ...
            CredentialsError: The account was refused, the API is off, or billing is.
            RateLimited: Too many calls.
            ProviderUnavailable: No answer, or a 5xx, also after some tries.
        """
        return self._repeated(Call("GET", path, api, params or {}))

    def operation(self, path: str) -> Mapping[str, Any]:
        """Read an operation; one that is not known any more ended long ago. Raises as ``get``."""
        try:
            said: Mapping[str, Any] = self.get(path)
        except ApiError as error:
            if not error.is_missing:
                raise
            return {"status": "DONE"}
        return said

    def ask(self, path: str, body: object, api: str) -> Any:
        """Read something that takes a body; as ``get``."""
        return self._repeated(Call("POST", path, api, body=body))

    def post(
        self,
        path: str,
        body: object = None,
        params: Mapping[str, Any] | None = None,
        secrets: Iterable[str] = (),
        *,
        is_known: bool = False,
    ) -> Any:
        """Change something. Raises as ``get``, and ``ProviderUnavailable`` tells nothing.

        Args:
            path: Below the API's address.
            body: What to send.
            params: Query.
            secrets: Parts of the body that no error may repeat.
            is_known: Google knows it again, by its name or ``requestId``, so that it is sent once
                more while no answer tells what came of it.
        """
        call = Call("POST", path, params=params or {}, body=body, secrets=secrets)
        return self._sent_again(call) if is_known else self._once(call)

    def patch(self, path: str, body: object) -> Any:
        """Change something; as ``post``."""
        return self._once(Call("PATCH", path, body=body))

    def delete(self, path: str) -> Any:
        """Remove something; as ``post``, and sent again while no answer tells what came of it."""
        return self._sent_again(Call("DELETE", path))

    def pages(
        self, path: str, params: Mapping[str, Any] | None = None, api: str = "compute"
    ) -> Iterator[Any]:
        """Read every page of a list, or those from a ``pageToken`` on. Raises as ``get``.

        A server that does not understand how the list is narrowed is asked for all of it, so whoever
        narrows it looks at every item all the same.
        """
        asked = dict(params or {})
        while True:
            try:
                page = self.get(path, asked, api)
            except ApiError as error:
                if error.status != _NOT_UNDERSTOOD or not _NARROWING & asked.keys():
                    raise
                asked = {name: value for name, value in asked.items() if name not in _NARROWING}
                continue
            yield page
            asked["pageToken"] = page.get("nextPageToken")
            if not asked["pageToken"]:
                return

    def aggregated(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """Read every page of a list over all zones; a zone that is silent is told in the answer.

        That is so by itself since the API's version of November 2026. An older one fails as a whole
        unless it is told not to; the newer one does not know the parameter. Raises as ``get``.
        """
        pages = self.pages(path, params)
        try:
            first = next(pages)
        except ServerError as error:
            pages = self.pages(path, {**(params or {}), "returnPartialSuccess": "true"})
            try:
                first = next(pages)
            except ApiError:
                raise error from None
        yield first
        yield from pages

    def token(self) -> str:
        """Return an access token. Raises as ``get_token``."""
        with self._lock:
            if not self._token:
                self._token = get_token(self.context, self.credentials, self.http).value
            return self._token

    def address(self, api: str) -> str:
        """Return the address of an API: the option, gcloud's variable, or Google's own."""
        named = self.settings.endpoints.get(api) or self.context.env.get(_OVERRIDE + api.upper())
        return f"{named.rstrip('/')}/" if named else APIS[api]

    # -- how -----------------------------------------------------------------------------------

    def _repeated(self, call: Call) -> Any:
        for number in range(1, _TRIES + 1):
            try:
                return self._once(call)
            except (RateLimited, ProviderUnavailable) as error:
                wait = _wait_s(error, number)
                is_last = isinstance(error, ApiError) or number == _TRIES
                if is_last or wait + 1 > self.context.remaining_s():
                    raise
                self.context.clock.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _sent_again(self, call: Call) -> Any:
        """Send a change until an answer tells what came of it, some times at most."""
        for number in range(1, _TRIES + 1):
            try:
                return self._once(call)
            except ProviderUnavailable as error:
                wait = _wait_s(error, number)
                is_last = isinstance(error, ApiError) or number == _TRIES
                if is_last or wait + _ENOUGH_S > self.context.remaining_s():
                    raise
                self.context.clock.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _once(self, call: Call) -> Any:
        answer = self._send(call)
        if answer.status_code == _UNAUTHORIZED and self._forget_token():
            answer = self._send(call)  # a 401 did nothing
        if answer.ok:
            return _json(answer, call)
        raise error_of(answer, call, self.credentials.identity, self.project)

    def _send(self, call: Call) -> requests.Response:
        import requests

        left = self.context.remaining_s() * _SHARE
        if left < _LEAST_S:
            raise ProviderUnavailable(f"gcp {call}: no time left", code="gcp-deadline")
        token = self.token()
        try:
            return self.http.request(
                call.method,
                self.address(call.api) + call.path,
                params={k: v for k, v in call.params.items() if v is not None},
                json=call.body,
                auth=Bearer(token, quota_project_of(self.context, self.credentials)),
                timeout=(min(_CONNECT_S, left), min(_ANSWER_S, left)),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            summary = f"gcp {call}: no answer ({type(error).__name__})"
            raise ProviderUnavailable(summary, code="gcp-unreachable") from error

    def _forget_token(self) -> bool:
        """Drop a token that was refused; say whether another one may do better."""
        with self._lock:
            had, self._token = self._token, ""
        drop_token(self.context, self.credentials)
        return bool(had)


class Bearer:
    """Puts a token on a request, or none; as ``auth=`` it wins over a ``.netrc`` of the user."""

    def __init__(self, token: str, quota_project: str = "") -> None:
        self._token, self._quota_project = token, quota_project

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return the request, signed."""
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        if self._quota_project:
            request.headers["X-Goog-User-Project"] = self._quota_project
        return request


def _wait_s(error: Exception, number: int) -> float:
    """Return how long to wait before the next try."""
    asked = float(getattr(error, "retry_after_s", 0))
    return max(asked, 2.0 ** (number - 1) * random.uniform(0.2, 0.5))  # noqa: S311 - no secret


def _json(answer: requests.Response, call: Call) -> Any:
    body = body_of(answer)
    if not isinstance(body, dict):
        summary = f"gcp {call}: the answer is not JSON"
        raise ProviderUnavailable(summary, code="gcp-unreadable")
    return body
