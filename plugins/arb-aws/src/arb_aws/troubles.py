"""Errors that come from botocore and not from AWS: set-ups that do not work, and no answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ArbError, CredentialsError, ProviderUnavailable, RateLimited
from arb_aws.faults import ApiError, ServerError, error_of, fault_of

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

__all__ = ["SET_UP", "refused_on_the_way", "trouble_of"]

SET_UP: Final = (
    "run: aws configure, or aws configure sso; or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)
_MEND: Final = "mend ~/.aws/config, ~/.aws/credentials or the AWS_ variables of the environment"
_ENDED: Final = frozenset({"NoAuthTokenError", "TokenRetrievalError", "UnauthorizedSSOTokenError"})
_TOLD: Final = frozenset(
    {
        "ConfigNotFound",
        "ConfigParseError",
        "EndpointVariantError",
        "InfiniteLoopConfigError",
        "InvalidConfigError",
        "InvalidDefaultsMode",
        "InvalidIMDSEndpointError",
        "InvalidIMDSEndpointModeError",
        "InvalidProxiesConfigError",
        "InvalidRegionError",
        "InvalidRetryModeError",
        "InvalidSTSRegionalEndpointsConfigError",
        "MissingDependencyException",
        "PartialCredentialsError",
        "ProfileNotFound",
        "UnknownCredentialError",
        "UnknownRegionError",
    }
)
"""Faults of a configuration whose words name settings and files, and nothing secret."""
_UNTOLD: Final = frozenset(
    {
        "CredentialRetrievalError",
        "MetadataRetrievalError",
        "NoCredentialsError",
        "RefreshWithMFAUnsupportedError",
    }
)
"""Those that repeat what a program or a server said."""
_WAYS: Final = {
    "ProxyConnectionError": "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY",
    "SSLError": "check AWS_CA_BUNDLE and this computer's clock",
    "ConnectTimeoutError": "check the network, and HTTPS_PROXY where a proxy is needed",
    "EndpointConnectionError": "check the network, the region (AWS_REGION) and AWS_ENDPOINT_URL",
}
"""What to look at where there is no way to AWS."""
_OF_ROLES: Final = re.compile(
    "RoleArn|RoleSessionName|WebIdentityToken|ExternalId|accountId|roleName"
)
"""Parameters of calls that a profile asks for."""
_USER: Final = re.compile("//[^/@]*@")
"""A user and a password in an address."""
_LONGEST: Final = 300


def trouble_of(error: Exception, what: str, profile: str = "") -> ArbError:
    """Return what an error means that is no answer of AWS's.

    Args:
        error: Of botocore, or of a file or a program that the user's configuration names.
        what: Was being done, for instance ``aws RunInstances in us-east-1``.
        profile: Of the user's configuration; empty for the default one.
    """
    from botocore import exceptions as botos

    name = type(error).__name__
    if isinstance(error, ArbError):
        return error
    if isinstance(error, botos.ClientError):
        return refused_on_the_way(error)
    if isinstance(error, botos.ParamValidationError) and _OF_ROLES.search(str(error)):
        return _unusable(error)
    if isinstance(error, botos.SSOError | botos.LoginError) or name in _ENDED:
        return _ended(error, profile)
    if isinstance(error, botos.BotoCoreError) and name not in _TOLD | _UNTOLD:
        return _no_answer(error, what)  # also on the way to a log-in or a role
    return _unusable(error)


def refused_on_the_way(error: ClientError) -> ArbError:
    """Return what it means that a log-in or a role was refused, with which a call was to be signed."""
    action = str(error.operation_name)
    found = error_of(fault_of(error.response, action, "its region"))
    if isinstance(found, RateLimited | ServerError):
        return found
    code = str((error.response.get("Error") or {}).get("Code") or "no code")
    summary = f"aws refused {action}, which the profile asks for: {code}"
    hint = (
        "check role_arn, source_profile and external_id of the profile, and who may take the role"
    )
    if action == "GetRoleCredentials":
        hint = "run: aws sso login; and check sso_account_id and sso_role_name of the profile"
    is_known = isinstance(found, CredentialsError | ApiError)
    return CredentialsError(summary, code="aws-role-refused", hint=hint if is_known else _MEND)


def _no_answer(error: Exception, what: str) -> ProviderUnavailable:
    """Return no answer, with the address where there was no way to one."""
    name = type(error).__name__
    url = str(_facts(error).get("endpoint_url") or "") if name in _WAYS else ""
    where = f" at {_USER.sub('//', url)}" if url else ""
    summary = f"{what}: no answer{where} ({name})"
    hint = next(
        (_WAYS[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in _WAYS), ""
    )
    return ProviderUnavailable(summary, code="aws-unreachable", hint=hint)


def _ended(error: Exception, profile: str) -> CredentialsError:
    """Return that there is no log-in any more."""
    command = "aws login" if type(error).__name__.startswith("Login") else "aws sso login"
    named = f" --profile {profile}" if profile not in {"", "default"} else ""
    summary = "aws: the log-in of the profile has ended, or there was none"
    return CredentialsError(summary, code="aws-login-ended", hint=f"run: {command}{named}")


def _unusable(error: Exception) -> CredentialsError:
    """Return that a configuration gives no credentials. What a program printed is not repeated."""
    name = type(error).__name__
    told = ": ".join(filter(None, (str(_facts(error).get("provider") or ""), name)))
    if name in {*_TOLD, "ParamValidationError"} or (
        isinstance(error, ValueError) and str(error).startswith("Invalid end")
    ):
        told = " ".join(str(error).split())[:_LONGEST].rstrip(".")
    elif isinstance(error, OSError):
        told = f"{error.strerror or name}: {error.filename or 'a file that it names'}"
    if name == "ProfileNotFound":
        hint = "set AWS_PROFILE or provider_options.aws.profile to one of ~/.aws/config"
        return CredentialsError(f"aws: {told}", code="aws-no-profile", hint=hint)
    summary = f"aws: the configuration of AWS cannot be used ({told})"
    return CredentialsError(summary, code="aws-credentials-unusable", hint=_MEND)


def _facts(error: Exception) -> dict[str, Any]:
    """Return what botocore formatted an error's text with."""
    return getattr(error, "kwargs", None) or {}
