"""Calls of AWS's APIs. Nothing else talks to the network."""

from __future__ import annotations

import hashlib
import random
import threading
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ArbError, CredentialsError, ProviderUnavailable, RateLimited
from arb_aws.accounts import known_account, remember_account
from arb_aws.faults import ApiError, RegionOff, error_of, fault_of
from arb_aws.session import HOME_REGION, file_of, make_session, patience_of
from arb_aws.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from arb.types import ProviderContext

__all__ = ["Client"]

_LEAST_S: Final = 0.2
"""With less time left nothing is sent."""
_TRIES: Final = 3
_SET_UP: Final = (
    "run: aws configure, or aws configure sso; or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)
_SOURCES: Final = {
    "env": "AWS_ACCESS_KEY_ID",
    "container-role": "the container's role",
    "iam-role": "this machine's role",
    "assume-role-with-web-identity": "a role with a web identity token",
}


class Client:
    """One hook call's way to AWS: its credentials, its deadline, its connections.

    Safe to use from several threads.

    Args:
        context: Of the hook call.
        settings: Checked options.
    """

    def __init__(self, context: ProviderContext, settings: Settings) -> None:
        self.context = context
        self.settings = settings
        self._session = make_session(context, settings)
        self._lock = threading.RLock()
        self._clients: dict[tuple[str, str], tuple[Any, float]] = {}
        self._credentials: Any = None
        self._account = ""
        self._is_good: bool | None = None

    @classmethod
    def from_context(cls, context: ProviderContext) -> Client:
        """Return a client of the user's account.

        Raises:
            CredentialsError: There are no credentials.
            UsageError: An option is wrong.
        """
        client = cls(context, Settings.of(context.options))
        client.credentials()
        return client

    # -- whose ---------------------------------------------------------------------------------

    def credentials(self) -> Any:
        """Return botocore's credentials.

        Raises:
            CredentialsError: There are none, or they cannot be had.
        """
        with self._lock:
            if self._credentials is None:
                self._credentials = self._find_credentials()
            if self._credentials is None:
                summary = "aws has no credentials"
                raise CredentialsError(summary, code="aws-no-credentials", hint=_SET_UP)
            return self._credentials

    def source(self) -> str:
        """Say where the credentials were found, for people."""
        method = str(self.credentials().method)
        if method == "shared-credentials-file":
            return str(file_of(self.context, "credentials_file"))
        if method in _SOURCES:
            return _SOURCES[method]
        return f"{file_of(self.context, 'config_file')} ({method})"

    def account(self) -> str:
        """Return the account's number. A key belongs to one account for good, so it is asked once.

        Raises:
            ArbError: As ``call``.
        """
        with self._lock:
            if not self._account:
                key = self.read_keys().access_key
                digest = hashlib.sha256(key.encode()).hexdigest()
                self._account = known_account(self.context, digest)
                if not self._account:
                    self._account = str(self.identity()["Account"])
                    remember_account(self.context, digest, self._account)
            return self._account

    def read_keys(self) -> Any:
        """Return the keys in force now. Raises as ``credentials``."""
        from botocore.exceptions import BotoCoreError

        try:
            return self.credentials().get_frozen_credentials()
        except BotoCoreError as error:
            raise _no_credentials(error) from None

    def identity(self) -> Any:
        """Return what STS says of the caller. Raises as ``call``."""
        return self.call("sts", "get_caller_identity", self.home_region())

    def home_region(self) -> str:
        """Return the region that is asked what is the same everywhere."""
        env = self.context.env
        named = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION")
        of_profile = None if named else self._configured_region()
        return named or of_profile or next(iter(self.settings.regions), HOME_REGION)

    # -- calls ---------------------------------------------------------------------------------

    def call(
        self,
        service: str,
        operation: str,
        region: str,
        *,
        repeat: bool = True,
        passing: Collection[str] = (),
        **parameters: Any,
    ) -> Any:
        """Call one operation and return the answer as botocore reads it; times stay texts.

        Args:
            service: botocore's name, for instance ``ec2``.
            operation: boto3's name of the method.
            region: Where.
            repeat: Try again when AWS fails, does not answer or asks to wait. False sends it once.
            passing: Codes of refusals that pass by themselves within seconds; they are waited out.
            parameters: Of the operation.

        Raises:
            CredentialsError: The account was refused, or may not do this.
            RateLimited: AWS says so, still after some tries.
            ApiError: AWS said no for another reason.
            ProviderUnavailable: No answer, or one that says nothing.
        """
        for number in range(1, _TRIES + 1):
            try:
                return self._once(service, operation, region, parameters)
            except (RateLimited, ProviderUnavailable) as error:
                is_passing = isinstance(error, ApiError) and error.fault.code in passing
                may_repeat = is_passing or (repeat and not isinstance(error, ApiError))
                wait_s = float(number) if is_passing else _wait_s(error, number)
                too_late = wait_s + 1 > self.context.remaining_s()
                if number == _TRIES or not may_repeat or too_late:
                    raise
                self.context.clock.sleep(wait_s)
        raise AssertionError("the last try returns or raises")

    def pages(self, service: str, operation: str, region: str, **parameters: Any) -> Iterator[Any]:
        """Read every page of an answer. Raises as ``call``."""
        while True:
            page = self.call(service, operation, region, **parameters)
            yield page
            token = page.get("NextToken")
            if not token:
                return
            parameters["NextToken"] = token

    # -- how -----------------------------------------------------------------------------------

    def _once(self, service: str, operation: str, region: str, parameters: dict[str, Any]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        action = "".join(word.capitalize() for word in operation.split("_"))
        method = getattr(self._client(service, region, action), operation)
        try:
            answer = method(**parameters)
        except ClientError as error:
            raise self._refusal(fault_of(error.response, action, region)) from None
        except ArbError:
            raise
        except (BotoCoreError, ResponseParserError, ValueError) as error:
            raise _no_answer(error, f"aws {action} in {region}") from None
        if not (answer.get("ResponseMetadata") or {}).get("RequestId"):
            summary = f"aws {action} in {region}: the answer cannot be read"
            raise ProviderUnavailable(summary, code="aws-unreadable")
        return answer

    def _client(self, service: str, region: str, action: str) -> Any:
        """Return a boto3 client whose time-outs end before the hook's deadline."""
        left = self.context.remaining_s()
        if left < _LEAST_S:
            summary = f"aws {action} in {region}: no time left"
            raise ProviderUnavailable(summary, code="aws-deadline")
        with self._lock:
            client, patience_s = self._clients.get((service, region), (None, 0.0))
            if client is None or patience_s > left:
                self.credentials()
                client = self._session.client(service, region_name=region)
                self._clients[service, region] = (client, sum(patience_of(self.context)))
            return client

    def _find_credentials(self) -> Any:
        from botocore.exceptions import BotoCoreError

        try:
            found = self._session.get_credentials()
        except BotoCoreError as error:
            raise _no_credentials(error) from None
        parsers = self._session._session.get_component("response_parser_factory")  # noqa: SLF001 - boto3 has no way to it
        parsers.set_parser_defaults(timestamp_parser=str)  # reading dates costs more than the rest
        return found

    def _configured_region(self) -> str | None:
        from botocore.exceptions import BotoCoreError

        try:
            region: str | None = self._session.region_name
        except BotoCoreError:
            return None
        return region

    def _refusal(self, fault: Any) -> ArbError:
        """Return what a refusal is; ``AuthFailure`` may be the account's trouble or the region's."""
        if fault.code != "AuthFailure":
            return error_of(fault)
        with self._lock:
            if self._is_good is None:
                self._is_good = self._is_known()
        if self._is_good:
            return RegionOff(fault)
        summary = "aws refused the credentials: AuthFailure"
        return CredentialsError(summary, code="aws-credentials-refused", hint=_SET_UP)

    def _is_known(self) -> bool:
        try:
            self.identity()
        except CredentialsError:
            return False
        return True


def _wait_s(error: ArbError, number: int) -> float:
    """Return how long to wait before the next try."""
    asked = float(getattr(error, "retry_after_s", 0.0))
    return max(asked, 2.0 ** (number - 1) * random.uniform(0.2, 0.5))  # noqa: S311 - no secret


def _no_answer(error: Exception, what: str) -> ArbError:
    """Return what an error of botocore's own means. Its text may repeat an answer: it is not told."""
    from botocore import exceptions as botos

    if isinstance(error, (botos.NoCredentialsError, *_credential_errors())):
        return _no_credentials(error)
    if isinstance(error, botos.ParamValidationError | botos.UnknownParameterError):
        summary = f"{what}: a parameter is wrong ({type(error).__name__})"
        return ProviderUnavailable(summary, code="aws-parameter")
    summary = f"{what}: no answer ({type(error).__name__})"
    return ProviderUnavailable(summary, code="aws-unreachable")


def _credential_errors() -> tuple[type[Exception], ...]:
    from botocore import exceptions as botos

    return (
        botos.PartialCredentialsError,
        botos.CredentialRetrievalError,
        botos.UnauthorizedSSOTokenError,
        botos.TokenRetrievalError,
        botos.ProfileNotFound,
        botos.InvalidConfigError,
    )


def _no_credentials(error: Exception) -> CredentialsError:
    """Return why the credentials that are configured cannot be had."""
    name = type(error).__name__
    if "SSO" in name or "Token" in name:
        summary = "aws: the log-in of the profile has ended"
        return CredentialsError(summary, code="aws-login-ended", hint="run: aws sso login")
    if name == "ProfileNotFound":
        return CredentialsError(f"aws: {error}", code="aws-no-profile", hint=_SET_UP)
    summary = f"aws: the credentials that are configured cannot be used ({name})"
    return CredentialsError(summary, code="aws-credentials-unusable", hint=_SET_UP)
