"""Hooks of the local provider. Importing this module is free: no files, no network, no server."""

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
    from arb_local.info import provider_info

    return provider_info()


@hookimpl
def arb_check(context: ProviderContext) -> CheckResult:
    from arb_local.info import check

    return check(context)


@hookimpl
def arb_catalog(context: ProviderContext) -> Catalog:
    from arb_local.offers import read_catalog

    return read_catalog(context)


@hookimpl
def arb_query_prices(context: ProviderContext, offers: Sequence[Offer]) -> pd.DataFrame:
    from arb_local.offers import read_prices

    return read_prices(context, offers)


@hookimpl
def arb_provision(context: ProviderContext, request: ProvisionRequest) -> ProvisionResult:
    from arb_local.purchase import provision

    return provision(context, request)


@hookimpl
def arb_list_instances(context: ProviderContext, query: ListQuery) -> Listing:
    from arb_local.purchase import list_instances

    return list_instances(context, query)


@hookimpl
def arb_terminate(context: ProviderContext, instance: InstanceRef) -> Termination:
    from arb_local.purchase import terminate

    return terminate(context, instance)


@hookimpl
def arb_cleanup() -> None:
    """Do nothing: a node's folder goes with the node, and nothing else is ever made."""


@hookimpl
def arb_stop(context: ProviderContext, instances: Sequence[InstanceRef]) -> Sequence[Instance]:
    from arb_local.purchase import stop

    return stop(context, instances)


@hookimpl
def arb_start(context: ProviderContext, instances: Sequence[InstanceRef]) -> Sequence[Instance]:
    from arb_local.purchase import start

    return start(context, instances)


@hookimpl
def arb_ssh_ports(instance: Instance) -> SshEndpoint:
    from arb_local.access import ssh_endpoint

    return ssh_endpoint(instance)


@hookimpl
def arb_open_ports() -> None:
    """Do nothing: every port of a node can be reached from this machine, and from no other."""


@hookimpl
def arb_credential_mounts() -> Mapping[str, str]:
    return {}


@hookimpl
def arb_self_terminate(context: ProviderContext, instance: InstanceRef) -> SelfTerminate | None:
    from arb_local.access import self_terminate

    return self_terminate(context, instance)


@hookimpl
def arb_preemption_notice() -> NoticeProbe | None:
    from arb_local.access import notice_probe

    return notice_probe()
