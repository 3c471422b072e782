"""The simulated Google is true: Google's own client drives it, and it refuses what Google would."""

from __future__ import annotations

import copy
import json
import urllib.error
import urllib.request

import pytest

from clouds.gcp import discovery
from clouds.gcp.filters import WrongFilter, masked, parse_filter
from clouds.gcp.shop import TYPES, ZONES

pytest.importorskip("googleapiclient", reason="its documents say what the API is")

PLACE = {"project": "arb-test", "zone": "us-central1-a"}
BODY = {
    "name": "vm-1",
    "machineType": "zones/us-central1-a/machineTypes/e2-standard-4",
    "disks": [
        {
            "boot": True,
            "autoDelete": True,
            "initializeParams": {
                "sourceImage": "projects/debian-cloud/global/images/family/debian-12",
                "diskSizeGb": "20",
            },
        }
    ],
    "networkInterfaces": [{"accessConfigs": [{"type": "ONE_TO_ONE_NAT"}]}],
    "labels": {"team": "a"},
}
SPOT = {
    "provisioningModel": "SPOT",
    "instanceTerminationAction": "DELETE",
    "onHostMaintenance": "TERMINATE",
    "automaticRestart": False,
}
GPU = {**BODY, "machineType": "zones/us-central1-a/machineTypes/a3-highgpu-8g"}


