"""A simulated AWS: moto's EC2 and S3 behind what moto leaves out. ``python -m clouds.aws``."""

from __future__ import annotations

from clouds.aws.accounts import OTHER_KEY, OWN_KEY, SECRET
from clouds.aws.cloud import Aws
from clouds.aws.settings import AwsSettings

__all__ = ["OTHER_KEY", "OWN_KEY", "SECRET", "Aws", "AwsSettings"]
