"""From Google's words to our errors: what is meant, and what else it is true of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from arb.errors import CapacityError, CredentialsError, QuotaError, RequestError, Scope
from arb.types import Offer
from arb_gcp.answers import Fault, ServerError, fault_of_answer, faults_of_operation
from arb_gcp.calls import Call, error_of
from arb_gcp.refusals import refusal

DATA = Path(__file__).parent / "data"
H100 = Offer(
    provider="gcp",
    offer_id="us-central1-a/a3-highgpu-8g",
    region="us-central1",
    zone="us-central1-a",
    instance_type="a3-highgpu-8g",
    price_usd_hour=88,
    accelerator="H100",
    quota_family="NVIDIA_H100_GPUS GPUS_ALL_REGIONS",
)
T4 = replace(H100, instance_type="n1-standard-8", payload='{"guest": {"type": "t4", "count": 1}}')
CPU = replace(H100, accelerator="", quota_family="N2_CPUS CPUS_ALL_REGIONS")


def recorded(name):
    return json.loads((DATA / f"{name}.json").read_text())


def of_recorded(name, offer=H100):
    (fault,) = faults_of_operation(recorded(name))
    return refusal(fault, offer)


def test_an_operation_that_is_under_way_or_went_well_has_no_faults():
    assert faults_of_operation(recorded("operation-running")) == ()
    assert faults_of_operation(recorded("operation-done")) == ()


def test_a_stock_out_is_of_the_type_in_the_zone():
    error = of_recorded("operation-stockout")
    assert isinstance(error, CapacityError)
    assert (error.scope, error.code, error.made) == (Scope.ZONE, "gcp-no-capacity", ())
    assert str(error) == (
        "gcp a3-highgpu-8g in us-central1-a: An a3-highgpu-8g VM instance is currently unavailable"
        " in the us-central1-a zone."
    )


def test_a_stock_out_of_added_accelerators_is_of_the_offer_only():
    assert of_recorded("operation-stockout", T4).scope is Scope.OFFER


def test_zones_that_are_said_to_have_some_are_told():
    operation = recorded("operation-stockout")
    details = operation["error"]["errors"][0]["errorDetails"][0]["errorInfo"]
    details["metadatas"]["zonesAvailable"] = "us-central1-b,us-central1-c"
    (fault,) = faults_of_operation(operation)
    assert refusal(fault, H100).hint == "zones said to have some: us-central1-b, us-central1-c"


def test_a_regions_quota_is_of_the_accelerator_in_the_region():
    error = of_recorded("operation-quota", replace(H100, spot=True))
    assert isinstance(error, QuotaError)
    assert (error.scope, error.family) == (Scope.QUOTA_FAMILY, "NVIDIA_H100_GPUS")
    assert "PREEMPTIBLE_NVIDIA_H100_GPUS" in error.hint


def test_the_projects_quota_is_of_all_accelerators_everywhere():
    error = of_recorded("operation-quota-global")
    assert (error.scope, error.family) == (Scope.QUOTA_FAMILY_EVERYWHERE, "GPUS_ALL_REGIONS")


def quota(name, region="us-central1", **dimensions):
    info = {"metricName": f"compute.googleapis.com/{name}", "dimensions": {**dimensions}}
    if region:
        info["dimensions"]["region"] = region
    error = {"code": "QUOTA_EXCEEDED", "message": "no", "errorDetails": [{"quotaInfo": info}]}
    (fault,) = faults_of_operation({"error": {"errors": [error]}})
    return fault


@pytest.mark.parametrize(
    ("fault", "offer", "scope", "family"),
    [
        (quota("gpus_per_gpu_family", gpu_family="NVIDIA_H100"), H100, Scope.QUOTA_FAMILY, "NVIDIA_H100_GPUS"),
        (quota("preemptible_gpus_per_gpu_family", gpu_family="NVIDIA_H100"), H100, Scope.QUOTA_FAMILY, "NVIDIA_H100_GPUS"),
        (quota("n2_cpus"), CPU, Scope.QUOTA_FAMILY, "N2_CPUS"),
        (quota("cpus_per_vm_family", vm_family="N2"), CPU, Scope.QUOTA_FAMILY, "N2_CPUS"),
        (quota("a3_cpus"), H100, Scope.QUOTA_FAMILY, ""),
        (quota("in_use_addresses"), H100, Scope.REGION, ""),
        (quota("ssd_total_gb"), H100, Scope.REGION, ""),
        (quota("cpus_all_regions", ""), CPU, Scope.QUOTA_FAMILY_EVERYWHERE, "CPUS_ALL_REGIONS"),
        (quota("firewalls", ""), H100, Scope.PROVIDER, ""),
        (quota("nvidia_h100_gpus", ""), H100, Scope.QUOTA_FAMILY, "NVIDIA_H100_GPUS"),
        (quota("instances", ""), H100, Scope.REGION, ""),
        (replace(quota("ssd_total_gb", ""), message="Limit: 0.0 globally."), H100, Scope.QUOTA_FAMILY_EVERYWHERE, ""),
    ],
)  # fmt: skip
def test_each_quota_covers_what_counts_against_it(fault, offer, scope, family):
    error = refusal(fault, offer)
    assert isinstance(error, QuotaError)
    assert (error.scope, error.family) == (scope, family)


@pytest.mark.parametrize(
    ("code", "message", "spot", "kind", "scope"),
    [
        ("ZONE_RESOURCE_POOL_EXHAUSTED", "x", False, CapacityError, Scope.ZONE),
        ("", "STOCKOUT: try elsewhere", False, CapacityError, Scope.ZONE),
        ("UNSUPPORTED_OPERATION", "x", True, CapacityError, Scope.ZONE),
        ("UNSUPPORTED_OPERATION", "x", False, RequestError, Scope.OFFER),
        ("RESOURCE_NOT_FOUND", "The resource 'projects/p/zones/z/instances/i' was not found", False, CapacityError, Scope.ZONE),
        ("RESOURCE_OPERATION_RATE_EXCEEDED", "x", False, CapacityError, Scope.ZONE),
        ("invalid", "Invalid value for field 'resource.machineType': 'x'", False, RequestError, Scope.ZONE),
        ("invalid", "Subnetwork 'x' does not exist", False, RequestError, Scope.REGION),
        ("notFound", "The resource 'projects/p/global/networks/x' was not found", False, RequestError, Scope.PROVIDER),
        ("notFound", "The resource 'projects/p/global/images/family/x' was not found", False, RequestError, Scope.INSTANCE_TYPE),
        ("conditionNotMet", "Constraint constraints/compute.vmExternalIpAccess violated", False, RequestError, Scope.PROVIDER),
        ("conditionNotMet", "Constraint constraints/gcp.resourceLocations violated", False, RequestError, Scope.REGION),
        ("forbidden", "Location us-x is not found or access is unauthorized.", False, RequestError, Scope.ZONE),
        ("invalid", "[x, pd-ssd] features are not compatible", False, RequestError, Scope.INSTANCE_TYPE),
        ("PERMISSIONS_ERROR", "Required 'compute.subnetworks.use' permission for 'projects/p'", False, RequestError, Scope.PROVIDER),
        ("IAM_PERMISSION_DENIED", "no", False, RequestError, Scope.PROVIDER),
        ("NEW_WORD", "something else", False, RequestError, Scope.OFFER),
        ("RATE_LIMIT_EXCEEDED", "x", False, CapacityError, Scope.ZONE),
    ],
)  # fmt: skip
def test_each_refusal_has_its_scope(code, message, spot, kind, scope):
    error = refusal(Fault(code, message), replace(H100, spot=spot))
    assert (type(error), error.scope) == (kind, scope)


@pytest.mark.parametrize(
    ("message", "code", "hint"),
    [
        ("[a4-highgpu-8g, pd-ssd] features are not compatible for creating instance.", "gcp-disk-type", "disk_type"),
        ("Invalid value for field 'resource.disks[0].initializeParams.diskType'", "gcp-disk-type", "disk_type"),
        ("Requested disk size cannot be smaller than the image size (50 GB)", "gcp-disk-size", "disk_gib"),
        ("[n1-standard-8, 3 x nvidia-tesla-t4] features are not compatible", "gcp-request", ""),
        ("The referenced network resource cannot be found.", "gcp-network", "gcloud compute networks create"),
    ],
)  # fmt: skip
def test_a_wrong_request_names_the_option_to_change(message, code, hint):
    error = refusal(Fault("invalid", message), H100)
    assert error.code == code
    assert hint in error.hint


def test_a_server_that_is_busy_blocks_for_a_minute_only():
    assert refusal(Fault("RESOURCE_NOT_READY", "x"), H100).block_s == 60


def test_an_http_error_is_read_in_both_forms():
    old = fault_of_answer(403, recorded("error-http"))
    assert (old.code, old.message) == (
        "rateLimitExceeded",
        "Quota exceeded for quota metric 'Queries'.",
    )
    details = [{"reason": "SERVICE_DISABLED", "metadata": {"service": "compute.googleapis.com"}}]
    new = fault_of_answer(403, {"error": {"message": "off", "details": details}})
    assert (new.code, new.service) == ("SERVICE_DISABLED", "compute.googleapis.com")


@pytest.mark.parametrize(
    "body", [None, [], {}, {"error": "x"}, {"error": {"errors": ["x"]}}, "<html>"]
)
def test_an_answer_of_any_form_is_read(body):
    assert fault_of_answer(400, body).metric == ""


def test_a_failed_operation_without_words_is_a_failure_all_the_same():
    (fault,) = faults_of_operation(
        {"httpErrorStatusCode": 503, "httpErrorMessage": "SERVICE UNAVAILABLE"}
    )
    assert fault.message == "SERVICE UNAVAILABLE"


# -- what is wrong with the account ------------------------------------------------------------

PAGE = (
    "https://console.developers.google.com/apis/api/cloudbilling.googleapis.com/overview?project=1"
)
OFF = (
    f"Cloud Billing API has not been used in project 1 before or it is disabled. Visit {PAGE} then."
)


def said(status, text):
    from requests import Response

    answer = Response()
    answer.status_code, answer._content = status, text.encode()
    return error_of(answer, Call("GET", "x", "cloudbilling"), "robot", "mine")


def answered(status, message, reason="forbidden", info=None):
    one = {"message": message, "domain": "global", "reason": reason}
    error = {"code": status, "message": message, "errors": [one]}
    return said(status, json.dumps({"error": error | ({"details": [info]} if info else {})}))


@pytest.mark.parametrize(
    ("message", "reason", "info", "code", "hint"),
    [
        (OFF, "accessNotConfigured", None, "gcp-api-off", PAGE),
        ("off", "forbidden", {"reason": "SERVICE_DISABLED", "metadata": {"service": "compute.googleapis.com", "activationUrl": "https://there"}}, "gcp-api-off", "enable compute.googleapis.com --project mine; or open https://there"),
        ("This API method requires billing to be enabled.", "accessNotConfigured", None, "gcp-billing-off", "billing/linkedaccount?project=mine"),
        ("no", "forbidden", {"reason": "BILLING_DISABLED"}, "gcp-billing-off", "linkedaccount"),
        ("Permission billing.resourceAssociations.list denied", "forbidden", None, "gcp-forbidden", "arb check gcp --policy"),
        ("Caller may not use project q", "forbidden", {"reason": "USER_PROJECT_DENIED"}, "gcp-forbidden", "set-quota-project"),
    ],
)  # fmt: skip
def test_a_refused_account_is_told_what_to_do(message, reason, info, code, hint):
    error = answered(403, message, reason, info)
    assert (type(error), error.code) == (CredentialsError, code)
    assert hint in error.hint
    if code == "gcp-api-off" and info is None:
        assert "enable cloudbilling.googleapis.com" in error.hint  # the API that was asked


@pytest.mark.parametrize(
    ("status", "reason", "is_there", "is_missing"),
    [
        (409, "alreadyExists", True, False),
        (409, "RESOURCE_ALREADY_EXISTS", True, False),
        (409, "resourceInUseByAnotherResource", False, False),
        (404, "notFound", False, True),
        (404, "RESOURCE_NOT_FOUND", False, True),
        (404, "", False, True),
    ],
)
def test_what_is_there_and_what_is_missing_is_known_by_each_word_for_it(
    status, reason, is_there, is_missing
):
    error = answered(status, "x", reason)
    assert (error.is_there_already, error.is_missing) == (is_there, is_missing)


def test_an_error_page_says_nothing_of_what_is_there():
    assert isinstance(said(404, "<html>Error 404 (Not Found)!!1</html>"), ServerError)