@pytest.fixture
def client(paper_gcp, tmp_path):
    """Return a maker of Google's own clients, for one API each."""
    from google.oauth2 import service_account
    from googleapiclient.discovery import build

    key = paper_gcp.write_key(str(tmp_path / "key.json"))
    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    credentials = service_account.Credentials.from_service_account_file(key, scopes=scopes)
    made = []

    def make(name="compute", version="v1", path="/compute/v1/"):
        options = {"api_endpoint": f"{paper_gcp.url}{path}"}
        made.append(build(name, version, credentials=credentials, client_options=options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def compute(client):
    return client()


def insert(compute, **changes):
    return compute.instances().insert(**PLACE, body={**BODY, **changes}).execute()


def refused(request):
    from googleapiclient.errors import HttpError

    with pytest.raises(HttpError) as raised:
        request.execute()
    error = json.loads(raised.value.content)["error"]
    return raised.value.status_code, error["errors"][0]["reason"], error["message"]


def status_of(url, headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_googles_client_makes_finds_stops_starts_and_deletes_a_machine(paper_gcp, compute):
    operation = insert(compute)
    assert operation["status"] in {"PENDING", "RUNNING"}
    seen = compute.instances().get(**PLACE, instance="vm-1").execute()
    assert seen["status"] == "PROVISIONING"
    paper_gcp.advance(1)
    named = {**PLACE, "operation": operation["name"]}
    assert compute.zoneOperations().get(**named).execute()["status"] == "DONE"
    assert compute.zoneOperations().wait(**named).execute()["status"] == "DONE"
    for call, status in (("stop", "TERMINATED"), ("start", "RUNNING")):
        getattr(compute.instances(), call)(**PLACE, instance="vm-1").execute()
        paper_gcp.advance(1)
        seen = compute.instances().get(**PLACE, instance="vm-1").execute()
        assert seen["status"] == status
    compute.instances().delete(**PLACE, instance="vm-1").execute()
    paper_gcp.advance(1)
    assert refused(compute.instances().get(**PLACE, instance="vm-1"))[:2] == (404, "notFound")
    assert paper_gcp.ledger().alive() == []
    kinds = {o["operationType"] for o in compute.zoneOperations().list(**PLACE).execute()["items"]}
    assert kinds == {"insert", "stop", "start", "delete"}


def test_googles_client_reads_every_page_of_a_list_over_all_zones(paper_gcp, compute):
    paper_gcp.configure(page_size=20)
    types = compute.machineTypes()
    request, found = types.aggregatedList(project="arb-test"), []
    while request is not None:
        page = request.execute()
        for scope, said in page["items"].items():
            found += [(scope, t["name"]) for t in said.get("machineTypes", ())]
            assert "machineTypes" in said or said["warning"]["code"] == "NO_RESULTS_ON_PAGE"
        request = types.aggregatedList_next(request, page)
    assert len(found) == len(set(found)) == sum(len(kind.zones) for kind in TYPES.values())


def test_googles_client_makes_and_widens_a_rule(paper_gcp, compute):
    rule = {
        "name": "r",
        "network": "global/networks/default",
        "allowed": [{"IPProtocol": "tcp", "ports": ["22"]}],
        "sourceRanges": ["0.0.0.0/0"],
    }
    rules = compute.firewalls()
    rules.insert(project="arb-test", body=rule).execute()
    assert refused(rules.insert(project="arb-test", body=rule))[:2] == (409, "alreadyExists")
    wider = {"allowed": [{"IPProtocol": "tcp", "ports": ["22", "80-90"]}]}
    rules.patch(project="arb-test", firewall="r", body=wider).execute()
    assert rules.get(project="arb-test", firewall="r").execute()["allowed"] == wider["allowed"]
    assert [r["name"] for r in rules.list(project="arb-test").execute()["items"]] == ["r"]
    operation = rules.delete(project="arb-test", firewall="r").execute()
    paper_gcp.advance(1)
    done = compute.globalOperations().get(project="arb-test", operation=operation["name"])
    assert done.execute()["status"] == "DONE"
    assert refused(rules.get(project="arb-test", firewall="r"))[0] == 404


def test_googles_client_reads_prices_permissions_project_and_places(client, paper_gcp):
    skus = client("cloudbilling", path="/").services().skus()
    page = skus.list(parent="services/6F81-5844-456A", pageSize=5000).execute()
    assert any("Commitment" in sku["description"] for sku in page["skus"])
    assert len({sku["skuId"] for sku in page["skus"]}) == len(page["skus"])
    paper_gcp.deny("compute.instances.create")
    projects = client("cloudresourcemanager", "v3", "/").projects()
    body = {"permissions": ["compute.instances.create", "compute.instances.delete"]}
    granted = projects.testIamPermissions(resource="projects/arb-test", body=body).execute()
    assert granted == {"permissions": ["compute.instances.delete"]}
    compute = client()
    assert compute.projects().get(project="arb-test").execute()["name"] == "arb-test"
    zones = compute.zones().list(project="arb-test").execute()["items"]
    assert {zone["name"] for zone in zones} == set(ZONES)
    assert len(compute.regions().list(project="arb-test").execute()["items"]) == 3
    assert compute.acceleratorTypes().aggregatedList(project="arb-test").execute()["items"]


def test_one_request_id_is_one_order(paper_gcp, compute):
    once = {**PLACE, "requestId": "11111111-2222-3333-4444-555555555555", "body": BODY}
    names = {compute.instances().insert(**once).execute()["name"] for _ in range(3)}
    assert len(names) == 1
    assert len(paper_gcp.ledger().of("machine")) == 1
    other = {**once, "requestId": "not-a-uuid"}
    assert refused(compute.instances().insert(**other))[0] == 400
    assert refused(compute.instances().insert(**PLACE, body=BODY))[:2] == (409, "alreadyExists")


def test_no_room_is_told_by_the_operation_and_the_machine_vanishes(paper_gcp, compute):
    paper_gcp.set_capacity("e2-standard-4@us-central1/us-central1-a", 0)
    operation = insert(compute)
    assert "error" not in operation
    assert compute.instances().get(**PLACE, instance="vm-1").execute()["status"] == "PROVISIONING"
    paper_gcp.advance(1)
    done = compute.zoneOperations().get(**PLACE, operation=operation["name"]).execute()
    assert done["error"]["errors"][0]["code"] == "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS"
    assert done["httpErrorStatusCode"] == 503
    assert refused(compute.instances().get(**PLACE, instance="vm-1"))[0] == 404
    paper_gcp.set_capacity("e2-standard-4@us-central1/us-central1-a", 1)
    insert(compute)  # the name is free again


@pytest.mark.parametrize(
    ("quota", "words"),
    [
        ("CPUS@us-central1", "Limit: 3.0 in region us-central1"),
        ("CPUS_ALL_REGIONS", "Limit: 3.0 globally"),
        ("IN_USE_ADDRESSES@us-central1", "in region us-central1"),
    ],
)
def test_quotas_are_told_by_the_operation(paper_gcp, compute, quota, words):
    paper_gcp.set_quota(quota, 3 if "CPUS" in quota else 0)
    operation = insert(compute)
    paper_gcp.advance(1)
    done = compute.zoneOperations().get(**PLACE, operation=operation["name"]).execute()
    (error,) = done["error"]["errors"]
    assert error["code"] == "QUOTA_EXCEEDED"
    assert words in error["message"]
    assert ("errorDetails" in error) == ("@" in quota)


def test_a_taken_machine_leaves_its_reason_in_the_log(paper_gcp, compute):
    insert(compute, scheduling=SPOT)
    insert(compute, name="vm-2", scheduling={**SPOT, "instanceTerminationAction": "STOP"})
    paper_gcp.advance(1)
    for name in ("vm-1", "vm-2"):
        paper_gcp.preempt(name)
    paper_gcp.advance(1)
    assert refused(compute.instances().get(**PLACE, instance="vm-1"))[0] == 404
    stopped = compute.instances().get(**PLACE, instance="vm-2").execute()
    assert stopped["status"] == "TERMINATED"
    wanted = 'operationType = "compute.instances.preempted"'
    log = compute.globalOperations().aggregatedList(project="arb-test", filter=wanted).execute()
    told = log["items"]["zones/us-central1-a"]["operations"]
    assert {o["targetLink"].rpartition("/")[2] for o in told} == {"vm-1", "vm-2"}
    assert {o["user"] for o in told} == {"system"}
    assert len(paper_gcp.ledger().alive("disk")) == 1  # the stopped one's


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "Big"}, "name"),
        ({"nmae": "x"}, "nmae"),
        ({"machineType": "zones/us-central1-b/machineTypes/e2-standard-4"}, "machineType"),
        ({"machineType": "zones/us-central1-a/machineTypes/z9-mega"}, "does not exist"),
        ({"disks": []}, "boot disk"),
        ({"networkInterfaces": []}, "network interface"),
        ({"networkInterfaces": [{"network": "global/networks/x"}]}, "network"),
        ({"networkInterfaces": [{"network": "global/networks/custom"}]}, "Subnetwork"),
        ({"labels": {"Team": "a"}}, "lower case"),
        ({"labels": {f"k{n}": "" for n in range(65)}}, "at most 64"),
        ({"tags": {"items": ["UPPER"]}}, "tags"),
        ({"metadata": {"items": [{"key": "a"}, {"key": "a"}]}}, "Duplicate"),
        ({"metadata": {"items": [{"key": "a", "value": "x" * 300_000}]}}, "too large"),
        ({"scheduling": {"provisioningModel": "spot"}}, "provisioningModel"),
        ({"scheduling": {**SPOT, "automaticRestart": True}}, "AutomaticRestart"),
        ({"scheduling": {**SPOT, "onHostMaintenance": "MIGRATE"}}, "AutomaticRestart"),
        ({"scheduling": {"instanceTerminationAction": "DELETE"}}, "termination action"),
        ({"machineType": GPU["machineType"]}, "live migration"),
        ({"machineType": "zones/us-central1-a/machineTypes/a3-highgpu-2g", "scheduling": {"onHostMaintenance": "TERMINATE"}}, "only available with SPOT"),
        ({"guestAccelerators": [{"acceleratorType": "zones/us-central1-a/acceleratorTypes/nvidia-tesla-t4", "acceleratorCount": 1}], "scheduling": SPOT}, "not compatible"),
        ({"guestAccelerators": [{"acceleratorType": "zones/us-central1-a/acceleratorTypes/z9", "acceleratorCount": 1}], "scheduling": SPOT}, "does not exist"),
    ],
)  # fmt: skip
def test_what_google_would_not_take_is_refused(compute, paper_gcp, changes, words):
    status, _, message = refused(compute.instances().insert(**PLACE, body={**BODY, **changes}))
    assert status == 400
    assert words in message
    assert paper_gcp.ledger().entries == []


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"diskSizeGb": 20}, "diskSizeGb"),
        ({"diskSizeGb": "5"}, "at least 10"),
        ({"diskType": "zones/us-central1-a/diskTypes/floppy"}, "diskType"),
    ],
)
def test_disks_are_checked(compute, params, words):
    body = copy.deepcopy(BODY)
    body["disks"][0]["initializeParams"] |= params
    assert words in refused(compute.instances().insert(**PLACE, body=body))[2]


