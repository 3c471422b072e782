"""A provider whose module imports what only a call needs."""

from __future__ import annotations

import yaml  # noqa: TID253 - this is what the check must find
from tests.core.testing.broken import breaks
from tests.core.testing.reference import Reference


@breaks("importing_the_plugin_needs_no_sdk")
class ImportsItsSdk(Reference):
    parser = yaml.SafeLoader
