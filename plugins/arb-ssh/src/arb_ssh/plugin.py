"""Hooks of the provider of one's own machines. Importing this module is free: no SSH, no files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from arb.types import (
        Catalog,
        CheckResult,
        Instance,
        InstanceRef,
        Listing,
        ListQuery,
        Offer,
        ProviderContext,
        ProviderInfo,
        ProvisionRequest,
        ProvisionResult,
        SshEndpoint,
        Termination,
    )

ARB_API = 1


@hookimpl
def arb_provider_info() -> ProviderInfo:
    from arb_ssh.info import provider_info

    return provider_info()


@hookimpl
def arb_check(context: ProviderContext) -> CheckResult:
    from arb_ssh.check import check

    return check(context)


@hookimpl
def arb_catalog(context: ProviderContext) -> Catalog:
    from arb_ssh.catalog import read_catalog

    return read_catalog(context)


@hookimpl
def arb_query_prices(context: ProviderContext, offers: Sequence[Offer]) -> pd.DataFrame:
    from arb_ssh.catalog import read_prices

    return read_prices(context, offers)


@hookimpl
def arb_provision(context: ProviderContext, request: ProvisionRequest) -> ProvisionResult:
    from arb_ssh.provision import provision

    return provision(context, request)


@hookimpl
def arb_list_instances(context: ProviderContext, query: ListQuery) -> Listing:
    from arb_ssh.listing import list_instances

    return list_instances(context, query)


@hookimpl
def arb_terminate(context: ProviderContext, instance: InstanceRef) -> Termination:
    from arb_ssh.terminate import terminate

    return terminate(context, instance)


@hookimpl
def arb_ssh_ports(context: ProviderContext, instance: Instance) -> SshEndpoint:
    from arb_ssh.listing import ssh_endpoint

    return ssh_endpoint(context, instance)


@hookimpl
def arb_credential_mounts() -> Mapping[str, str]:
    return {}
