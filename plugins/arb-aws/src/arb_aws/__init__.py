"""Amazon EC2 as an ``arb`` provider, and S3 as an ``arb`` store. The hooks are in ``plugin``."""

from __future__ import annotations