def test_local_disks_and_hyperdisks_are_known(paper_gcp, compute):
    insert(compute, machineType=GPU["machineType"], scheduling=SPOT)
    paper_gcp.advance(1)
    seen = compute.instances().get(**PLACE, instance="vm-1").execute()
    assert sum(disk["type"] == "SCRATCH" for disk in seen["disks"]) == 16
    assert "local-ssd" in refused(compute.instances().stop(**PLACE, instance="vm-1"))[2].lower()
    b200 = {
        **BODY,
        "machineType": "zones/us-central1-b/machineTypes/a4-highgpu-8g",
        "scheduling": SPOT,
    }
    place = {**PLACE, "zone": "us-central1-b"}
    assert (
        "features are not compatible" in refused(compute.instances().insert(**place, body=b200))[2]
    )


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/compute/v1/projects/arb-test", "good", 200),
        ("/compute/v1/projects/arb-test", "", 401),
        ("/compute/v1/projects/arb-test", "ya29.made-up", 401),
        ("/compute/v1/projects/arb-other", "good", 403),
        ("/compute/v1/projects/arb-test?colour=red", "good", 400),
        ("/compute/v1/projects/arb-test/aggregated/instances?returnPartialSuccess=true", "good", 400),
        ("/compute/v1/projects/arb-test/aggregated/instances?maxResults=9999", "good", 400),
        ("/compute/v1/projects/arb-test/aggregated/instances?pageToken=x", "good", 400),
        ("/compute/v1/projects/arb-test/aggregated/instances?filter=name%20like%20x", "good", 400),
        ("/compute/v1/projects/arb-test/aggregated/instances?orderBy=price", "good", 400),
        ("/compute/v1/projects/arb-test/zones/mars-1-a/instances", "good", 403),
        ("/compute/v1/nowhere", "good", 404),
        ("/computeMetadata/v1/instance/preempted", "", 403),
    ],
)  # fmt: skip
def test_requests_are_held_to_the_description(paper_gcp, path, token, status):
    if token == "good":
        token = paper_gcp.accounts.give(paper_gcp.accounts.email)["access_token"]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    assert status_of(paper_gcp.url + path, headers) == status


