"""HTTP calls to Google's APIs: time-outs, tokens, retries of reads, and what a refusal means."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any, Final

from arb.errors import CredentialsError, ProviderUnavailable, RateLimited
from arb_gcp.answers import ApiError, ServerError, fault_of_answer
from arb_gcp.credentials import need_credentials, project_of
from arb_gcp.settings import APIS, Settings
from arb_gcp.tokens import drop_token, get_token

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests

    from arb.types import ProviderContext
    from arb_gcp.answers import Fault

__all__ = ["Bearer", "Client"]

_CONNECT_S: Final = 5.0
_ANSWER_S: Final = 30.0
_LEAST_S: Final = 0.2
_TRIES: Final = 3
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
_LIMITED: Final = frozenset(
    {"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED", "concurrentLimitExceeded"}
)
_API_OFF: Final = frozenset({"accessNotConfigured", "SERVICE_DISABLED"})
_BILLING_OFF: Final = frozenset({"BILLING_DISABLED", "billingNotEnabled", "UREQ_PROJECT_BILLING"})
_JUDGED: Final = frozenset({"quotaExceeded", "QUOTA_EXCEEDED", "limitExceeded"})
"""Refusals with status 403 that say nothing of the account."""
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
        self.project = project_of(context, settings, self.credentials)
        self.http = requests.Session()
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
            hint = "run: gcloud config set project PROJECT, or: arb config set provider_options.gcp.project PROJECT"
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
        return self._repeated("GET", path, params, None, api)

    def ask(self, path: str, body: object, api: str) -> Any:
        """Read something that takes a body; as ``get``."""
        return self._repeated("POST", path, None, body, api)

    def post(self, path: str, body: object = None, params: Mapping[str, Any] | None = None) -> Any:
        """Change something; sent once. Raises as ``get``, and ``ProviderUnavailable`` tells nothing."""
        return self._once("POST", path, params, body, "compute")

    def patch(self, path: str, body: object) -> Any:
        """Change something; as ``post``."""
        return self._once("PATCH", path, None, body, "compute")

    def delete(self, path: str) -> Any:
        """Remove something; as ``post``."""
        return self._once("DELETE", path, None, None, "compute")

    def pages(
        self, path: str, params: Mapping[str, Any] | None = None, api: str = "compute"
    ) -> Iterator[Any]:
        """Read every page of a list, or those from a ``pageToken`` on. Raises as ``get``."""
        asked = dict(params or {})
        while True:
            page = self.get(path, asked, api)
            yield page
            asked["pageToken"] = page.get("nextPageToken")
            if not asked["pageToken"]:
                return

    def aggregated(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """Read every page of a list over all zones; a zone that is silent is told in the answer.

        That is so by itself since the API's version of November 2026. An older one fails as a whole
        unless it is told not to; the newer one does not know the parameter. Raises as ``get``.
        """
        asked = dict(params or {})
        try:
            first = self.get(path, asked)
        except ServerError as error:
            asked |= {"returnPartialSuccess": "true"}
            try:
                first = self.get(path, asked)
            except ApiError:
                raise error from None
        yield first
        if token := first.get("nextPageToken"):
            yield from self.pages(path, {**asked, "pageToken": token})

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

    def _repeated(
        self, method: str, path: str, params: Mapping[str, Any] | None, body: object, api: str
    ) -> Any:
        for number in range(1, _TRIES + 1):
            try:
                return self._once(method, path, params, body, api)
            except (RateLimited, ProviderUnavailable) as error:
                wait = _wait_s(error, number)
                is_last = isinstance(error, ApiError) or number == _TRIES
                if is_last or wait + 1 > self.context.remaining_s():
                    raise
                self.context.clock.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _once(
        self, method: str, path: str, params: Mapping[str, Any] | None, body: object, api: str
    ) -> Any:
        what = f"{method} {path.partition('?')[0]}"
        answer = self._send(method, path, params, body, api)
        if answer.status_code == _UNAUTHORIZED and self._forget_token():
            answer = self._send(method, path, params, body, api)  # a 401 did nothing
        if answer.ok:
            return _json(answer, what)
        raise self._error(answer, what)

    def _send(
        self, method: str, path: str, params: Mapping[str, Any] | None, body: object, api: str
    ) -> requests.Response:
        import requests

        left = self.context.remaining_s()
        if left < _LEAST_S:
            raise ProviderUnavailable(f"gcp {method} {path}: no time left", code="gcp-deadline")
        token = self.token()
        try:
            return self.http.request(
                method,
                self.address(api) + path,
                params={k: v for k, v in (params or {}).items() if v is not None},
                json=body,
                auth=Bearer(token, self.credentials.quota_project),
                timeout=(min(_CONNECT_S, left), min(_ANSWER_S, left)),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            summary = f"gcp {method} {path}: no answer ({type(error).__name__})"
            raise ProviderUnavailable(summary, code="gcp-unreachable") from error

    def _forget_token(self) -> bool:
        """Drop a token that was refused; say whether another one may do better."""
        with self._lock:
            had, self._token = self._token, ""
        drop_token(self.context, self.credentials)
        return bool(had)

    def _error(self, answer: requests.Response, what: str) -> Exception:
        status = answer.status_code
        fault = fault_of_answer(status, _body(answer))
        if status == _TOO_MANY or fault.code in _LIMITED:
            wait = _retry_after_s(answer)
            return RateLimited(f"gcp {what}: {fault.message}", retry_after_s=wait)
        if status in {_UNAUTHORIZED, _FORBIDDEN}:
            return self._refused(status, fault, what)
        if status < _SERVER_ERROR:
            return ApiError(what, status, fault)
        if fault.code and fault.code not in {"backendError", "internalError"}:
            return ApiError(what, status, fault)  # a stock-out comes as 503
        return ServerError(f"gcp {what}: HTTP {status}", code="gcp-unreachable")

    def _refused(self, status: int, fault: Fault, what: str) -> Exception:
        if fault.code in _JUDGED or fault.metric or "location" in fault.message.lower():
            return ApiError(what, status, fault)
        said = fault.message or f"HTTP {status}"
        if status == _UNAUTHORIZED:
            summary = f"gcp refused the token of {self.credentials.identity}: {said}"
            hint = "run: gcloud auth application-default login, or make a new key"
            return CredentialsError(summary, code="gcp-credentials-refused", hint=hint)
        if fault.code in _API_OFF:
            service = fault.service or "compute.googleapis.com"
            hint = f"run: gcloud services enable {service} --project {self.project}"
            return CredentialsError(f"gcp: {service} is off", code="gcp-api-off", hint=hint)
        if fault.code in _BILLING_OFF or "billing" in said.lower():
            hint = f"link a billing account: https://console.cloud.google.com/billing/linkedaccount?project={self.project}"
            summary = f"gcp: billing is off for project {self.project}"
            return CredentialsError(summary, code="gcp-billing-off", hint=hint)
        hint = "run: arb check gcp, which prints the least role"
        summary = f"gcp: {self.credentials.identity} may not {what}: {said}"
        return CredentialsError(summary, code="gcp-forbidden", hint=hint)


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


def _retry_after_s(answer: requests.Response) -> float:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 5.0


def _json(answer: requests.Response, what: str) -> Any:
    body = _body(answer)
    if not isinstance(body, dict):
        summary = f"gcp {what}: the answer is not JSON"
        raise ProviderUnavailable(summary, code="gcp-unreadable")
    return body


def _body(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None
