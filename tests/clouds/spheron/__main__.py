"""Serve a simulated Spheron AI. Its API key is ``sai_pk_test_0001``."""

from __future__ import annotations

from clouds.main import main
from clouds.spheron import Spheron

if __name__ == "__main__":
    main(Spheron)
