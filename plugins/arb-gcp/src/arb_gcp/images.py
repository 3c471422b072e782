"""Which image and boot disk a machine type takes, and how users name images."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from arb.types import Offer

__all__ = ["boot_disk_type", "default_image", "image_path"]

_UBUNTU: Final = "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-{arch}"
_WITH_DRIVER: Final = (
    "projects/ubuntu-os-accelerator-images/global/images/family/"
    "ubuntu-accelerator-2404-{arch}-with-nvidia-{driver}"
)
_DRIVER: Final = "570"
_NEW_DRIVER: Final = "580"
"""For accelerators that came after the usual branch."""
_NEEDS_NEW_DRIVER: Final = frozenset({"RTX-PRO-6000", "B300", "GB300"})
_HYPERDISK_ONLY: Final = re.compile(r"(a3-ultragpu|a4x?|g4|n4[ad]?|c4[ad]?)-.*")
_API_PREFIX: Final = re.compile(r"https://[^/]+/compute/[a-z0-9]+/")


def default_image(offer: Offer) -> str:
    """Return the image family for an offer: Ubuntu 24.04, with NVIDIA's driver where it has GPUs."""
    arch = "arm64" if offer.arch == "arm64" else "amd64"
    if not offer.accelerator:
        return _UBUNTU.format(arch=arch)
    driver = _NEW_DRIVER if offer.accelerator in _NEEDS_NEW_DRIVER else _DRIVER
    return _WITH_DRIVER.format(arch=arch, driver=driver)


def image_path(named: str) -> str:
    """Return an image as requests name it.

    Args:
        named: A whole address, a path from ``projects/`` on, ``family/NAME``, or the name of an
            image of the own project.
    """
    text = _API_PREFIX.sub("", named.strip())
    if text.startswith("family/"):
        return f"global/images/{text}"
    return text if "/" in text else f"global/images/{text}"


def boot_disk_type(instance_type: str) -> str:
    """Return a disk type that the machine type boots from."""
    return "hyperdisk-balanced" if _HYPERDISK_ONLY.fullmatch(instance_type) else "pd-balanced"
