"""A simulated Lambda: ``python -m clouds.lambda_cloud``. (``lambda`` is a word of Python's own.)"""

from __future__ import annotations

from clouds.lambda_cloud.cloud import Lambda
from clouds.lambda_cloud.settings import KEY, OTHER_KEY, LambdaSettings

__all__ = ["KEY", "OTHER_KEY", "Lambda", "LambdaSettings"]
