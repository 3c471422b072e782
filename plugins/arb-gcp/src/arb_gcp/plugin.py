"""Hooks of the Google Cloud provider. Importing this module is free: no SDK, files or network."""

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
        NoticeProbe,
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
    from arb_gcp.info import provider_info

    return provider_info()


@hookimpl
def arb_check(context: ProviderContext) -> CheckResult:
    from arb_gcp.check import check

    return check(context)


@hookimpl
def arb_catalog(context: ProviderContext) -> Catalog:
    from arb_gcp.catalog import read_catalog

    return read_catalog(context)


@hookimpl
def arb_query_prices(context: ProviderContext, offers: Sequence[Offer]) -> pd.DataFrame:
    from arb_gcp.catalog import query_prices

    return query_prices(context, offers)


@hookimpl
def arb_provision(context: ProviderContext, request: ProvisionRequest) -> ProvisionResult:
    from arb_gcp.provision import provision

    return provision(context, request)


@hookimpl
def arb_poll(
    context: ProviderContext, request: ProvisionRequest, handle: str
) -> Sequence[Instance]:
    from arb_gcp.poll import poll

    return poll(context, request, handle)


@hookimpl
def arb_list_instances(context: ProviderContext, query: ListQuery) -> Listing:
    from arb_gcp.listing import list_instances

    return list_instances(context, query)


@hookimpl
def arb_terminate(context: ProviderContext, instance: InstanceRef) -> Termination:
    from arb_gcp.terminate import terminate

    return terminate(context, instance)


@hookimpl
def arb_list_leftovers(context: ProviderContext, owner: str) -> Leftovers:
    from arb_gcp.firewalls import list_leftovers

    return list_leftovers(context, owner)


@hookimpl
def arb_cleanup(context: ProviderContext, cluster: ClusterRef) -> None:
    from arb_gcp.firewalls import cleanup

    cleanup(context, cluster)


@hookimpl
def arb_stop(context: ProviderContext, instances: Sequence[InstanceRef]) -> Sequence[Instance]:
    from arb_gcp.power import stop

    return stop(context, instances)


@hookimpl
def arb_start(context: ProviderContext, instances: Sequence[InstanceRef]) -> Sequence[Instance]:
    from arb_gcp.power import start

    return start(context, instances)


@hookimpl
def arb_ssh_ports(context: ProviderContext, instance: Instance) -> SshEndpoint:
    from arb_gcp.access import ssh_endpoint

    return ssh_endpoint(context, instance)


@hookimpl
def arb_open_ports(context: ProviderContext, cluster: ClusterRef, ports: Sequence[str]) -> None:
    from arb_gcp.firewalls import open_ports

    open_ports(context, cluster, ports)


@hookimpl
def arb_credential_mounts(context: ProviderContext) -> Mapping[str, str]:
    from arb_gcp.access import credential_mounts

    return credential_mounts(context)


@hookimpl
def arb_self_terminate() -> SelfTerminate | None:
    from arb_gcp.access import self_terminate

    return self_terminate()


@hookimpl
def arb_preemption_notice(context: ProviderContext) -> NoticeProbe | None:
    from arb_gcp.access import notice_probe

    return notice_probe(context)
