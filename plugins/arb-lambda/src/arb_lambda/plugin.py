"""Hooks of the Lambda provider. Importing this module is free: no HTTP, no files, no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from arb.types import (
        Catalog,
        CheckResult,
        ClusterRef,
        Instance,
        InstanceRef,
        Leftovers,
        Listing,
        ListQuery,
        Offer,
        ProviderContext,
        ProviderInfo,
        ProvisionRequest,
        ProvisionResult,
        SelfTerminate,
        SshEndpoint,
        Termination,
    )

ARB_API = 1


@hookimpl
def arb_provider_info() -> ProviderInfo:
    from arb_lambda.info import provider_info

    return provider_info()


@hookimpl
def arb_check(context: ProviderContext) -> CheckResult:
    from arb_lambda.check import check

    return check(context)


@hookimpl
def arb_catalog(context: ProviderContext) -> Catalog:
    from arb_lambda.catalog import read_catalog

    return read_catalog(context)


@hookimpl
def arb_query_prices(context: ProviderContext, offers: Sequence[Offer]) -> pd.DataFrame:
    from arb_lambda.catalog import read_prices

    return read_prices(context, offers)


@hookimpl
def arb_provision(context: ProviderContext, request: ProvisionRequest) -> ProvisionResult:
    from arb_lambda.provision import provision

    return provision(context, request)


@hookimpl
def arb_list_instances(context: ProviderContext, query: ListQuery) -> Listing:
    from arb_lambda.listing import list_instances

    return list_instances(context, query)


@hookimpl
def arb_terminate(context: ProviderContext, instance: InstanceRef) -> Termination:
    from arb_lambda.terminate import terminate

    return terminate(context, instance)


@hookimpl
def arb_list_leftovers(context: ProviderContext, owner: str) -> Leftovers:
    from arb_lambda.rulesets import list_leftovers

    return list_leftovers(context, owner)


@hookimpl
def arb_cleanup(context: ProviderContext, cluster: ClusterRef) -> None:
    from arb_lambda.rulesets import clean_up

    clean_up(context, cluster)


@hookimpl
def arb_ssh_ports(context: ProviderContext, instance: Instance) -> SshEndpoint:
    from arb_lambda.access import ssh_endpoint

    return ssh_endpoint(context, instance)


@hookimpl
def arb_open_ports(context: ProviderContext, cluster: ClusterRef, ports: Sequence[str]) -> None:
    from arb_lambda.rulesets import open_ports

    open_ports(context, cluster, ports)


@hookimpl
def arb_credential_mounts(context: ProviderContext) -> Mapping[str, str]:
    from arb_lambda.access import credential_mounts

    return credential_mounts(context)


@hookimpl
def arb_self_terminate(context: ProviderContext, instance: InstanceRef) -> SelfTerminate | None:
    from arb_lambda.access import self_terminate

    return self_terminate(context, instance)
