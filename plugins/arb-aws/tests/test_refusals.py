"""Which offers a refusal is about."""

from __future__ import annotations

import pytest

from arb.errors import (
    CapacityError,
    CredentialsError,
    ProviderUnavailable,
    QuotaError,
    RateLimited,
    RequestError,
    Scope,
)
from arb.types import Offer
from arb_aws.families import family_of
from arb_aws.faults import ApiError, Fault, Forbidden, RegionOff, ServerError, error_of, fault_of
from arb_aws.refusals import refusal_of


def offer(kind="p5.48xlarge", *, spot=False):
    return Offer(
        "aws",
        f"{kind}@use1-az1",
        "us-east-1",
        kind,
        55.04,
        zone="use1-az1",
        spot=spot,
        quota_family=family_of(kind, spot=spot),
    )


def fault(code, message="words of AWS", status=400):
    return Fault(code, message, status, "RunInstances", "us-east-1")


@pytest.mark.parametrize(
    ("code", "status", "kind", "scope"),
    [
        ("InsufficientInstanceCapacity", 500, CapacityError, Scope.ZONE),
        ("InsufficientHostCapacity", 500, CapacityError, Scope.ZONE),
        ("UnfulfillableCapacity", 400, CapacityError, Scope.ZONE),
        ("SpotMaxPriceTooLow", 400, CapacityError, Scope.ZONE),
        ("InsufficientVolumeCapacity", 500, CapacityError, Scope.ZONE),
        ("InsufficientAddressCapacity", 500, CapacityError, Scope.ZONE),
        ("ResourceCountExceeded", 400, QuotaError, Scope.REGION),
        ("MissingInput", 400, RequestError, Scope.REGION),
        ("InsufficientFreeAddressesInSubnet", 400, CapacityError, Scope.ZONE),
        ("VcpuLimitExceeded", 400, QuotaError, Scope.QUOTA_FAMILY),
        ("MaxSpotInstanceCountExceeded", 400, QuotaError, Scope.QUOTA_FAMILY),
        ("InstanceLimitExceeded", 400, QuotaError, Scope.QUOTA_FAMILY),
        ("VolumeLimitExceeded", 400, QuotaError, Scope.REGION),
        ("AddressLimitExceeded", 400, QuotaError, Scope.REGION),
        ("SecurityGroupLimitExceeded", 400, QuotaError, Scope.REGION),
        ("Unsupported", 400, RequestError, Scope.ZONE),
        ("InvalidInstanceType.NotFound", 400, RequestError, Scope.INSTANCE_TYPE),
        ("VPCIdNotSpecified", 400, RequestError, Scope.REGION),
        ("InvalidAMIID.NotFound", 400, RequestError, Scope.REGION),
        ("InvalidBlockDeviceMapping", 400, RequestError, Scope.PROVIDER),
        ("InvalidParameterValue", 400, RequestError, Scope.OFFER),
        ("SomethingNew", 400, RequestError, Scope.OFFER),
        ("OptInRequired", 401, RequestError, Scope.REGION),
        ("PendingVerification", 400, RequestError, Scope.REGION),
    ],
)
def test_a_refused_order_covers_what_its_code_says(code, status, kind, scope):
    error = error_of(fault(code, status=status))
    assert isinstance(error, ApiError)
    refusal = refusal_of(error, offer())
    assert (type(refusal), refusal.scope, refusal.made) == (kind, scope, ())


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("RequestLimitExceeded", 503, RateLimited),
        ("Throttling", 400, RateLimited),
        ("ThrottlingException", 400, RateLimited),
        ("", 429, RateLimited),
        ("UnauthorizedOperation", 403, Forbidden),
        ("AccessDeniedException", 400, Forbidden),
        ("Blocked", 400, CredentialsError),
        ("InvalidClientTokenId", 403, CredentialsError),
        ("ExpiredToken", 400, CredentialsError),
        ("RequestExpired", 400, CredentialsError),
        ("RequestTimeTooSkewed", 403, CredentialsError),
        ("RequestThrottled", 400, RateLimited),
        ("AuthFailure.ServiceLinkedRoleCreationNotPermitted", 403, Forbidden),
        ("SignatureDoesNotMatch", 403, CredentialsError),
        ("OptInRequired", 401, RegionOff),
        ("InternalError", 500, ServerError),
        ("ServiceUnavailable", 503, ServerError),
        ("Unavailable", 503, ServerError),
        ("503", 503, ServerError),
    ],
)
def test_what_concerns_every_call_is_told_before_the_order_is_looked_at(code, status, kind):
    assert type(error_of(fault(code, status=status))) is kind


def test_a_token_that_was_used_otherwise_proves_that_something_exists():
    error = error_of(fault("IdempotentParameterMismatch"))
    refusal = refusal_of(error, offer())
    assert type(refusal) is ProviderUnavailable
    assert not refusal.never_sent


