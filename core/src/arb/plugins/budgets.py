"""How long each hook may take, in seconds. The specifications say the same (a test compares)."""

from __future__ import annotations

from typing import Final

__all__ = ["BUDGETS_S"]

BUDGETS_S: Final[dict[str, float]] = {
    "arb_provider_info": 1,
    "arb_check": 20,
    "arb_catalog": 20,
    "arb_query_prices": 5,
    "arb_provision": 120,
    "arb_poll": 20,
    "arb_list_instances": 30,
    "arb_terminate": 30,
    "arb_list_leftovers": 30,
    "arb_cleanup": 30,
    "arb_stop": 30,
    "arb_start": 60,
    "arb_ssh_ports": 5,
    "arb_open_ports": 30,
    "arb_credential_mounts": 1,
    "arb_self_terminate": 1,
    "arb_preemption_notice": 1,
    "arb_store_config": 10,
    "arb_validate_task": 2,
    "arb_adjust_offers": 2,
    "arb_event": 1,
}
