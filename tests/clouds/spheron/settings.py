"""What can be chosen about the simulated Spheron, and who its customers are."""

from __future__ import annotations

from dataclasses import dataclass

from clouds.model import Settings

__all__ = ["KEY", "OTHER_KEY", "SpheronSettings", "Team"]

KEY = "sai_pk_test_0001"
OTHER_KEY = "sai_pk_other_0002"


@dataclass
class SpheronSettings(Settings):
    """How the simulated Spheron behaves. The facts file leaves some of this open: all are tried.

    Attributes:
        phantom: Offers that are sold out are told to be available all the same.
        floor_from: ``started``, ``created`` or ``never``: when the twenty minutes begin.
        floor_holds: Statuses that are held to them.
        failed_bills: A deployment that failed is billed until it is deleted.
        reads: GETs in 15 minutes, for each address.
        posts: Orders in 15 minutes, for each user.
        retry_after: Whether a 429 says when.
        list_shape: ``array``: everything at once; ``array-paged``: ten on a page, or
            ``page_size``; ``object`` and ``data``: ``{deployments|data, totalPages}``.
        total_pages: How ``totalPages`` is told: as a ``number``, as a ``text``, or not at all
            (``none``).
        knows_pages: Whether parameters of pages are allowed; else they are refused.
        odd_status: Told instead of ``deploying`` and ``running``: neither active nor inactive.
        teams_shape: ``array``, ``teams`` or ``data``.
        ports: ``sshPort``, ``forwards``, or ``mixed``.
        tell_user: Whether ``user`` is filled.
        empty_delete: Whether DELETE answers with an empty body.
        balance_status: Of "insufficient balance".
        echo_key: A refusal of a key repeats it.
        api_enabled: Whether the account may use the API at all.
        discount: Of the team, as a share of the price.
    """

    phantom: bool = True
    floor_from: str = "started"
    floor_holds: tuple[str, ...] = ("running", "deploying")
    failed_bills: bool = False
    reads: int = 100
    posts: int = 10
    retry_after: bool = True
    list_shape: str = "array"
    total_pages: str = "number"
    knows_pages: bool = True
    odd_status: str = ""
    teams_shape: str = "array"
    ports: str = "mixed"
    tell_user: bool = True
    empty_delete: bool = False
    balance_status: int = 402
    echo_key: bool = False
    api_enabled: bool = True
    discount: float = 0


@dataclass
class Team:
    """Who pays."""

    id: str
    name: str
    balance: float = 42.5
    role: str = "owner"
