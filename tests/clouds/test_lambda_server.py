"""The simulated Lambda says what the recorded answers say, and takes nothing else."""

from __future__ import annotations

import base64
import json
import socket
import urllib.error
import urllib.request

import pytest
from support.command import eventually

from arb.nodes.keys import generate_key
from clouds.http import Answer, Request
from clouds.lambda_cloud import KEY, OTHER_KEY
from clouds.lambda_cloud.customer import recorded
from clouds.lambda_cloud.openapi import described

PUBLIC = generate_key().public.strip()


@pytest.fixture
def cloud(paper_lambda):
    """Without limits; a test of limits sets them."""
    paper_lambda.configure(calls_per_s=0, launch_every_s=0)
    return paper_lambda


def api(cloud, method, path, body=None, *, key=KEY, headers=None):
    headers = headers or {"Authorization": f"Bearer {key}"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{cloud.url}/api/v1{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            text = error.read()
            return error.code, json.loads(text) if text.startswith(b"{") else text


def order(**changes):
    body = recorded("launch-request")
    body["user_data"] = body["user_data"].replace("[touch, ", "touch ").replace("]", "")
    body |= changes
    return {name: value for name, value in body.items() if value is not None}


def launch(cloud, **changes):
    name = changes.get("ssh_key_names", ["arb-5f2c"])[0]
    api(cloud, "POST", "/ssh-keys", {"name": name, "public_key": PUBLIC})
    status, made = api(cloud, "POST", "/instance-operations/launch", order(**changes))
    assert status == 200, made
    (id_,) = made["data"]["instance_ids"]
    return id_


def show(cloud, id_):
    return api(cloud, "GET", f"/instances/{id_}")[1]["data"]


def end(cloud, id_):
    return api(cloud, "POST", "/instance-operations/terminate", {"instance_ids": [id_]})


def shape(value):
    """Return names and kinds; a list counts by its first element."""
    if isinstance(value, dict):
        return {name: shape(v) for name, v in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def like(answer, example):
    """Say whether an answer has everything that a recorded one has, of the same kind."""
    if isinstance(example, dict):
        return isinstance(answer, dict) and all(
            name in answer and like(answer[name], v) for name, v in example.items()
        )
    if isinstance(example, list):
        return not example or (bool(answer) and like(answer[0], example[0]))
    return example == answer


# -- shapes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "example"),
    [
        ("/regions", "regions"),
        ("/images", "images"),
        ("/file-systems", "file-systems"),
        ("/firewall-rules", "firewall-rules"),
        ("/ssh-keys", "ssh-keys-list"),
    ],
)
def test_answers_look_like_the_recorded_ones(cloud, path, example):
    status, answer = api(cloud, "GET", path)
    assert status == 200
    assert like(shape(answer), shape(recorded(example)))


def test_types_look_like_the_recorded_ones(cloud):
    _, answer = api(cloud, "GET", "/instance-types")
    for name, example in recorded("instance-types")["data"].items():
        assert like(shape(answer["data"][name]), shape(example))


def test_machines_look_like_the_recorded_ones(cloud):
    cloud.configure(boot_delay_s=120, end_delay_s=30)
    id_ = launch(cloud)
    assert like(shape(show(cloud, id_)), shape(recorded("instance-booting")["data"]))
    assert "ip" not in show(cloud, id_)
    cloud.advance(121)
    _, listed = api(cloud, "GET", "/instances")
    (own,) = [row for row in listed["data"] if row["id"] == id_]
    assert like(shape([own]), shape(recorded("instances-list")["data"]))
    status, ended = end(cloud, id_)
    assert (status, ended["data"]["terminated_instances"][0]["status"]) == (200, "terminating")
    example = recorded("terminate-response")
    assert like(shape(ended), shape(example))


def test_a_machine_goes_through_all_its_states(cloud):
    cloud.configure(boot_delay_s=120, end_delay_s=30, terminated_listed_s=60)
    id_ = launch(cloud)
    states = [show(cloud, id_)["status"]]
    for wait in (121, 0):
        cloud.advance(wait)
        states.append(show(cloud, id_)["status"])
        end(cloud, id_)
    cloud.advance(31)
    states.append(show(cloud, id_)["status"])
    assert states == ["booting", "active", "terminating", "terminated"]
    cloud.advance(61)
    assert api(cloud, "GET", f"/instances/{id_}") == (404, recorded("instance-not-found"))
    assert cloud.ledger().alive("machine") == []


def test_errors_are_the_recorded_ones(cloud):
    def error(status, told, example):
        wanted = recorded(f"error-{example}")["error"]
        assert 400 <= status < 500
        assert told["error"]["code"] == wanted["code"]
        assert set(wanted) <= set(told["error"])

    error(*api(cloud, "GET", "/regions", key="secret_wrong"), "invalid-api-key")
    cloud.set_capacity("gpu_1x_a10@us-east-1", 0)
    api(cloud, "POST", "/ssh-keys", {"name": "arb-5f2c", "public_key": PUBLIC})
    path = "/instance-operations/launch"
    error(*api(cloud, "POST", path, order()), "insufficient-capacity")
    cloud.set_quota("instances", 0)
    cloud.set_capacity("gpu_1x_a10@us-east-1", None)
    error(*api(cloud, "POST", path, order()), "quota-exceeded")
    error(*api(cloud, "POST", path, order(ssh_key_names=["no"])), "object-does-not-exist")
    error(*api(cloud, "POST", path, order(quantity=2)), "invalid-parameters")
    cloud.configure(account="inactive")
    error(*api(cloud, "GET", "/regions"), "account-inactive")


# -- strictness ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"quantity": 1}, 400, "quantity is not a known field"),
        ({"region_name": None}, 400, "region_name is required"),
        ({"ssh_key_names": None}, 400, "ssh_key_names is required"),
        ({"ssh_key_names": ["a", "b"]}, 400, "Exactly one SSH key"),
        ({"ssh_key_names": []}, 400, "Exactly one SSH key"),
        ({"name": 7}, 400, "name must be a str"),
        ({"name": "x" * 65}, 400, "name is too long"),
        ({"hostname": "-x"}, 400, "hostname is not valid"),
        ({"user_data": "#!/bin/sh\ntrue\n"}, 400, "not a #cloud-config document"),
        ({"user_data": "#cloud-config\n#" + "x" * 1_000_000}, 400, "user_data is too large"),
        ({"tags": [{"key": "Arb", "value": "x"}]}, 400, "tag key 'Arb' is not valid"),
        ({"tags": [{"key": "a" * 56, "value": "x"}]}, 400, "is not valid"),
        ({"tags": [{"key": "ab", "value": "x" * 129}]}, 400, "is too long"),
        ({"tags": [{"key": "ab"}]}, 400, "A tag has a key and a value"),
        ({"image": {"name": "x"}}, 400, "image must have an id or a family"),
        ({"image": {"family": "beos"}}, 404, "The image does not exist"),
        ({"firewall_rulesets": ["x"]}, 400, "firewall_rulesets must have ids"),
        ({"firewall_rulesets": [{"id": "x"}]}, 404, "Firewall ruleset does not exist"),
        ({"file_system_names": ["x"]}, 400, "no file systems"),
        ({"region_name": "moon-1"}, 400, "region_name is not a region"),
        ({"instance_type_name": "gpu_9x"}, 404, "Instance type gpu_9x does not exist"),
    ],
)
def test_launches_of_another_form_are_refused(cloud, changes, status, told):
    api(cloud, "POST", "/ssh-keys", {"name": "arb-5f2c", "public_key": PUBLIC})
    refused = api(cloud, "POST", "/instance-operations/launch", order(**changes))
    assert refused[0] == status
    assert told in refused[1]["error"]["message"]
    assert cloud.ledger().of("machine") == []


