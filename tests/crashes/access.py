"""How a command gets at each simulated cloud: its environment and its ``config.yaml``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from clouds.gcp import Gcp
    from clouds.spheron import Spheron

__all__ = ["gcp", "spheron"]


def gcp(cloud: Gcp, folder: Path) -> tuple[dict[str, str], str]:
    """Return a service account's key, and addresses."""
    paths = {"COMPUTE": "/compute/v1/", "CLOUDBILLING": "/", "CLOUDRESOURCEMANAGER": "/"}
    env = {
        f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}": cloud.url + path for api, path in paths.items()
    }
    env["GOOGLE_APPLICATION_CREDENTIALS"] = cloud.write_key(str(folder / "key.json"))
    options = f"{{endpoints: {{metadata: {cloud.url}}}}}"
    return {**env, "NO_GCE_CHECK": "true"}, f"provider_options: {{gcp: {options}}}\n"


def spheron(cloud: Spheron, folder: Path) -> tuple[dict[str, str], str]:
    """Return address and key."""
    del folder
    from clouds.spheron import KEY

    return {"SPHERON_API_BASE": cloud.url, "SPHERON_API_KEY": KEY}, ""
