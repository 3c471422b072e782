"""How a command gets at each simulated cloud: its environment and its ``config.yaml``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from clouds.aws import Aws
    from clouds.gcp import Gcp
    from clouds.lambda_cloud import Lambda
    from clouds.spheron import Spheron

__all__ = ["aws", "gcp", "lambda_", "spheron"]


def aws(cloud: Aws, folder: Path) -> tuple[dict[str, str], str]:
    """Return an access key, and the address."""
    del folder
    from clouds.aws.accounts import OWN_KEY, SECRET

    keys = {"AWS_ACCESS_KEY_ID": OWN_KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    options = f"{{endpoint_url: {cloud.url}, ssh_port: 2222}}"
    return {**keys, "AWS_EC2_METADATA_DISABLED": "true"}, f"provider_options: {{aws: {options}}}\n"


def gcp(cloud: Gcp, folder: Path) -> tuple[dict[str, str], str]:
    """Return a service account's key, and addresses."""
    paths = {"COMPUTE": "/compute/v1/", "CLOUDBILLING": "/", "CLOUDRESOURCEMANAGER": "/"}
    env = {
        f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}": cloud.url + path for api, path in paths.items()
    }
    env["GOOGLE_APPLICATION_CREDENTIALS"] = cloud.write_key(str(folder / "key.json"))
    options = f"{{endpoints: {{metadata: {cloud.url}}}}}"
    return {**env, "NO_GCE_CHECK": "true"}, f"provider_options: {{gcp: {options}}}\n"


def lambda_(cloud: Lambda, folder: Path) -> tuple[dict[str, str], str]:
    """Return address and key."""
    del folder
    from clouds.lambda_cloud import KEY

    options = f"{{api_url: {cloud.url}, ssh_port: 2222}}"
    return {"LAMBDA_API_KEY": KEY}, f"provider_options: {{lambda: {options}}}\n"


def spheron(cloud: Spheron, folder: Path) -> tuple[dict[str, str], str]:
    """Return address and key."""
    del folder
    from clouds.spheron import KEY

    return {"SPHERON_API_BASE": cloud.url, "SPHERON_API_KEY": KEY}, ""
