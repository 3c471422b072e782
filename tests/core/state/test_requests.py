from __future__ import annotations

from dataclasses import replace

from arb.state.requests import digest, dump_request, load_request
from arb.types import HostKey, NodeFile, NodeSetup, Offer, ProvisionRequest

SETUP = NodeSetup(
    token="arb-o-c-000-0000", rank=0, authorized_key="ssh-ed25519 AAAA client",
    host_key=HostKey("ssh-ed25519 AAAA host", "PRIVATE-KEY"),
    files=(NodeFile("/etc/ssh/arb_host_ed25519", "FILE-SECRET"),), commands=("systemctl x",),
)  # fmt: skip
REQUEST = ProvisionRequest(
    cluster="train", token="arb-o-c-000", offer=Offer("aws", "o1", "us", "p5", 3.0), count=2,
    setups=(SETUP, NodeSetup("arb-o-c-000-0001", 1, "ssh-ed25519 AAAA client")),
    ports=("8080", "9000-9010"), labels={"team": "x"}, disk_gib=100.0, image="img",
)  # fmt: skip


def test_a_kept_request_holds_no_secret() -> None:
    text = dump_request(REQUEST)

    assert "PRIVATE-KEY" not in text
    assert "FILE-SECRET" not in text


def test_a_kept_request_comes_back_complete_but_for_secrets() -> None:
    back = load_request(dump_request(REQUEST))

    bare = replace(
        SETUP,
        host_key=HostKey("ssh-ed25519 AAAA host", ""),
        files=(NodeFile("/etc/ssh/arb_host_ed25519", ""),),
    )
    assert back == replace(REQUEST, setups=(bare, REQUEST.setups[1]))


def test_fields_of_another_version_are_passed_over() -> None:
    text = dump_request(REQUEST).replace('"count": 2', '"count": 2, "later": 1')

    assert load_request(text).count == 2


def test_a_digest_tells_requests_apart_also_by_their_secrets() -> None:
    other_key = replace(SETUP, host_key=HostKey("ssh-ed25519 AAAA host", "OTHER"))

    assert digest(REQUEST) == digest(replace(REQUEST))
    assert digest(REQUEST) != digest(replace(REQUEST, setups=(other_key, REQUEST.setups[1])))
    assert digest(REQUEST) != digest(replace(REQUEST, count=3))
    assert len(digest(REQUEST)) == 64
