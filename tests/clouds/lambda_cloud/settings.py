"""What can be chosen about the simulated Lambda, and who its customers are."""

from __future__ import annotations

from dataclasses import dataclass

from clouds.model import Settings

__all__ = ["KEY", "OTHER_KEY", "LambdaSettings"]

KEY = "secret_arb_test.0001"
OTHER_KEY = "secret_arb_other.0002"


@dataclass
class LambdaSettings(Settings):
    """How the simulated Lambda behaves. The description leaves some of this open: all are tried.

    Attributes:
        calls_per_s: Calls in a second, for each account; 0 lifts the limit.
        launch_every_s: Seconds between two launches; 0 lifts the limit.
        retry_after: Whether a 429 says when.
        account: ``active``, ``inactive``, ``address`` (of billing, invalid) or ``forbidden``.
        phantom: Regions without capacity are told to have some.
        booting_can_end: Whether a machine can be terminated while it boots.
        preempted_bills: What was preempted is billed until somebody terminates it.
        terminated_listed_s: For so long after its end a machine is still shown.
        duplicate_names: Two SSH keys may have one name, as happens when two clients make them at
            once; then nothing can be launched with it.
        echo: Errors repeat what was sent.
        strange: Ids have signs that mean something in URLs, answers have fields that nobody knows
            and no optional ones.
        preempted_can_end: Whether what was preempted can be terminated; otherwise it keeps that
            status for ever.
    """

    calls_per_s: float = 1
    launch_every_s: float = 12
    retry_after: bool = False
    account: str = "active"
    phantom: bool = False
    booting_can_end: bool = False
    preempted_bills: bool = True
    terminated_listed_s: float = 60
    duplicate_names: bool = False
    echo: bool = False
    strange: bool = False
    preempted_can_end: bool = True
