"""Serve a simulated AWS; set AWS_ENDPOINT_URL to its address, and a key of ``clouds.aws``."""

from __future__ import annotations

from clouds.aws import Aws
from clouds.main import main

if __name__ == "__main__":
    main(Aws)