@pytest.mark.parametrize(
    "rule",
    [
        {"protocol": "sctp"},
        {"port_range": [0, 22]},
        {"port_range": [23, 22]},
        {"port_range": [22]},
        {"port_range": None},
        {"protocol": "icmp"},
        {"source_network": "10.0.0.0/8"},
        {"source_network": "everybody"},
        {"description": "x" * 129},
        {"action": "allow"},
    ],
    ids=str,
)
def test_rules_of_another_form_are_refused(cloud, rule):
    good = recorded("firewall-rules")["data"][0]
    body = {name: value for name, value in {**good, **rule}.items() if value is not None}
    whole = {"name": "x", "region": "us-east-1", "rules": [body]}
    status, refused = api(cloud, "POST", "/firewall-rulesets", whole)
    assert (status, refused["error"]["code"]) == (400, "global/invalid-parameters")


@pytest.mark.parametrize("region", ["us-south-1", "moon-1"])
def test_some_regions_have_no_firewall(cloud, region):
    body = {"name": "x", "region": region, "rules": []}
    assert api(cloud, "POST", "/firewall-rulesets", body)[0] == 400


def test_a_wrong_path_and_a_strange_parameter_are_refused(cloud):
    assert api(cloud, "GET", "/nothing")[1]["error"]["code"] == "global/not-found"
    assert api(cloud, "PATCH", "/regions", {})[0] == 404
    assert api(cloud, "GET", "/instances?page=2")[0] == 400


