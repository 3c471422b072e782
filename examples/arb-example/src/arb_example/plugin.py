"""Hooks of the example provider. Importing this module is free: no SDK, no files, no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.errors import CredentialsError, ProviderUnavailable, RateLimited, Refusal
from arb.hookspecs import hookimpl
from arb.types import (
    Capability,
    CheckResult,
    CheckStatus,
    ListQuery,
    PeerNetwork,
    ProviderInfo,
    ProvisionResult,
    SshEndpoint,
    Termination,
)

if TYPE_CHECKING:
    from arb.types import (
        Catalog,
        Instance,
        InstanceRef,
        Listing,
        ProviderContext,
        ProvisionRequest,
    )

ARB_API = 1
LISTING_LAG_S = 10


@hookimpl
def arb_provider_info() -> ProviderInfo:
    return ProviderInfo(
        display_name="Example",
        capabilities=frozenset({Capability.ON_DEMAND, Capability.SPOT}),
        peer_network=PeerNetwork.PUBLIC,
        minimum_s=60,
        listing_lag_s=LISTING_LAG_S,
    )


@hookimpl
def arb_check(context: ProviderContext) -> CheckResult:
    from arb_example.cloud import API_KEY, Cloud

    try:
        cloud = Cloud.from_context(context)
        cloud.listing(ListQuery())  # any call that needs the key and changes nothing
    except CredentialsError as error:
        refused = error.code == "example-key-refused"
        status = CheckStatus.REFUSED if refused else CheckStatus.NOT_CONFIGURED
        return CheckResult(status, error.summary, hint=error.hint)
    except (ProviderUnavailable, RateLimited) as error:
        return CheckResult(CheckStatus.UNREACHABLE, error.summary)
    return CheckResult(CheckStatus.OK, f"account {cloud.account}", source=API_KEY)


@hookimpl
def arb_catalog() -> Catalog:
    from arb_example.catalog import read_catalog

    return read_catalog()


@hookimpl
def arb_provision(context: ProviderContext, request: ProvisionRequest) -> ProvisionResult:
    from arb_example.cloud import Cloud

    cloud = Cloud.from_context(context)
    made: list[Instance] = []
    try:
        for setup in request.setups:
            made.append(cloud.order(setup, request.offer))  # noqa: PERF401 - kept when one fails
    except Refusal as refusal:
        refusal.made = tuple(made)  # the part of the gang that exists: the core gives it back
        raise
    return ProvisionResult(tuple(made), account=cloud.account)


@hookimpl
def arb_list_instances(context: ProviderContext, query: ListQuery) -> Listing:
    from arb_example.cloud import Cloud

    return Cloud.from_context(context).listing(query)


@hookimpl
def arb_terminate(context: ProviderContext, instance: InstanceRef) -> Termination:
    from arb_example.cloud import Cloud

    cloud = Cloud.from_context(context)
    found = cloud.end(instance)
    if not found and cloud.now < instance.made_at + LISTING_LAG_S:
        return Termination.PENDING  # it may have been made and not be shown yet
    return Termination.GONE


@hookimpl
def arb_ssh_ports(instance: Instance) -> SshEndpoint:
    return SshEndpoint(host=instance.address, user="ubuntu")
