"""Every hook with arguments that make sense, for checks that call them all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from arb.testing.orders import Bought, ContractOrders
from arb.testing.rig import OWNER
from arb.types import Capability

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arb.types import Instance

__all__ = ["Call", "ContractCalls"]

_ACTING: Final = frozenset(
    {"arb_provision", "arb_stop", "arb_start", "arb_open_ports", "arb_terminate", "arb_cleanup"}
)


@dataclass(frozen=True, slots=True)
class Call:
    """A hook with its arguments, ready to be called."""

    hook: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def looks(self) -> bool:
        """Whether the hook only reads."""
        return self.hook not in _ACTING


class ContractCalls(ContractOrders):
    """Calls of every hook."""

    def every_call(self, bought: Bought, machine: Instance) -> Sequence[Call]:
        """Return a call of every hook that the provider has, with a machine that runs."""
        ref, cluster = bought.ref(machine), self.cluster(bought, (machine,))
        order = {"request": bought.request, "handle": bought.result.handle}
        calls = (
            Call("arb_check"),
            Call("arb_catalog"),
            Call("arb_query_prices", {"offers": (bought.request.offer,)}),
            Call("arb_provision", {"request": self.request()}),
            Call("arb_poll", order),
            Call("arb_list_instances", {"query": bought.query}),
            Call("arb_list_leftovers", {"owner": OWNER}),
            Call("arb_ssh_ports", {"instance": machine}),
            Call("arb_credential_mounts"),
            Call("arb_self_terminate", {"instance": ref}),
            Call("arb_preemption_notice"),
            Call("arb_open_ports", {"cluster": cluster, "ports": ("8080",)}),
            Call("arb_stop", {"instances": (ref,)}),
            Call("arb_start", {"instances": (ref,)}),
            Call("arb_terminate", {"instance": ref}),
            Call("arb_cleanup", {"cluster": cluster}),
        )
        return [call for call in calls if call.hook in self.hooks]

    def money_calls(self, bought: Bought, machine: Instance) -> Sequence[Call]:
        """Return the calls that can do nothing without an answer of the provider."""
        hooks = {"arb_provision", "arb_list_instances", "arb_terminate"}
        if self.can(Capability.STOP):
            hooks |= {"arb_stop", "arb_start"}
        return [call for call in self.every_call(bought, machine) if call.hook in hooks]
