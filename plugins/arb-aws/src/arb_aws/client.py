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
from arb_aws.troubles import SET_UP, refused_on_the_way, trouble_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from arb.types import ProviderContext
    from arb_aws.faults import Fault

__all__ = ["Client"]

_LEAST_S: Final = 0.2
"""With less time left nothing is sent."""
_TRIES: Final = 3
_WHO: Final = "GetCallerIdentity"
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
        self._verdict: Any = None

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
            ProviderUnavailable, RateLimited: What gives them did not answer.
        """
        with self._lock:
            if self._credentials is None:
                self._credentials = self._find_credentials()
            if self._credentials is None:
                summary = "aws has no credentials"
                raise CredentialsError(summary, code="aws-no-credentials", hint=SET_UP)
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
        found = self.credentials()
        try:
            return found.get_frozen_credentials()
        except Exception as error:  # noqa: BLE001 - from files, programs and servers of the user's
            raise self._trouble(error, "aws, asked for keys") from None

    def identity(self) -> Any:
        """Return what STS says of the caller. Raises as ``call``."""
        answer = self.call("sts", "get_caller_identity", self.home_region())
        if not answer["Account"]:
            raise _unreadable(f"aws {_WHO}")
        return answer

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
            operation: botocore's name of the method.
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

        action = "".join(word.capitalize() for word in operation.split("_"))
        what = f"aws {action} in {region}"
        try:
            method = getattr(self._client(service, region, action), operation)
        except Exception as error:  # noqa: BLE001 - of the user's configuration, and ours
            raise self._trouble(error, what) from None
        try:
            answer = method(**parameters)
        except ArbError:
            raise
        except ClientError as error:
            if error.operation_name != action:  # a role, a log-in: keys end and are asked for anew
                raise refused_on_the_way(error) from None
            raise self._refusal(fault_of(error.response, action, region)) from None
        except (BotoCoreError, FileNotFoundError, PermissionError) as error:
            raise self._trouble(error, what) from None
        except Exception:  # noqa: BLE001 - botocore's parsers fail in many ways on what is no answer
            raise _unreadable(what) from None  # they repeat it, and it may repeat what was sent
        if not (answer.get("ResponseMetadata") or {}).get("RequestId"):
            raise _unreadable(what)
        return _Answer(answer, what)

    def _trouble(self, error: Exception, what: str) -> ArbError:
        named = self.settings.profile or self.context.env.get("AWS_PROFILE", "")
        return trouble_of(error, what, named)

    def _client(self, service: str, region: str, action: str) -> Any:
        """Return a client whose time-outs end before the hook's deadline."""
        left = self.context.remaining_s()
        if left < _LEAST_S:
            summary = f"aws {action} in {region}: no time left"
            raise ProviderUnavailable(summary, code="aws-deadline")
        with self._lock:
            client, patience_s = self._clients.get((service, region), (None, 0.0))
            if client is None or patience_s > left:
                self.credentials()
                client = self._session.create_client(service, region_name=region)
                self._clients[service, region] = (client, sum(patience_of(self.context)))
            return client

    def _find_credentials(self) -> Any:
        try:
            found = self._session.get_credentials()
        except Exception as error:  # noqa: BLE001 - from files, programs and servers of the user's
            raise self._trouble(error, "aws, asked for keys") from None
        parsers = self._session.get_component("response_parser_factory")
        parsers.set_parser_defaults(timestamp_parser=str)  # reading dates costs more than the rest
        return found

    def _configured_region(self) -> str | None:
        from botocore.exceptions import BotoCoreError

        try:
            region: str | None = self._session.get_config_variable("region")
        except BotoCoreError:
            return None
        return region

    def _refusal(self, fault: Fault) -> ArbError:
        """Return what a refusal is; ``AuthFailure`` may be the account's trouble or the region's."""
        if fault.code != "AuthFailure":
            return error_of(fault)
        if fault.action != _WHO and self._is_known():
            return RegionOff(fault)
        summary = "aws refused the credentials: AuthFailure"
        return CredentialsError(summary, code="aws-credentials-refused", hint=SET_UP)

    def _is_known(self) -> bool:
        """Return True when the account is good elsewhere. Raises what is wrong with it, each time."""
        with self._lock:
            if self._verdict is None:
                try:
                    self._verdict = self.identity()
                except CredentialsError as error:
                    self._verdict = error
        if isinstance(self._verdict, CredentialsError):
            raise self._verdict
        return True


class _Answer(dict[str, Any]):
    """An answer. What it does not hold and must is no empty list: then it cannot be read.

    Args:
        said: As botocore read it.
        what: Was asked.
    """

    def __init__(self, said: Mapping[str, Any], what: str) -> None:
        super().__init__(said)
        self._what = what

    def __missing__(self, key: str) -> Any:
        raise _unreadable(self._what)


def _unreadable(what: str) -> ProviderUnavailable:
    summary = f"{what}: the answer cannot be read"
    hint = "something between this computer and AWS may answer instead, for instance a log-in page"
    return ProviderUnavailable(summary, code="aws-unreadable", hint=hint)


def _wait_s(error: ArbError, number: int) -> float:
    """Return how long to wait before the next try."""
    asked = float(getattr(error, "retry_after_s", 0.0))
    return max(asked, 2.0 ** (number - 1) * random.uniform(0.2, 0.5))  # noqa: S311 - no secret
