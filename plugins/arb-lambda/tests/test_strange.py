"""Answers as the API's description allows them, with nothing that it does not promise."""

from __future__ import annotations

from arb.types import InstanceRef, InstanceState
from arb_lambda import plugin


def test_a_whole_life_with_strange_answers(account, tmp_path):
    account.cloud.configure(strange=True, boot_delay_s=60)
    request = account.request(3, ports=("8080",))
    result = account.provision(request)
    assert [i.state for i in account.list().instances] == [InstanceState.PENDING] * 3
    account.cloud.advance(61)
    found = account.list(tokens=frozenset(s.token for s in request.setups))
    assert {i.id for i in found.instances} == {i.id for i in result.instances}
    assert {i.state for i in found.instances} == {InstanceState.RUNNING}
    assert all(i.address and i.token and not i.private_address for i in found.instances)
    cluster = account.cluster(request, result)
    plugin.arb_open_ports(account.context(), cluster, ("9000",))
    assert all(account.cloud.lets_in(i.id, 9000) for i in result.instances)
    for machine in found.instances:
        ref = InstanceRef(
            "lambda", machine.id, machine.region, machine.token, account=found.account
        )
        assert plugin.arb_terminate(account.context(), ref).gone
    plugin.arb_cleanup(account.context(), cluster)
    assert {entry.kind for entry in account.cloud.ledger().alive()} == {"key"}
    assert plugin.arb_check(account.context()).status.value == "ok"
