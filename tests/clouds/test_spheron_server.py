"""The simulated Spheron says what the recorded answers say, and takes nothing else."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from support.command import eventually

from arb.nodes.keys import generate_key
from clouds.spheron import KEY, OTHER_KEY

RECORDED = Path(__file__).parents[2] / "plugins" / "arb-spheron" / "tests" / "data"
PUBLIC = generate_key().public


def recorded(name):
    return json.loads((RECORDED / f"{name}.json").read_text())


def api(cloud, method, path, body=None, *, key=KEY):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(cloud.url + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def order(**changes):
    body = {**recorded("deployment-request"), "ssh_public_key": PUBLIC} | changes
    return {name: value for name, value in body.items() if value is not None}


def deploy(cloud, **changes):
    status, made = api(cloud, "POST", "/api/deployments", order(**changes))
    assert status == 201, made
    return made


def shape(value):
    """Return names and kinds; a list counts by its first element, a null as nothing in particular."""
    if isinstance(value, dict):
        return {name: shape(v) for name, v in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return {int: "number", float: "number", type(None): None}.get(type(value), type(value).__name__)


def like(answer, example):
    """Say whether an answer has everything that a recorded one has, of the same kind."""
    if isinstance(example, dict):
        return isinstance(answer, dict) and all(
            name in answer and like(answer[name], v) for name, v in example.items()
        )
    if isinstance(example, list):
        return not example or (bool(answer) and like(answer[0], example[0]))
    return example is None or answer is None or example == answer


# -- shapes --------------------------------------------------------------------------------


def test_deployments_look_like_the_recorded_ones(paper_spheron):
    paper_spheron.configure(boot_delay_s=120)
    made = deploy(paper_spheron)
    assert like(shape(made), shape(recorded("deployment-deploying")))
    paper_spheron.advance(121)
    status, running = api(paper_spheron, "GET", f"/api/deployments/{made['id']}")
    assert (status, running["status"]) == (200, "running")
    assert like(shape(running), shape(recorded("deployment-running")))
    _, listed = api(paper_spheron, "GET", "/api/deployments?status=all")
    assert like(shape(listed), shape(recorded("deployments-list")))
    paper_spheron.preempt(made["id"])
    _, taken = api(paper_spheron, "GET", f"/api/deployments/{made['id']}")
    assert taken["status"] == "terminated-provider"
    assert like(shape(taken), shape(recorded("deployment-preempted")))


def test_offers_look_like_the_recorded_ones(paper_spheron):
    paper_spheron.configure(page_size=1)
    _, first = api(paper_spheron, "GET", "/api/gpu-offers?page=1&limit=50&sortOrder=desc", key="")
    example = recorded("gpu-offers-page1")
    assert like(shape(first), shape(example))
    assert first["totalPages"] == first["total"] > 2
    _, second = api(paper_spheron, "GET", "/api/gpu-offers?page=2&limit=50&sortOrder=desc", key="")
    assert second["data"][0]["gpuType"] != first["data"][0]["gpuType"]


@pytest.mark.parametrize(
    ("path", "example"),
    [("/api/balance", "balance"), ("/api/providers", "providers")],
    ids=["balance", "providers"],
)
def test_small_answers_look_like_the_recorded_ones(paper_spheron, path, example):
    status, answer = api(paper_spheron, "GET", path)
    assert status == 200
    assert like(shape(answer), shape(recorded(example)))


def test_the_floor_is_told_as_recorded_and_then_over(paper_spheron):
    path = f"/api/deployments/{deploy(paper_spheron)['id']}"
    paper_spheron.advance(8 * 60 + 1)
    status, refused = api(paper_spheron, "DELETE", path)
    assert (status, refused) == (400, recorded("error-minimum-runtime"))
    assert api(paper_spheron, "GET", f"{path}/can-terminate")[1] == recorded("can-terminate")
    paper_spheron.advance(12 * 60)
    status, ended = api(paper_spheron, "DELETE", path)
    assert status == 200
    assert like(shape(ended), shape(recorded("delete-ok")))
    assert api(paper_spheron, "DELETE", path) == (400, recorded("error-already-terminated"))
    assert paper_spheron.ledger().alive() == []


def test_errors_are_the_recorded_ones(paper_spheron):
    missing = api(paper_spheron, "GET", "/api/deployments/dep_nothing")
    assert missing == (404, recorded("error-not-found"))
    paper_spheron.set_capacity("n3-RTX-A4000x1__NORWAY-1", 0)
    wish = {"provider": "spheron-ai", "offerId": "n3-RTX-A4000x1__NORWAY-1", "gpuType": None}
    wish |= {"region": "NORWAY-1", "instanceType": "DEDICATED"}
    status, refused = api(paper_spheron, "POST", "/api/deployments", order(**wish))
    assert status == 500
    assert (
        refused["error"].replace("n3-RTX-A4000x1", "RTX-A4000") == recorded("error-stock")["error"]
    )


# -- strictness ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tags": ["x"]}, "tags is not allowed"),
        ({"region": None}, "region is required"),
        ({"name": None}, "name is required"),
        ({"gpuCount": "1"}, "gpuCount must be a int"),
        ({"gpuCount": 2}, "gpuCount must be 1"),
        ({"region": "CANADA-2"}, "region is not a cluster"),
        ({"operatingSystem": "ubuntu"}, "operatingSystem is not an option"),
        ({"instanceType": "DEDICATED"}, "instanceType does not match"),
        ({"sshKeyId": "key_0001"}, "exactly one of sshKeyId and ssh_public_key"),
        ({"ssh_public_key": "hello"}, "ssh_public_key is not a public key"),
        ({"name": "under_score"}, "name is not valid"),
        ({"cloudInit": {"write_files": []}}, "cloudInit.write_files is not allowed"),
        ({"cloudInit": {"runcmd": [["sh"]]}}, "runcmd[0] must be a str"),
        ({"cloudInit": {"writeFiles": [{"path": "/x"}]}}, "content is required"),
        (
            {"cloudInit": {"writeFiles": [{"path": "/x", "content": "", "permissions": "644"}]}},
            "permissions is not valid",
        ),
        ({"kubernetesAddon": {"version": "1"}}, "kubernetesAddon is not supported"),
    ],
)
def test_orders_of_another_form_are_refused(paper_spheron, changes, told):
    status, refused = api(paper_spheron, "POST", "/api/deployments", order(**changes))
    assert (status, refused["error"]) == (400, "Input payload validation failed")
    assert told in refused["details"][0]["message"]
    assert paper_spheron.ledger().entries == []


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"offerId": "nothing"}, 400, "Invalid offer"),
        ({"provider": "sesterce"}, 400, "Invalid offer"),
        ({"gpuType": "H100_SXM5"}, 400, "Bad Request"),
        ({"teamId": "team_0900"}, 404, "Team not found"),
    ],
    ids=["offer", "provider", "gpu", "team"],
)
def test_orders_of_what_is_not_there_are_refused(paper_spheron, changes, status, told):
    answer = api(paper_spheron, "POST", "/api/deployments", order(**changes))
    assert (answer[0], answer[1]["error"]) == (status, told)


def test_an_offer_with_both_prices_is_sold_as_both(paper_spheron):
    wish = {"provider": "data-crunch", "offerId": "1H100.80S.32V_FIN-03_500", "gpuType": None}
    wish |= {"region": "Finland 3", "operatingSystem": "Ubuntu 22.04"}
    spot = deploy(paper_spheron, **wish, instanceType="SPOT", name="a")
    whole = deploy(paper_spheron, **wish, instanceType="DEDICATED", name="b")
    assert (spot["hourlyRate"], whole["hourlyRate"]) == (0.8, 2.91)


# -- accounts and limits -------------------------------------------------------------------


def test_only_prices_are_for_everybody(paper_spheron):
    assert api(paper_spheron, "GET", "/api/gpu-offers", key="")[0] == 200
    assert api(paper_spheron, "GET", "/api/gpu-offers", key="sai_pk_wrong")[0] == 401
    assert api(paper_spheron, "GET", "/api/balance", key="")[0] == 401
    paper_spheron.configure(api_enabled=False)
    assert api(paper_spheron, "GET", "/api/balance")[0] == 403


def test_another_account_sees_nothing(paper_spheron):
    made = deploy(paper_spheron)
    assert api(paper_spheron, "GET", "/api/deployments?status=all", key=OTHER_KEY) == (200, [])
    for method in ("GET", "DELETE"):
        path = f"/api/deployments/{made['id']}"
        assert api(paper_spheron, method, path, key=OTHER_KEY)[0] == 404
    paper_spheron.add_foreign("by-hand")
    names = [d["name"] for d in api(paper_spheron, "GET", "/api/deployments")[1]]
    assert names == [made["name"], "by-hand"]


def test_reads_and_orders_are_limited_by_the_clouds_clock(paper_spheron):
    paper_spheron.configure(reads=3, posts=1)
    for _ in range(3):
        assert api(paper_spheron, "GET", "/api/teams")[0] == 200
    assert api(paper_spheron, "GET", "/api/gpu-offers", key="")[0] == 429
    deploy(paper_spheron)
    assert api(paper_spheron, "POST", "/api/deployments", order())[0] == 429
    paper_spheron.advance(901)
    assert api(paper_spheron, "GET", "/api/teams")[0] == 200


def test_an_empty_balance_sells_nothing(paper_spheron):
    paper_spheron.set_balance(0)
    status, refused = api(paper_spheron, "POST", "/api/deployments", order())
    assert (status, refused["error"]) == (402, "Insufficient balance")


def test_keys_are_kept_listed_used_and_end(paper_spheron):
    body = {"name": "arb-x", "publicKey": PUBLIC}
    status, key = api(paper_spheron, "POST", "/api/ssh-keys", body)
    assert status == 201
    assert like(shape(api(paper_spheron, "GET", "/api/ssh-keys")[1]), shape(recorded("ssh-keys")))
    deploy(paper_spheron, ssh_public_key=None, sshKeyId=key["id"])
    api(paper_spheron, "DELETE", f"/api/ssh-keys/{key['id']}")
    assert paper_spheron.ledger().alive("key") == []


def test_a_temporary_key_ends_with_its_machine(paper_spheron):
    made = deploy(paper_spheron)
    assert [e.id for e in paper_spheron.ledger().alive("key")] == [made["tempSshKeyId"]]
    paper_spheron.preempt(made["id"])
    assert paper_spheron.ledger().alive("key") == []


# -- machines ------------------------------------------------------------------------------


def test_a_deployment_that_failed_may_be_billed_until_it_is_deleted(paper_spheron):
    paper_spheron.configure(boots="fail", failed_bills=True)
    made = deploy(paper_spheron)
    _, shown = api(paper_spheron, "GET", f"/api/deployments/{made['id']}")
    assert shown["status"] == "failed"
    paper_spheron.advance(600)
    assert len(paper_spheron.ledger().alive("machine")) == 1
    assert api(paper_spheron, "DELETE", f"/api/deployments/{made['id']}")[0] == 200
    assert paper_spheron.ledger().alive("machine") == []
    assert paper_spheron.ledger().usd() == pytest.approx(1.15 / 6, abs=0.01)


def test_pages_and_lag_of_the_listing(paper_spheron):
    names = [deploy(paper_spheron, name=f"arb-{i}")["name"] for i in range(5)]
    paper_spheron.configure(page_size=2)
    pages = [api(paper_spheron, "GET", f"/api/deployments?page={n}")[1] for n in (1, 2, 3)]
    assert [d["name"] for page in pages for d in page["deployments"]] == names
    assert {page["totalPages"] for page in pages} == {3}
    paper_spheron.configure(page_size=0, listing_lag_s=30)
    assert api(paper_spheron, "GET", "/api/deployments") == (200, [])


@pytest.mark.parametrize("ports", ["sshPort", "forwards"])
def test_the_ssh_server_is_where_the_deployment_says(spheron, ports):
    spheron.configure(ports=ports)
    made = deploy(spheron)
    forwards = {f["internal"]: f["external"] for f in made.get("portForwards", ())}
    port = made["sshPort"] or forwards[22]

    def greeting():
        try:
            with socket.create_connection((made["ipAddress"], port), timeout=10) as ssh:
                return ssh.recv(4)
        except ConnectionRefusedError:
            return b""

    assert eventually(greeting, what="the SSH server") == b"SSH-"
