"""Hooks of the example provider. Importing this module is free: no SDK, no files, no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.hookspecs import hookimpl
from arb.types import (
    Capability,
    CheckResult,
    CheckStatus,
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
        ListQuery,
        ProviderContext,
        ProvisionRequest,
    )

ARB_API = 1


@hookimpl
def arb_provider_info() -> ProviderInfo:
    return ProviderInfo(
        display_name="Example",
        capabilities=frozenset({Capability.ON_DEMAND, Capability.SPOT}),
        peer_network=PeerNetwork.PUBLIC,
        minimum_s=60,
    )


@hookimpl
def arb_check(context: ProviderContext) -> CheckResult:
    from arb_example.cloud import API_KEY

    if API_KEY in context.env:
        return CheckResult(CheckStatus.OK, "example accepts the key", source=API_KEY)
    hint = f"create a key in the console and set {API_KEY}"
    return CheckResult(CheckStatus.NOT_CONFIGURED, "no API key", hint=hint)


@hookimpl
def arb_catalog() -> Catalog:
    from arb_example.catalog import read_catalog

    return read_catalog()


@hookimpl
def arb_provision(context: ProviderContext, request: ProvisionRequest) -> ProvisionResult:
    from arb_example.cloud import Cloud

    cloud = Cloud.from_context(context)
    machines = tuple(cloud.order(setup.token, request.offer) for setup in request.setups)
    return ProvisionResult(machines, account=cloud.account)


@hookimpl
def arb_list_instances(context: ProviderContext, query: ListQuery) -> Listing:
    from arb_example.cloud import Cloud

    return Cloud.from_context(context).listing(query)


@hookimpl
def arb_terminate(context: ProviderContext, instance: InstanceRef) -> Termination:
    from arb_example.cloud import Cloud

    Cloud.from_context(context).end(instance)
    return Termination.GONE


@hookimpl
def arb_ssh_ports(instance: Instance) -> SshEndpoint:
    return SshEndpoint(host=instance.address, user="ubuntu")