# -- accounts and limits -------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [f"Bearer {KEY}", f"Basic {KEY}", "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()],
    ids=["bearer", "bare", "basic"],
)
def test_a_key_comes_as_bearer_or_basic(cloud, header):
    assert api(cloud, "GET", "/regions", headers={"Authorization": header})[0] == 200


@pytest.mark.parametrize("header", ["", "Basic x", f"Token {KEY}", "Bearer secret_wrong"])
def test_everybody_else_is_refused(cloud, header):
    assert api(cloud, "GET", "/regions", headers={"Authorization": header})[0] == 401


def test_another_account_sees_nothing(cloud):
    id_ = launch(cloud)
    for path in ("/instances", "/ssh-keys", "/firewall-rulesets"):
        assert api(cloud, "GET", path, key=OTHER_KEY) == (200, {"data": []})
    assert api(cloud, "GET", f"/instances/{id_}", key=OTHER_KEY)[0] == 404


def test_calls_and_launches_are_limited_by_the_clouds_clock(cloud):
    launch(cloud)
    cloud.configure(calls_per_s=1, launch_every_s=12, retry_after=True)
    path = "/instance-operations/launch"
    assert api(cloud, "POST", path, order(name="a"))[0] == 200
    assert api(cloud, "GET", "/regions") == (429, b"Too Many Requests")
    cloud.advance(1)
    assert api(cloud, "GET", "/regions")[0] == 200
    cloud.advance(9)
    assert api(cloud, "POST", path, order(name="b"))[0] == 429
    cloud.advance(2)
    assert api(cloud, "POST", path, order(name="c"))[0] == 200


# -- keys and rules ------------------------------------------------------------------------


def test_key_names_are_unique_unless_two_are_made_at_once(cloud):
    body = {"name": "arb-5f2c", "public_key": PUBLIC}
    assert api(cloud, "POST", "/ssh-keys", body)[0] == 200
    status, refused = api(cloud, "POST", "/ssh-keys", body)
    assert (status, refused["error"]["message"]) == (400, "Key name must be unique")
    cloud.configure(duplicate_names=True)
    assert api(cloud, "POST", "/ssh-keys", body)[0] == 200
    status, refused = api(cloud, "POST", "/instance-operations/launch", order())
    assert (status, refused["error"]["code"]) == (500, "global/unknown")


def test_a_rule_set_in_use_stays_until_its_machines_are_gone(cloud):
    body = {"name": "x", "region": "us-east-1", "rules": recorded("firewall-rules")["data"]}
    made = api(cloud, "POST", "/firewall-rulesets", body)[1]["data"]
    id_ = launch(cloud, firewall_rulesets=[{"id": made["id"]}])
    _, found = api(cloud, "GET", f"/firewall-rulesets/{made['id']}")
    assert found["data"]["instance_ids"] == [id_]
    assert api(cloud, "DELETE", f"/firewall-rulesets/{made['id']}")[0] == 400
    end(cloud, id_)
    assert api(cloud, "DELETE", f"/firewall-rulesets/{made['id']}") == (200, {"data": {}})
    assert cloud.ledger().alive("ruleset") == []


def test_who_reaches_a_machine_is_what_its_rules_and_those_of_all_regions_say(cloud):
    rule = {**recorded("firewall-rules")["data"][0], "port_range": [8000, 8010]}
    body = {"name": "x", "region": "us-east-1", "rules": [rule]}
    made = api(cloud, "POST", "/firewall-rulesets", body)[1]["data"]
    id_ = launch(cloud, firewall_rulesets=[{"id": made["id"]}])
    reached = [port for port in (22, 80, 8000, 8011) if cloud.lets_in(id_, port)]
    assert reached == [22, 8000]


def test_whatever_happens_to_somebody_elses_belongings_is_told(paper_lambda):
    cloud = paper_lambda
    cloud.configure(calls_per_s=0)
    before = [dict(rule) for rule in cloud.firewalls.account_rules]
    api(cloud, "PUT", "/firewall-rules", {"data": []})
    assert cloud.changed_of_others() == ["the account's rules"]
    cloud.firewalls.account_rules = before
    assert cloud.changed_of_others() == []
    entry = next(e for e in cloud.ledger().entries if e.name == "web")
    api(cloud, "PATCH", f"/firewall-rulesets/{entry.id}", {"name": "ours"})
    assert cloud.changed_of_others() == ["ruleset web"]
    api(cloud, "PATCH", f"/firewall-rulesets/{entry.id}", {"name": "web"})


