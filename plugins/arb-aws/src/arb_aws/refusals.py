"""Which offers a refusal is about: from EC2's codes to our errors and their scopes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from arb.errors import CapacityError, ProviderUnavailable, QuotaError, Refusal, RequestError, Scope
from arb_aws.families import QUOTAS, family_of
from arb_aws.faults import NO_CAPACITY, RegionOff
from arb_aws.network import NO_VPC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.errors import ArbError
    from arb.types import Instance, Offer
    from arb_aws.faults import ApiError, Fault

__all__ = ["refusal_of"]

_FAMILY_QUOTAS: Final = frozenset(
    {"InstanceLimitExceeded", "MaxSpotInstanceCountExceeded", "VcpuLimitExceeded"}
)
_REGION_QUOTAS: Final = frozenset(
    {
        "AddressLimitExceeded",
        "MaxIOPSLimitExceeded",
        "NetworkInterfaceLimitExceeded",
        "ResourceCountExceeded",
        "ResourceLimitExceeded",
        "RulesPerSecurityGroupLimitExceeded",
        "SecurityGroupLimitExceeded",
        "SecurityGroupsPerInterfaceLimitExceeded",
        "VolumeLimitExceeded",
    }
)
_NOT_HERE: Final = frozenset({"Unsupported", "UnsupportedOperation"})
_LONG_S: Final = 24 * 3600.0
"""What a zone does not sell today it will not sell in an hour."""
_BAD_TYPE: Final = frozenset({"InvalidInstanceType", "InvalidInstanceType.NotFound"})
_NO_VPC: Final = frozenset(
    {"InvalidVpcID.NotFound", "MissingInput", "VPCIdNotSpecified", "VPCResourceNotSpecified"}
)
"""``MissingInput``: "No subnets found for the default VPC"."""
_PROFILE: Final = re.compile("iam ?instance ?profile", re.IGNORECASE)
_VERIFIED_S: Final = 600.0
"""AWS looks at an account that is new in a region for some minutes."""
_TAKEN: Final = "IdempotentParameterMismatch"
_ENABLE: Final = "https://console.aws.amazon.com/billing/home#/account"
_QUOTA_PAGE: Final = "https://{0}.console.aws.amazon.com/servicequotas/home/services/ec2/quotas/{1}"


def refusal_of(error: ApiError, offer: Offer, made: Sequence[Instance] = ()) -> ArbError:
    """Return the error that a refused order of an offer is.

    Args:
        error: What EC2 said.
        offer: What was asked for.
        made: Machines of the gang that exist all the same.
    """
    fault = error.fault
    place = f"{offer.instance_type}{' spot' if offer.spot else ''} in {offer.zone or offer.region}"
    summary = f"aws {place}: {fault.message or fault.code}"
    if fault.code == _TAKEN:
        return ProviderUnavailable(summary, code="aws-token-used")
    if isinstance(error, RegionOff):
        return _off(fault, offer, made, summary)
    if fault.code in NO_CAPACITY or fault.code == "InsufficientFreeAddressesInSubnet":
        return CapacityError(summary, scope=Scope.ZONE, made=made, code="aws-no-capacity")
    if fault.code in _FAMILY_QUOTAS | _REGION_QUOTAS:
        return _quota(fault, offer, made, summary)
    return _wrong(fault, made, summary)


def _off(fault: Fault, offer: Offer, made: Sequence[Instance], summary: str) -> RequestError:
    """Tell what is not open to the account: an image that is bought, a region for now or for good."""
    scope, code, block_s = Scope.REGION, "aws-region-off", None
    if "marketplace" in fault.message.lower():
        scope, code, hint = (
            Scope.PROVIDER,
            "aws-image",
            "subscribe to the image there, or name another",
        )
    elif fault.code == "PendingVerification":
        code, block_s = "aws-region-pending", _VERIFIED_S
        hint = "wait for some minutes: AWS writes an e-mail when the region is open"
    else:
        summary = f"aws: region {offer.region} is not enabled for the account"
        hint = f"enable it: {_ENABLE} (code {fault.code})"
    return RequestError(summary, scope=scope, made=made, code=code, hint=hint, block_s=block_s)


def _quota(fault: Fault, offer: Offer, made: Sequence[Instance], summary: str) -> QuotaError:
    """Tell quotas of a family of types from those of everything in the region.

    Families differ between spot and on-demand; so does what a refusal covers.
    """
    family = offer.quota_family or family_of(offer.instance_type, spot=offer.spot)
    scope = Scope.QUOTA_FAMILY if fault.code in _FAMILY_QUOTAS else Scope.REGION
    number = QUOTAS.get((family, offer.spot), "") if scope is Scope.QUOTA_FAMILY else ""
    hint = f"ask for more: {_QUOTA_PAGE.format(offer.region, number).rstrip('/')}"
    named = family if scope is Scope.QUOTA_FAMILY else ""
    return QuotaError(summary, scope=scope, family=named, made=made, code="aws-quota", hint=hint)


def _wrong(fault: Fault, made: Sequence[Instance], summary: str) -> Refusal:
    """Return what a request is that EC2 calls wrong, as far as code and words tell."""
    scope, code, hint, block_s = Scope.OFFER, "aws-request", "", None
    if fault.code in _NOT_HERE:
        scope, code, block_s = Scope.ZONE, "aws-not-here", _LONG_S
    elif fault.code in _BAD_TYPE:
        scope, code, block_s = Scope.INSTANCE_TYPE, "aws-not-here", _LONG_S
    elif fault.code in _NO_VPC:
        scope, code, hint = Scope.REGION, "aws-no-vpc", NO_VPC.format(fault.region)
    elif fault.code.startswith(("InvalidAMIID", "InvalidSubnetID", "InvalidGroup")):
        scope, code = Scope.REGION, "aws-request"
    elif fault.code == "InvalidBlockDeviceMapping":
        scope, code = Scope.PROVIDER, "aws-disk"
        hint = "give the task a larger disk_size, or set provider_options.aws.disk_gib"
    elif fault.code.startswith("InvalidParameter") and _PROFILE.search(fault.message):
        scope, code = Scope.PROVIDER, "aws-instance-profile"
        hint = "set provider_options.aws.instance_profile"
    return RequestError(summary, scope=scope, made=made, code=code, hint=hint, block_s=block_s)
