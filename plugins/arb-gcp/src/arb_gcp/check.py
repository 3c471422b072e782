"""What the credentials may do, and what is missing, with a role to copy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ArbError, CredentialsError, ProviderUnavailable, RateLimited
from arb.types import CheckResult, CheckStatus
from arb_gcp.answers import ApiError
from arb_gcp.client import Client
from arb_gcp.credentials import METADATA
from arb_gcp.metadata import email_of_machine
from arb_gcp.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arb.types import ProviderContext

__all__ = ["PERMISSIONS", "check"]

PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "list": (
        "compute.acceleratorTypes.list",
        "compute.instances.get",
        "compute.instances.list",
        "compute.machineTypes.list",
        "compute.projects.get",
        "compute.zoneOperations.get",
        "compute.zoneOperations.list",
    ),
    "launch": (
        "compute.disks.create",
        "compute.instances.create",
        "compute.instances.setLabels",
        "compute.instances.setMetadata",
        "compute.instances.setTags",
        "compute.subnetworks.use",
        "compute.subnetworks.useExternalIp",
    ),
    "terminate": ("compute.instances.delete",),
    "stop and start": ("compute.instances.start", "compute.instances.stop"),
    "open ports": (
        "compute.firewalls.create",
        "compute.firewalls.delete",
        "compute.firewalls.get",
        "compute.firewalls.list",
        "compute.firewalls.update",
        "compute.globalOperations.get",
        "compute.networks.updatePolicy",
    ),
}
"""What ``arb`` does, and the permissions that it takes."""

_ACT_AS: Final = "iam.serviceAccounts.actAs"
_USE_IMAGE: Final = "compute.images.useReadOnly"
_OF_NETWORKS: Final = (
    "compute.firewalls.",
    "compute.globalOperations.",
    "compute.networks.",
    "compute.subnetworks.",
)
_ROLE: Final = "arbLauncher"
_GPUS: Final = "GPUS_ALL_REGIONS"
_NETWORK_HINT: Final = (
    "run: gcloud compute networks create default, or set provider_options.gcp.network"
)
_BILLING: Final = "v1/services/6F81-5844-456A/skus"


def check(context: ProviderContext) -> CheckResult:
    """Ask for the project, for permissions and for prices; nothing is changed."""
    try:
        settings = Settings.of(context.options)
        client = Client(context, settings)
    except CredentialsError as error:
        absent = error.code == "gcp-no-credentials"
        status = CheckStatus.NOT_CONFIGURED if absent else CheckStatus.REFUSED
        return CheckResult(status, error.summary, hint=error.hint)
    source = client.credentials.source
    if client.credentials.kind == METADATA:
        email = email_of_machine(context, client.http, client.credentials.host)
        client.credentials = replace(client.credentials, info={"client_email": email})
    if not client.project:
        summary = f"{client.credentials.identity} is known, but no project is named"
        hint = "run: gcloud config set project PROJECT"
        return CheckResult(CheckStatus.NOT_CONFIGURED, summary, hint=hint, source=source)
    try:
        project = client.get(f"projects/{client.project}")
    except CredentialsError as error:
        return _refused(client, error)
    except (ProviderUnavailable, RateLimited) as error:
        status = CheckStatus.REFUSED if _is_unknown_project(error) else CheckStatus.UNREACHABLE
        return CheckResult(status, error.summary, hint=error.hint, source=source)
    return _of_project(client, project)


def _of_project(client: Client, project: Mapping[str, Any]) -> CheckResult:
    """Return the result for an account that reaches its project."""
    may, missing, hints = _permissions(client)
    if _has_no_gpus(project):
        missing.append("GPUs: the project's quota GPUS_ALL_REGIONS is 0")
        hints.append("ask for more: https://console.cloud.google.com/iam-admin/quotas")
    if _has_no_network(client):
        missing.append(f"launch: there is no network {client.settings.network!r}")
        hints.append(_NETWORK_HINT)
    try:
        client.get(_BILLING, {"pageSize": 1}, "cloudbilling")
        may.append("live prices")
    except ArbError as error:
        missing.append(f"live prices: {error.summary}")
        hints.append(error.hint or "until then the bundled price list is used")
    return CheckResult(
        CheckStatus.LIMITED if missing else CheckStatus.OK,
        f"{client.credentials.identity} in project {client.project}",
        hint="; ".join(hint for hint in hints if hint),
        may=tuple(may),
        missing=tuple(missing),
        policy=role_of(client),
        source=client.credentials.source,
    )


def _permissions(client: Client) -> tuple[list[str], list[str], list[str]]:
    """Return what the account may do, what it may not, and what to do about it."""
    try:
        granted = {
            (project, permission)
            for project, wanted in _by_project(client).items()
            for permission in _granted(client, project, wanted)
        }
    except ArbError as error:
        told = f"permissions could not be tested ({error.summary})"
        return ["list"], [], [f"{told}; {error.hint}" if error.hint else told]
    may, missing = [], []
    for what in PERMISSIONS:
        needed = _needed(client, what)
        lacking = [p for p in needed if (_home_of(client, p), p) not in granted]
        if lacking:
            missing.append(f"{what}: {', '.join(lacking)}")
        else:
            may.append(what)
    hint = "give the account the least role, which --policy prints"
    return may, missing, [hint] if missing else []


def _granted(client: Client, project: str, wanted: Sequence[str]) -> Sequence[str]:
    path = f"v3/projects/{project}:testIamPermissions"
    answer = client.ask(path, {"permissions": list(wanted)}, "cloudresourcemanager")
    return answer.get("permissions") or ()


def _by_project(client: Client) -> dict[str, list[str]]:
    """Return the permissions that are needed, by the project where they are."""
    needed = sorted({p for what in PERMISSIONS for p in _needed(client, what)})
    projects: dict[str, list[str]] = {}
    for permission in needed:
        projects.setdefault(_home_of(client, permission), []).append(permission)
    return projects


def _home_of(client: Client, permission: str) -> str:
    """Return the project where a permission is needed: of a shared network, for what is about it."""
    is_about_network = permission.startswith(_OF_NETWORKS)
    return (is_about_network and client.settings.network_project) or client.project


def _needed(client: Client, what: str) -> tuple[str, ...]:
    """Return the permissions for one thing with today's settings."""
    needed = PERMISSIONS[what]
    if what == "open ports" and not client.settings.firewall:
        return ()
    if what == "launch" and not client.settings.external_ip:
        needed = tuple(p for p in needed if not p.endswith("useExternalIp"))
    if what == "launch" and client.settings.image:
        needed = (*needed, _USE_IMAGE)
    if what == "launch" and client.settings.service_account:
        needed = (*needed, _ACT_AS)
    return needed