def test_a_quota_names_its_family_and_where_to_ask_for_more():
    refusal = refusal_of(error_of(fault("VcpuLimitExceeded")), offer())
    assert refusal.family == "P"
    assert refusal.hint.endswith(
        "us-east-1.console.aws.amazon.com/servicequotas/home/services/ec2/quotas/L-417A185B"
    )
    spot = refusal_of(error_of(fault("MaxSpotInstanceCountExceeded")), offer(spot=True))
    assert spot.family == "P5"


def test_what_a_zone_does_not_sell_is_skipped_for_long():
    assert refusal_of(error_of(fault("Unsupported")), offer()).block_s == 24 * 3600


@pytest.mark.parametrize(
    "words",
    [
        "Value (x) for parameter iamInstanceProfile.name is invalid",
        "Invalid IAM Instance Profile name",
    ],
)
def test_a_wrong_instance_profile_is_no_offers_fault(words):
    refusal = refusal_of(error_of(fault("InvalidParameterValue", words)), offer())
    assert (refusal.scope, refusal.code) == (Scope.PROVIDER, "aws-instance-profile")


def test_a_policy_of_the_organization_closes_a_region():
    denied = "ec2:RunInstances with an explicit deny in a service control policy"
    assert error_of(fault("UnauthorizedOperation", denied)).is_policy_of_region
    assert not error_of(fault("UnauthorizedOperation", "no policy allows it")).is_policy_of_region


@pytest.mark.parametrize(
    ("words", "permission", "told"),
    [
        ("User: x is not authorized to perform: ec2:CreateTags on resource: y", "ec2:CreateTags",
         "may not ec2:CreateTags, which RunInstances takes, in us-east-1"),
        ("User: x is not authorized to perform: ec2:RunInstances on resource", "ec2:RunInstances",
         "may not ec2:RunInstances in us-east-1"),
        ("You are not authorized to perform this operation.", "RunInstances",
         "may not RunInstances in us-east-1"),
    ],
)  # fmt: skip
def test_a_missing_permission_is_named_as_a_policy_spells_it(words, permission, told):
    error = error_of(fault("UnauthorizedOperation", words, 403))
    assert error.permission == permission
    assert told in error.summary


def test_a_wrong_clock_says_so():
    assert "clock" in error_of(fault("RequestTimeTooSkewed", status=403)).hint


def test_not_open_yet_and_an_image_that_is_bought_are_no_region_that_is_off():
    pending = refusal_of(error_of(fault("PendingVerification")), offer())
    assert (pending.code, pending.block_s) == ("aws-region-pending", 600)
    words = "In order to use this AWS Marketplace product you need to accept terms and subscribe."
    image = refusal_of(error_of(fault("OptInRequired", words, 401)), offer())
    assert (image.scope, image.code) == (Scope.PROVIDER, "aws-image")
    off = refusal_of(error_of(fault("OptInRequired", "You are not subscribed", 401)), offer())
    assert (off.scope, off.code) == (Scope.REGION, "aws-region-off")


def test_codes_with_the_name_of_their_side_before_them_are_known():
    response = {
        "Error": {"Code": "Server.InsufficientInstanceCapacity", "Message": "none"},
        "ResponseMetadata": {"HTTPStatusCode": 500},
    }
    refusal = refusal_of(error_of(fault_of(response, "RunInstances", "us-east-1")), offer())
    assert type(refusal) is CapacityError


def test_the_part_that_only_aws_can_read_is_not_told():
    told = "You are not authorized. Encoded authorization failure message: aBcD" + "x" * 900
    response = {
        "Error": {"Code": "UnauthorizedOperation", "Message": told},
        "ResponseMetadata": {"HTTPStatusCode": 403, "HTTPHeaders": {"retry-after": "7"}},
    }
    found = fault_of(response, "RunInstances", "us-east-1")
    assert found.message == "You are not authorized."
    assert found.retry_after_s == 7


@pytest.mark.parametrize(
    ("kind", "spot", "family"),
    [
        ("p4d.24xlarge", False, "P"),
        ("p5.48xlarge", False, "P"),
        ("p4d.24xlarge", True, "P"),
        ("p5.48xlarge", True, "P5"),
        ("p6-b200.48xlarge", True, "P6"),
        ("g6.xlarge", False, "G-VT"),
        ("gr6.4xlarge", True, "G-VT"),
        ("vt1.3xlarge", False, "G-VT"),
        ("m7i.large", False, "Standard"),
        ("c8gn.large", False, "Standard"),
        ("trn2.48xlarge", False, "Trn"),
        ("inf2.xlarge", True, "Inf"),
        ("u7i-12tb.224xlarge", False, "High-Memory"),
        ("x2idn.16xlarge", False, "X"),
        ("hpc7a.96xlarge", False, "HPC"),
        ("dl1.24xlarge", False, "DL"),
        ("f2.6xlarge", False, "F"),
        ("im4gn.large", False, "Standard"),
        ("is4gen.large", False, "Standard"),
    ],
)
def test_types_count_against_the_quota_of_their_family(kind, spot, family):
    assert family_of(kind, spot=spot) == family
