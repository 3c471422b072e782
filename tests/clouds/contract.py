"""A simulated cloud as ``arb.testing.ProviderContract`` wants it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from arb.testing import ContractCloud, FakeClock
from arb.types import SshEndpoint
from clouds.http import CloudServer
from clouds.nodes import PaperNodes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.types import Offer
    from clouds.cloud import Cloud
    from clouds.ledger import Entry

__all__ = ["SimulatedCloud"]

_ALWAYS = 1_000_000
_NEVER_S = float("inf")


class SimulatedCloud(ContractCloud):
    """What all simulated clouds can do. A cloud adds accounts, stock, and what listings show.

    Attributes:
        kind: The cloud's class.
        order: Its operation that makes machines, as a pattern for faults.
        listing: Its operation that lists them page by page; empty where there are no pages.
    """

    kind: ClassVar[type[Cloud]]
    order: ClassVar[str]
    listing: ClassVar[str] = ""

    def __init__(self) -> None:
        super().__init__(FakeClock())
        self.folder = Path(tempfile.mkdtemp(prefix="contract-cloud-"))
        self.server = CloudServer(self.kind(self.folder, clock=self.clock, nodes=PaperNodes()))

    @property
    def simulated(self) -> Cloud:
        """The cloud itself."""
        return self.server.cloud

    def close(self) -> None:
        """Stop the server."""
        self.server.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- the truth -------------------------------------------------------------------------

    def machines(self) -> Sequence[Entry]:
        """Return the ledger's machines."""
        return [e for e in self.simulated.ledger().entries if e.kind == "machine"]

    def things(self) -> Sequence[Entry]:
        """Return the rest of the ledger."""
        return [e for e in self.simulated.ledger().entries if e.kind != "machine"]

    def received(self, machine_id: str) -> str:
        """Return keys, files and commands of a machine's user data."""
        data = self.simulated.find(machine_id).order.user_data
        files = (part for file in data.files for part in (file.path, file.content))
        return "\n".join((*data.authorized_keys, *files, *data.commands, data.host_key()))

    def endpoint(self, machine_id: str) -> SshEndpoint:
        """Return where a machine listens."""
        vm = self.simulated.find(machine_id)
        return SshEndpoint(vm.address, vm.port, vm.user)

    def in_stock(self, offer: Offer) -> bool:
        """Allow whatever is told to be available: nothing here costs money."""
        return offer.available is not False

    # -- time and faults -------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.simulated.advance(seconds)

    def slow_boot(self, seconds: float) -> None:
        """Let machines boot slowly."""
        self.simulated.configure(boot_delay_s=seconds)

    def lose_next_answer(self) -> None:
        """Drop the answer of the next order."""
        self.simulated.fault("drop", match=self.order)

    def hang(self) -> None:
        """Answer nothing."""
        self.simulated.fault("late", count=_ALWAYS, delay_s=_NEVER_S, hang_s=60)

    def fail(self, status: int = 503) -> None:
        """Answer with an error that repeats the request."""
        self.simulated.fault("status", count=_ALWAYS, status=status, echo=True)

    def garble(self) -> None:
        """Answer with a web page."""
        self.simulated.fault("garbage", count=_ALWAYS)

    def rate_limit(self, retry_after_s: float) -> None:
        """Answer that there are too many requests."""
        headers = {"Retry-After": f"{retry_after_s:.0f}"}
        self.simulated.fault("status", count=_ALWAYS, status=429, headers=headers)

    def limit_orders(self, left: int) -> None:
        """Take a few orders, and then too many."""
        facts = {"status": 429, "headers": {"Retry-After": "7"}}
        self.simulated.fault("status", match=self.order, skip=left, count=_ALWAYS, **facts)

    def fail_pages(self) -> None:
        """Fail from the second page on."""
        if not self.listing:
            self._cannot("has no pages")
        self.simulated.fault("status", match=self.listing, skip=1, count=_ALWAYS, status=503)

    def fail_region(self, region: str) -> None:
        """Fail in one region, where the cloud lists by region."""
        if not self.simulated.LISTS_BY_REGION:
            self._cannot("lists all regions in one call")
        self.simulated.configure(failing_regions=[region])

    def small_pages(self, rows: int) -> None:
        """Show few rows on a page."""
        self.simulated.configure(page_size=rows)

    # -- machines --------------------------------------------------------------------------

    def foreign_machine(self, name: str) -> str:
        """Make a machine of somebody else."""
        return self.simulated.add_foreign(name)

    def preempt(self, machine_id: str) -> None:
        """Take a machine away."""
        self.simulated.preempt(machine_id)
