"""Security groups: one for an attempt, named and tagged with its token, removed with its cluster."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ArbError, CredentialsError, ProviderUnavailable, QuotaError, Scope
from arb_aws.accounts import need_account
from arb_aws.client import Client
from arb_aws.faults import ApiError, is_closed
from arb_aws.handles import Handle
from arb_aws.regions import enabled_regions
from arb_aws.tags import MOST_VALUES, TOKEN, tag_list, tags_of
from arb_aws.threads import side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from arb.types import ClusterRef, ProviderContext, ProvisionRequest

__all__ = ["NEW_GROUP", "cleanup", "drop_group", "ensure_group", "open_ports"]

NEW_GROUP: Final = frozenset({"InvalidGroup.NotFound"})
"""What EC2 may say of a group for some seconds after it was made."""
_EVERYWHERE: Final = "0.0.0.0/0"
_DUPLICATE: Final = "InvalidPermission.Duplicate"
_LIMITS: Final = frozenset({"RulesPerSecurityGroupLimitExceeded", "SecurityGroupLimitExceeded"})
_IN_USE: Final = frozenset(
    {"DependencyViolation", "IncorrectState", "InvalidGroup.InUse", "ResourceInUse", "VolumeInUse"}
)
_NOT_FOUND: Final = frozenset({"InvalidGroup.NotFound", "InvalidVolume.NotFound"})


def ensure_group(client: Client, request: ProvisionRequest, vpc: str) -> str:
    """Return the id of the attempt's security group, made unless it is there, with its rules.

    It lets in SSH from where the user allows it, the task's ports from everywhere, and everything
    between machines of the group.

    Raises:
        ApiError: EC2 refused it.
        ArbError: As ``Client.call``.
    """
    region = request.offer.region
    try:
        tags = {"ResourceType": "security-group", "Tags": tag_list(tags_of(request))}
        made = client.call(
            "ec2",
            "create_security_group",
            region,
            GroupName=request.token,
            Description="made by arb; it goes with its cluster",
            VpcId=vpc,
            TagSpecifications=[tags],
        )
        group = str(made["GroupId"])
    except ApiError as error:
        if error.fault.code != "InvalidGroup.Duplicate":
            raise
        group = _made_before(client, request, vpc)
    try:
        _allow(client, region, group, _rules(client, group, request.ports))
    except (ApiError, CredentialsError):  # a refusal says that nothing was made
        drop_group(client, region, group)
        raise
    return group


def _made_before(client: Client, request: ProvisionRequest, vpc: str) -> str:
    """Return the id of an attempt's group that was made by a call whose answer was lost.

    Raises:
        ProviderUnavailable: It is not shown yet, some seconds later neither.
    """
    named = {"group-name": [request.token], "vpc-id": [vpc]}
    for wait_s in (1.0, 2.0, 4.0, 0.0):
        for group in _groups(client, request.offer.region, named):
            return str(group["GroupId"])
        client.context.clock.sleep(wait_s if wait_s + 1 < client.context.remaining_s() else 0.0)
    summary = f"aws: security group {request.token} was made and is not shown yet"
    raise ProviderUnavailable(summary, code="aws-no-group")


def drop_group(client: Client, region: str, group: str) -> None:
    """Remove the group of an order that made nothing; what fails here is tried by ``cleanup``."""
    with contextlib.suppress(ArbError):
        client.call("ec2", "delete_security_group", region, repeat=False, GroupId=group)


def open_ports(context: ProviderContext, cluster: ClusterRef, ports: Sequence[str]) -> None:
    """Let the world reach more ports of a cluster's machines, beside those it may reach already.

    Raises:
        QuotaError: No more rules.
        ProviderUnavailable: The cluster's security group is not there (any more).
        ArbError: As ``Client.call``.
    """
    client = Client.from_context(context)
    if not ports:
        return
    groups = [
        (region, str(group["GroupId"]))
        for region in sorted(cluster.regions)
        for group in _groups(client, region, {}, cluster.tokens)
    ]
    if not groups:
        summary = f"aws: cluster {cluster.name} has no security group"
        raise ProviderUnavailable(summary, code="aws-no-group")
    for region, group in groups:
        try:
            _allow(client, region, group, [_tcp(port, _EVERYWHERE) for port in ports])
        except ApiError as error:
            if error.fault.code in _LIMITS:
                scope, hint = Scope.REGION, "ask for more: https://console.aws.amazon.com/vpc/home"
                raise QuotaError(error.summary, scope=scope, code="aws-quota", hint=hint) from error
            raise


def cleanup(context: ProviderContext, cluster: ClusterRef) -> None:
    """Remove security groups and left-over disks of a cluster's attempts.

    An attempt whose handle is missing (it was refused, or its answer was lost) may have been made in
    any region: then all are looked through but those that the organization closed.

    Raises:
        CredentialsError: The account was refused, or is another one.
        ProviderUnavailable: Something is left, or still in use; called again later.
        ArbError: As ``Client.call``.
    """
    try:
        client = Client.from_context(context)
        need_account(client, cluster.account, f"cluster {cluster.name}")
        known, others = _regions_of(client, cluster)
    except CredentialsError:
        if cluster.account or any(cluster.handles):
            raise
        return  # an account that is refused made nothing
    regions = [*sorted(known), *sorted(others - known)]
    outcomes = side_by_side(lambda region: _clean(client, region, cluster.tokens), regions)
    for region, outcome in zip(regions, outcomes, strict=True):
        may_pass = is_closed(outcome) and region not in known and not all(map(is_closed, outcomes))
        if isinstance(outcome, Exception) and not may_pass:
            raise outcome


def _regions_of(client: Client, cluster: ClusterRef) -> tuple[set[str], set[str]]:
    """Return the regions that something was made in for sure, and those where it may have been."""
    handles = [Handle.of(text) for text in cluster.handles]
    known = {handle.region for handle in handles if handle.region} | cluster.regions
    if all(handle.region for handle in handles) and len(handles) >= len(cluster.tokens):
        return known, set()
    return known, set(enabled_regions(client))


def _clean(client: Client, region: str, tokens: Sequence[str]) -> None:
    for group in list(_groups(client, region, {}, tokens)):
        _remove(client, region, "delete_security_group", GroupId=group["GroupId"])
    for some in _some(tokens):
        wanted = _filters({f"tag:{TOKEN}": some, "status": ["available"]})
        pages = client.pages("ec2", "describe_volumes", region, Filters=wanted)
        for volume in [volume for page in pages for volume in page["Volumes"]]:
            _remove(client, region, "delete_volume", VolumeId=volume["VolumeId"])


def _remove(client: Client, region: str, operation: str, **what: Any) -> None:
    """Remove one thing; one that is not there is removed."""
    try:
        client.call("ec2", operation, region, **what)
    except ApiError as error:
        if error.fault.code in _NOT_FOUND:
            return
        if error.fault.code in _IN_USE:
            named = next(iter(what.values()))
            summary = f"aws: {named} in {region} is still in use"
            raise ProviderUnavailable(summary, code="aws-in-use") from error
        raise


def _groups(
    client: Client, region: str, wanted: dict[str, list[str]], tokens: Sequence[str] = ()
) -> Iterator[Any]:
    """Yield the groups that fulfil filters and, where there are tokens, carry one of them."""
    for some in _some(tokens) if tokens else ([],):
        filters = _filters({**wanted, **({f"tag:{TOKEN}": some} if some else {})})
        for page in client.pages("ec2", "describe_security_groups", region, Filters=filters):
            yield from page["SecurityGroups"]


def _some(tokens: Sequence[str]) -> Iterator[list[str]]:
    """Yield tokens in parts: a long walk makes more attempts than a filter takes values."""
    for begin in range(0, len(tokens), MOST_VALUES):
        yield list(tokens[begin : begin + MOST_VALUES])


def _filters(wanted: dict[str, list[str]]) -> list[dict[str, Any]]:
    return [{"Name": name, "Values": values} for name, values in wanted.items()]


def _rules(client: Client, group: str, ports: Iterable[str]) -> list[dict[str, Any]]:
    settings = client.settings
    ssh = [_tcp(str(settings.ssh_port), source) for source in settings.ssh_source_ranges]
    peers = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}
    return [*ssh, peers, *(_tcp(port, _EVERYWHERE) for port in ports)]


def _tcp(port: str, source: str) -> dict[str, Any]:
    first, _, last = port.partition("-")
    of_kind = {"Ipv6Ranges": [{"CidrIpv6": source}]} if ":" in source else {}
    ranges = of_kind or {"IpRanges": [{"CidrIp": source}]}
    return {
        "IpProtocol": "tcp",
        "FromPort": int(first),
        "ToPort": int(last or first),
        **ranges,
    }


def _allow(client: Client, region: str, group: str, rules: Sequence[dict[str, Any]]) -> None:
    """Let traffic in. One rule that is there already refuses all, so then each is sent alone."""
    try:
        _authorize(client, region, group, rules)
    except ApiError as error:
        if error.fault.code != _DUPLICATE:
            raise
        for rule in rules:
            try:
                _authorize(client, region, group, [rule])
            except ApiError as one:
                if one.fault.code != _DUPLICATE:
                    raise


def _authorize(client: Client, region: str, group: str, rules: Sequence[dict[str, Any]]) -> None:
    client.call(
        "ec2",
        "authorize_security_group_ingress",
        region,
        passing=NEW_GROUP,
        GroupId=group,
        IpPermissions=list(rules),
    )
