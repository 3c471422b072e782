"""Serve a simulated Lambda. Its API key is ``secret_arb_test.0001``."""

from __future__ import annotations

from clouds.lambda_cloud import Lambda
from clouds.main import main

if __name__ == "__main__":
    main(Lambda)