def role_of(client: Client) -> str:
    """Return commands that make the least role, in each project, and give it to the account."""
    email = client.credentials.identity
    kind = "serviceAccount" if email.endswith(".gserviceaccount.com") else "user"
    member = f"{kind}:{email}" if "@" in email else "user:YOU@EXAMPLE.COM"
    projects = _by_project(client)
    lines = []
    for project in sorted(projects, key=lambda name: name != client.project):
        permissions = ",".join(projects[project])
        make = f"gcloud iam roles create {_ROLE} --project {project} --permissions {permissions}"
        give = f"gcloud projects add-iam-policy-binding {project} --member {member}"
        lines += [make, f"{give} --role projects/{project}/roles/{_ROLE}"]
    return "\n".join(lines)


def _refused(client: Client, error: CredentialsError) -> CheckResult:
    return CheckResult(
        CheckStatus.REFUSED,
        error.summary,
        hint=error.hint,
        policy=role_of(client) if error.code == "gcp-forbidden" else "",
        source=client.credentials.source,
    )


def _has_no_gpus(project: Mapping[str, Any]) -> bool:
    quotas = project.get("quotas") or ()
    return any(q.get("metric") == _GPUS and float(q.get("limit") or 0) == 0 for q in quotas)


def _has_no_network(client: Client) -> bool:
    """Say whether the network is known to be missing; the least role may not look at it."""
    path = client.settings.network_path
    whole = path if path.startswith("projects/") else f"projects/{client.project}/{path}"
    try:
        client.get(whole)
    except ApiError as error:
        return error.is_missing and "networks/" in error.fault.message
    except ArbError:
        return False
    return False


def _is_unknown_project(error: ArbError) -> bool:
    return getattr(error, "status", 0) == 404  # noqa: PLR2004 - not found
