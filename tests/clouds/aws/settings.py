"""What can be chosen about the simulated AWS."""

from __future__ import annotations

from dataclasses import dataclass

from clouds.aws.shop import SOME_TYPES
from clouds.model import Settings

__all__ = ["AwsSettings"]


@dataclass
class AwsSettings(Settings):
    """How the simulated AWS behaves. The facts leave some of this open: all of it is tried.

    Attributes:
        regions: Those that are enabled for the accounts; calls to others are ``AuthFailure``.
        closed_regions: Those that a policy of the organization closed, though they are enabled.
        types: Instance types that there are; empty means all that moto knows.
        image_gib: Size of the disk that images are made of.
        gpu_names: The deep learning images have ``-gpu`` in their parameter's name.
        has_parameters: Systems Manager publishes images at all.
        spot_takes_shutdown: A shutdown behaviour is accepted beside spot options.
        shows_zone_ids: Instances are shown with the id of their zone, too.
        spot_ids: The spot price history names zones by their ids, too.
        shown_s: For how long an ended instance is still shown.
        odd_state: What running instances show instead, as a state that nobody knows yet.
        rebalance: The metadata service recommends to leave.
    """

    regions: tuple[str, ...] = ("us-east-1", "us-east-2", "us-west-2")
    closed_regions: tuple[str, ...] = ()
    types: tuple[str, ...] = SOME_TYPES
    image_gib: int = 45
    gpu_names: bool = True
    has_parameters: bool = True
    spot_takes_shutdown: bool = False
    shows_zone_ids: bool = False
    spot_ids: bool = True
    shown_s: float = 3600
    odd_state: str = ""
    rebalance: bool = False
    power_off: str = "gone"
