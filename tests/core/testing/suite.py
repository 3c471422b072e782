"""The conformance suite over the provider and the cloud in memory."""

from __future__ import annotations

import os
import tempfile
import threading
from functools import cached_property
from pathlib import Path

from tests.core.testing.memory_cloud import MemoryCloud
from tests.core.testing.reference import Reference

from arb.plugins._stdout import Silence
from arb.plugins.calls import Outcome
from arb.testing import ProviderContract

_IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class ReferenceContract(ProviderContract):
    plugin = Reference()
    provider = "memory"

    def make_cloud(self):
        return MemoryCloud()

    @cached_property
    def folder(self):
        """A folder in memory, where there is such a place."""
        return Path(tempfile.mkdtemp(prefix="arb-contract-", dir=_IN_MEMORY))

    @cached_property
    def offers(self):
        """The offers, read once a provider: reading them is half of what the suite costs."""
        if "known" not in vars(type(self)):
            type(self).known = ProviderContract.offers.func(self)
        return type(self).known

    def run(self, function, hook, wall_s):
        """Run a call in this thread: nothing in memory really hangs, and threads cost time."""
        value = error = None
        silence = Silence()
        with silence:
            try:
                value = function()
            except BaseException as raised:  # noqa: BLE001 - as in a thread
                error = raised
        ended = threading.Event()
        ended.set()
        return Outcome(value, error, True, None, silence.printed_by, ended)


def suite_of(provider: type) -> type[ReferenceContract]:
    """Return the suite for another provider over the same cloud."""
    name = f"{provider.__name__}Contract"
    return type(name, (ReferenceContract,), {"plugin": provider()})