# -- machines ------------------------------------------------------------------------------


def test_a_booting_machine_cannot_be_ended_and_an_ending_one_not_again(cloud):
    cloud.configure(boot_delay_s=60, end_delay_s=60)
    id_ = launch(cloud)
    assert show(cloud, id_)["actions"]["terminate"]["reason_code"] == "vm-has-not-launched"
    assert end(cloud, id_)[0] == 400
    cloud.advance(61)
    assert end(cloud, id_)[0] == 200
    assert end(cloud, id_)[1]["error"]["code"] == "global/unknown"
    assert api(cloud, "POST", "/instance-operations/restart", {"instance_ids": [id_]})[0] == 409


def test_a_preempted_machine_is_billed_until_it_is_ended(cloud):
    id_ = launch(cloud)
    cloud.preempt(id_)
    assert show(cloud, id_)["status"] == "preempted"
    cloud.advance(3600)
    assert [e.id for e in cloud.ledger().alive("machine")] == [id_]
    assert end(cloud, id_)[1]["data"]["terminated_instances"][0]["status"] == "terminated"
    assert cloud.ledger().alive("machine") == []
    assert cloud.ledger().usd() == pytest.approx(1.29, abs=0.01)


def test_stock_is_told_unless_it_is_a_phantom(cloud):
    def regions():
        types = api(cloud, "GET", "/instance-types")[1]["data"]
        listed = types["gpu_1x_a10"]["regions_with_capacity_available"]
        return [region["name"] for region in listed]

    assert regions() == ["us-east-1", "us-west-1", "europe-central-1"]
    cloud.set_capacity("gpu_1x_a10@us-east-1", 0)
    assert regions() == ["us-west-1", "europe-central-1"]
    cloud.configure(phantom=True)
    assert regions()[0] == "us-east-1"


def test_listings_lag_as_told(cloud):
    launch(cloud)
    cloud.configure(listing_lag_s=30)
    assert api(cloud, "GET", "/instances") == (200, {"data": []})
    cloud.advance(31)
    assert len(api(cloud, "GET", "/instances")[1]["data"]) == 2


def test_a_machine_may_be_renamed(cloud):
    id_ = launch(cloud)
    assert api(cloud, "POST", f"/instances/{id_}", {"name": "mine"})[1]["data"]["name"] == "mine"


def test_the_ssh_server_is_where_the_instance_says(lambda_cloud):
    lambda_cloud.configure(calls_per_s=0, launch_every_s=0)
    shown = show(lambda_cloud, launch(lambda_cloud))

    def greeting():
        try:
            where = (shown["ip"], lambda_cloud.nodes.port)
            with socket.create_connection(where, timeout=10) as ssh:
                return ssh.recv(4)
        except ConnectionRefusedError:
            return b""

    assert eventually(greeting, what="the SSH server") == b"SSH-"


# -- the vendor's own description ----------------------------------------------------------

described_here = pytest.mark.skipif(described() is None, reason="the description is not here")


@described_here
@pytest.mark.parametrize(
    "example",
    ["launch-request", "ssh-key-add-request", "terminate-request"],
)
def test_recorded_requests_are_as_described(example):
    paths = {
        "launch-request": "/instance-operations/launch",
        "ssh-key-add-request": "/ssh-keys",
        "terminate-request": "/instance-operations/terminate",
    }
    body = json.dumps(recorded(example)).encode()
    request = Request("POST", f"/api/v1{paths[example]}", {}, {}, body)
    assert described().fault_of_request(request) == ""


@described_here
def test_what_is_not_as_described_is_found():
    description = described()
    request = Request("GET", "/api/v1/regions", {}, {})
    assert description.fault_of_answer(request, Answer(200, {"data": [{"name": "x"}]}))
    assert description.fault_of_answer(request, Answer(418, {}))
    assert description.fault_of_request(Request("GET", "/api/v1/nothing", {}, {}))
    assert description.fault_of_request(Request("GET", "/api/v1/regions", {"page": "2"}, {}))
    wrong = json.dumps({"instance_ids": [7]}).encode()
    path = "/api/v1/instance-operations/terminate"
    assert description.fault_of_request(Request("POST", path, {}, {}, wrong))


@described_here
def test_a_server_that_strays_from_the_description_is_told(paper_lambda):
    answer = Answer(200, {"data": [{"name": 7}]})
    paper_lambda._hold_against_description(Request("GET", "/api/v1/regions", {}, {}), answer)
    assert len(paper_lambda.untrue) == 1
    assert "GET /regions" in paper_lambda.untrue.pop()
