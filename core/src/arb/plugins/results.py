"""What hooks returned: the right type, with the provider's name put where it belongs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeGuard, TypeVar

from arb.errors import ArbError, ProviderUnavailable, RateLimited, Refusal, Scope
from arb.plugins.frames import (
    CATALOG_COLUMNS,
    OPTIONAL_COLUMNS,
    PRICE_COLUMNS,
    WrongResult,
    check_frame,
)
from arb.types import (
    Catalog,
    CheckResult,
    CheckStatus,
    Instance,
    InstanceState,
    Leftovers,
    Listing,
    NoticeProbe,
    ProviderInfo,
    ProvisionResult,
    SelfTerminate,
    SshEndpoint,
    StoreRemote,
    Termination,
)

__all__ = ["WrongResult", "check_error", "checked", "is_sound", "own_instances"]

T = TypeVar("T")
_SOURCES: Final = ("live", "bundled")
_WORD: Final = re.compile(r"(?!-)[A-Za-z0-9_.:@%+\\-]*")
"""What stands for itself in a command and in an SSH configuration."""
_INSTANCE_TEXTS: Final = ("region", "token", "zone", "address", "private_address", "payload")


def checked(hook: str, value: object, provider: str) -> Any:
    """Return a hook's result as the core uses it: sequences are tuples, instances carry the id.

    Args:
        hook: Which hook returned it.
        value: What it returned.
        provider: The provider's id, which replaces whatever its instances claim.

    Raises:
        WrongResult: It is not what the specification says.
    """
    try:
        return _CHECKS[hook](value, provider)
    except WrongResult:
        raise
    except Exception as error:  # the plugin's own classes may do anything when they are read
        raise WrongResult(f"returned {_kind(value)} that cannot be read") from error


def own_instances(value: object, provider: str) -> tuple[Instance, ...]:
    """Return instances as a tuple, with their provider's id.

    Raises:
        WrongResult: It is not a sequence of instances.
    """
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping):
        raise WrongResult(f"returned {_kind(value)}, not a sequence of Instance")
    return tuple(_own(item, provider) for item in value)


def check_error(error: ArbError, provider: str) -> None:
    """Check an error that a plugin raised: what it carries is used as results are.

    The machines of a refusal get the provider's id.

    Raises:
        WrongResult: It is not as its class says; the text goes after the name of the class.
    """
    texts = {name: getattr(error, name) for name in ("summary", "code", "hint")}
    for name, value in texts.items():
        if not _is_text(value):
            raise WrongResult(f"whose {name} is {_kind(value)}")
    if not error.summary:
        raise WrongResult("without a summary")
    if isinstance(error, RateLimited) and not _is_number(getattr(error, "retry_after_s", None)):
        raise WrongResult("without retry_after_s")
    is_scoped = isinstance(error, Refusal | ProviderUnavailable)
    if is_scoped and not isinstance(getattr(error, "scope", None), Scope):
        raise WrongResult("without a scope")
    if isinstance(error, Refusal):
        try:
            error.made = own_instances(error.made, provider)
        except WrongResult:
            raise WrongResult("whose made are no Instances") from None


def is_sound(error: BaseException, provider: str = "") -> TypeGuard[ArbError]:
    """Say whether something raised is an error of the contract that can be used as one."""
    if not isinstance(error, ArbError):
        return False
    try:
        check_error(error, provider)
    except WrongResult:
        return False
    return True


def _own(item: object, provider: str) -> Instance:
    instance = _is(Instance)(item, provider)
    if not isinstance(instance.state, InstanceState):
        raise WrongResult(f"returned an Instance whose state is {_kind(instance.state)}")
    if not (_is_text(instance.id) and instance.id):
        raise WrongResult("returned an Instance without an id")
    for field in _INSTANCE_TEXTS:
        if not _is_text(getattr(instance, field)):
            raise WrongResult(
                f"returned an Instance whose {field} is {_kind(getattr(instance, field))}"
            )
    return instance if instance.provider == provider else replace(instance, provider=provider)


def _is(kind: type[T]) -> Callable[[object, str], T]:
    """Return a check for one class, and nothing inside it."""

    def check(value: object, provider: str) -> T:  # noqa: ARG001 - the signature of all checks
        if not isinstance(value, kind):
            raise WrongResult(f"returned {_kind(value)}, not {kind.__name__}")
        return value

    return check


def _is_or_none(kind: type[T]) -> Callable[[object, str], T | None]:
    """Return a check for one class where None is an answer too."""

    def check(value: object, provider: str) -> T | None:
        return None if value is None else _is(kind)(value, provider)

    return check


def _nothing(value: object, provider: str) -> None:  # noqa: ARG001 - as above
    if value is not None:
        raise WrongResult(f"returned {_kind(value)}, not None")


def _info(value: object, provider: str) -> ProviderInfo:
    info = _is(ProviderInfo)(value, provider)
    if not isinstance(info.capabilities, frozenset):
        raise WrongResult(f"returned {_kind(info.capabilities)} as capabilities, not a frozenset")
    for hook, seconds in _mapping(info.hook_budgets_s, "hook_budgets_s").items():
        if hook not in _CHECKS or not _is_number(seconds) or not seconds > 0:
            raise WrongResult(f"returned the budget {hook}={seconds!r}")
    _mapping(info.options, "options")
    _mapping(info.rate_budgets, "rate_budgets")
    return info


def _check_result(value: object, provider: str) -> CheckResult:
    result = _is(CheckResult)(value, provider)
    if not isinstance(result.status, CheckStatus):
        raise WrongResult(f"returned {_kind(result.status)} as status, not CheckStatus")
    return result


def _catalog(value: object, provider: str) -> Catalog:
    catalog = _is(Catalog)(value, provider)
    if catalog.source not in _SOURCES:
        raise WrongResult(f"returned the source {catalog.source!r}, not live or bundled")
    if not _is_number(catalog.as_of):
        raise WrongResult(f"returned {_kind(catalog.as_of)} as as_of, not seconds")
    check_frame(catalog.frame, CATALOG_COLUMNS, OPTIONAL_COLUMNS)
    return catalog


def _prices(value: object, provider: str) -> Any:  # noqa: ARG001 - as above
    check_frame(value, PRICE_COLUMNS)
    return value


def _provisioned(value: object, provider: str) -> ProvisionResult:
    result = _is(ProvisionResult)(value, provider)
    for field in ("handle", "account"):
        if not _is_text(getattr(result, field)):
            raise WrongResult(f"returned {_kind(getattr(result, field))} as {field}, not text")
    notes: object = result.notes
    if not (isinstance(notes, tuple | list) and all(map(_is_text, notes))):
        raise WrongResult("returned notes that are no texts")
    instances = own_instances(result.instances, provider)
    return replace(result, instances=instances, notes=tuple(notes))


def _listing(value: object, provider: str) -> Listing:
    listing = _is(Listing)(value, provider)
    complete: object = listing.complete
    if isinstance(complete, str) or not isinstance(complete, Iterable):
        raise WrongResult(f"returned {_kind(complete)} as complete, not a set of regions")
    _mapping(listing.errors, "errors")
    if not _is_text(listing.account):
        raise WrongResult(f"returned {_kind(listing.account)} as account, not text")
    instances = own_instances(listing.instances, provider)
    return replace(listing, instances=instances, complete=frozenset(complete))


def _leftovers(value: object, provider: str) -> Leftovers:
    found = _is(Leftovers)(value, provider)
    tokens: object = found.tokens
    if isinstance(tokens, str) or not isinstance(tokens, Iterable):
        raise WrongResult(f"returned {_kind(tokens)} as tokens, not a set of texts")
    if not all(map(_is_text, found.tokens)):
        raise WrongResult("returned tokens that are no texts")
    _mapping(found.errors, "errors")
    if not _is_text(found.account):
        raise WrongResult(f"returned {_kind(found.account)} as account, not text")
    return replace(found, tokens=frozenset(found.tokens))


def _termination(value: object, provider: str) -> Termination:
    result = _is(Termination)(value, provider)
    if not (_is_flag(result.gone) and _is_number(result.retry_after_s)):
        raise WrongResult("returned a Termination whose gone or retry_after_s has a wrong type")
    return result


def _endpoint(value: object, provider: str) -> SshEndpoint:
    endpoint = _is(SshEndpoint)(value, provider)
    if not (_is_text(endpoint.host) and endpoint.host and _is_text(endpoint.user)):
        raise WrongResult("returned an SshEndpoint without a host or a user")
    for name, word in (("host", endpoint.host), ("user", endpoint.user)):
        if not _WORD.fullmatch(word):
            raise WrongResult(f"returned an SshEndpoint with the {name} {word!r}")
    if not (_is_number(endpoint.port) and 0 < endpoint.port < 65536):  # noqa: PLR2004 - TCP
        raise WrongResult(f"returned an SshEndpoint with the port {endpoint.port!r}")
    if not _is_text(endpoint.host_key):
        raise WrongResult(f"returned {_kind(endpoint.host_key)} as host_key, not text")
    return endpoint


def _mounts(value: object, provider: str) -> dict[str, str]:  # noqa: ARG001 - as above
    found = _mapping(value, "")
    if not all(isinstance(k, str) and isinstance(v, str) for k, v in found.items()):
        raise WrongResult("returned a mapping that is not of text to text")
    return dict(found)


def _mapping(value: object, name: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise WrongResult(f"returned {_kind(value)}{' as ' + name if name else ''}, not a mapping")
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


_CHECKS: Final[dict[str, Callable[[object, str], Any]]] = {
    "arb_provider_info": _info,
    "arb_check": _check_result,
    "arb_catalog": _catalog,
    "arb_query_prices": _prices,
    "arb_provision": _provisioned,
    "arb_poll": own_instances,
    "arb_list_instances": _listing,
    "arb_terminate": _termination,
    "arb_list_leftovers": _leftovers,
    "arb_cleanup": _nothing,
    "arb_stop": own_instances,
    "arb_start": own_instances,
    "arb_ssh_ports": _endpoint,
    "arb_open_ports": _nothing,
    "arb_credential_mounts": _mounts,
    "arb_self_terminate": _is_or_none(SelfTerminate),
    "arb_preemption_notice": _is_or_none(NoticeProbe),
    "arb_store_config": _is(StoreRemote),
}
