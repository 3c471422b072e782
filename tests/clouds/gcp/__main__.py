"""Serve a simulated Google Cloud. The control ``write_key`` makes a service account's key file."""

from __future__ import annotations

from clouds.gcp import Gcp
from clouds.main import main

if __name__ == "__main__":
    main(Gcp)
