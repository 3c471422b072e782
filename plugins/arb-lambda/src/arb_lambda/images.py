"""The image of a machine: looked up before anything is ordered, because a launch is dear to try."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ProviderUnavailable, RateLimited, RequestError, Scope, closest
from arb_lambda.bodies import BLOCK_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arb.types import Offer
    from arb_lambda.client import LambdaClient

__all__ = ["find_image"]

_ID: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def find_image(client: LambdaClient, offer: Offer, image: str) -> dict[str, str]:
    """Return an image in the form of a launch; of no text nothing: Lambda takes its newest.

    Args:
        client: Of the call.
        offer: What is ordered.
        image: Id or family, as the user wrote it.

    Raises:
        RequestError: There is none of it, or not there, or not for such machines.
        CredentialsError: The key was refused.
    """
    if not image:
        return {}
    try:
        rows = client.rows("/images", "id", "family")
    except (ProviderUnavailable, RateLimited):
        rows = []
    if not rows:  # nobody says which there are: the launch will
        return {"id" if _ID.fullmatch(image.lower()) else "family": image}
    by_id = [row for row in rows if row["id"] == image]
    found = by_id or [row for row in rows if row["family"] == image]
    _check(found, rows, offer, image)
    return {"id" if by_id else "family": image}


def _check(
    found: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], offer: Offer, image: str
) -> None:
    if not found:
        known = {row["family"] for row in rows if row["family"]}
        summary = f"lambda: {closest(image, known, what='image')}"
        raise _refused(summary, Scope.PROVIDER)
    here = [row for row in found if _region(row) in {"", offer.region}]
    if not here:
        places = ", ".join(sorted({_region(row) for row in found}))
        raise _refused(f"lambda has the image {image} in {places} only", Scope.REGION)
    archs = {str(row.get("architecture") or offer.arch) for row in here}
    if offer.arch not in archs:
        summary = (
            f"lambda: the image {image} is for {', '.join(sorted(archs))}, "
            f"{offer.instance_type} is {offer.arch}"
        )
        raise _refused(summary, Scope.INSTANCE_TYPE)


def _region(row: Mapping[str, Any]) -> str:
    region = row.get("region")
    return str(region.get("name") or "") if isinstance(region, dict) else ""


def _refused(summary: str, scope: Scope) -> RequestError:
    hint = "write an id or a family in image_id, or provider_options.lambda.image"
    return RequestError(summary, scope=scope, code="lambda-image", hint=hint, block_s=BLOCK_S)