def test_a_token_ends_after_an_hour(paper_gcp):
    token = paper_gcp.accounts.give(paper_gcp.accounts.email)["access_token"]
    paper_gcp.advance(3601)
    url = f"{paper_gcp.url}/compute/v1/projects/arb-test"
    assert status_of(url, {"Authorization": f"Bearer {token}"}) == 401


def test_an_answer_that_is_not_as_described_is_noticed():
    api = discovery.load("compute.v1")
    assert api.fault_of_value("Instance", {"name": "x", "status": "RUNNING"}) == ""
    for wrong in ({"status": "UP"}, {"id": 7}, {"colour": "red"}, {"labels": {"a": 1}}):
        assert api.fault_of_value("Instance", wrong)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("", True),
        ('labels.arb-owner = "me"', True),
        ("labels.arb-owner=you", False),
        ("labels.arb-owner:*", True),
        ("labels.nothing:*", False),
        ('(name = "a") OR (name = "vm-1")', True),
        ('(name = "a") (zone = "z")', False),
        ('(name = "vm-1") AND (zone = "z")', True),
        ("scheduling.automaticRestart = false", True),
        ('name eq "vm-.*"', True),
        ("name ne vm-1", False),
        ('name eq "m-1"', False),
        ("count > 1", True),
        ("name:m-1", True),
    ],
)
def test_filters_mean_what_google_says(text, fits):
    item = {
        "name": "vm-1",
        "zone": "z",
        "count": "2",
        "labels": {"arb-owner": "me"},
        "scheduling": {"automaticRestart": False},
    }
    assert parse_filter(text)(item) is fits


@pytest.mark.parametrize(
    "text",
    [
        'name = "a" AND',
        '(name = "a"',
        'name = "a")',
        "name",
        '(name eq "a") (zone = "b")',
        "=",
        "AND",
    ],
)
def test_filters_that_are_none_are_refused(text):
    with pytest.raises(WrongFilter):
        parse_filter(text)


def test_a_field_mask_leaves_what_it_names():
    value = {"items": {"a": {"list": [{"x": 1, "y": 2}], "warning": 3}}, "next": "t", "kind": "k"}
    assert masked(value, "items/*/list(x),next") == {
        "items": {"a": {"list": [{"x": 1}]}},
        "next": "t",
    }
    assert masked(value, "kind") == {"kind": "k"}
    assert masked(value, "") == value
    with pytest.raises(WrongFilter):
        masked(value, "items/*/list(x")
