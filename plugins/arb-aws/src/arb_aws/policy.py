"""The least that the account must be allowed, as an IAM policy to copy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from arb_aws.tags import OWNER

if TYPE_CHECKING:
    from arb_aws.settings import Settings

__all__ = ["actions", "least_policy"]

_READ: Final = (
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "ec2:DescribeRegions",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSpotPriceHistory",
    "ec2:DescribeSubnets",
    "ec2:DescribeVolumes",
    "pricing:GetProducts",
    "servicequotas:GetServiceQuota",
    "ssm:GetParameter",
    "ssm:GetParameters",
)
_MAKE: Final = ("ec2:CreateSecurityGroup", "ec2:RunInstances")
_CHANGE: Final = (
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:DeleteSecurityGroup",
    "ec2:DeleteVolume",
    "ec2:StartInstances",
    "ec2:StopInstances",
    "ec2:TerminateInstances",
)
_MADE: Final = {"StringEquals": {"ec2:CreateAction": ["CreateSecurityGroup", "RunInstances"]}}
_SPOT: Final = {"StringEquals": {"iam:AWSServiceName": "spot.amazonaws.com"}}
_SPOT_ROLE: Final = (
    "arn:aws:iam::*:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot"
)


def least_policy(settings: Settings) -> str:
    """Return the policy document: reading, buying, and changing only what carries our tag.

    Args:
        settings: An instance profile takes one permission more.
    """
    ours = {"StringLike": {f"aws:ResourceTag/{OWNER}": "?*"}}
    statements = [
        _allow("Look", _READ),
        _allow("Buy", _MAKE),
        _allow("NameWhatIsBought", ("ec2:CreateTags",), condition=_MADE),
        _allow("ChangeWhatIsOurs", _CHANGE, condition=ours),
        _allow("FirstSpot", ("iam:CreateServiceLinkedRole",), _SPOT_ROLE, _SPOT),
    ]
    if settings.instance_profile:
        passed = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
        statements.append(_allow("GiveARole", ("iam:PassRole",), condition=passed))
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)


def actions(service: str) -> frozenset[str]:
    """Return the operations of a service that are called, for instance of ``ec2``."""
    named = (name.partition(":") for name in (*_READ, *_MAKE, *_CHANGE))
    return frozenset(operation for prefix, _, operation in named if prefix == service)


def _allow(
    name: str, actions: tuple[str, ...], resource: str = "*", condition: Any = None
) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Sid": f"Arb{name}",
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": resource,
    }
    return statement | ({"Condition": condition} if condition else {})
