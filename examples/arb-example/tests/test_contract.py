"""The conformance suite for this provider. Replace ``ExampleCloud`` by control of yours."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arb_example import plugin

from arb.errors import Scope
from arb.testing import CloudMachine, ContractCloud, Login, ProviderContract
from arb.types import SshEndpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.types import Offer


class ExampleCloud(ContractCloud):
    """What the suite may do to the example's cloud, which is a file."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="arb-example-"))
        self.path = self.address = self.folder / "cloud.json"

    def close(self) -> None:
        shutil.rmtree(self.folder)

    def login(self) -> Login:
        return self._login("team-1:a-key-that-works")

    def other_login(self) -> Login:
        return self._login("team-2:another-key")

    def refused_login(self) -> Login:
        return self._login("a-key-of-nobody")

    def in_stock(self, offer: Offer) -> bool:
        return True

    def machines(self) -> Sequence[CloudMachine]:
        rows = self._read()["machines"].items()
        return [CloudMachine(name, name, row["gone_at"], row["region"]) for name, row in rows]

    def things(self) -> Sequence[CloudMachine]:
        return ()

    def received(self, machine_id: str) -> str:
        return str(self._read()["machines"][machine_id]["key"])

    def shown(self, machine_id: str) -> str:
        return f"{machine_id} {self._read()['machines'][machine_id]}"

    def endpoint(self, machine_id: str) -> SshEndpoint:
        return SshEndpoint("192.0.2.1", 22, "ubuntu")

    def stock_out(self, offer: Offer, left: int = 0) -> Scope:
        cloud = self._read()
        cloud["stock"][offer.instance_type] = left
        self.path.write_text(json.dumps(cloud))
        return Scope.OFFER

    def foreign_machine(self, name: str) -> str:
        cloud = self._read()
        facts = {"account": "team-1", "region": "north", "type": "small", "spot": False, "key": ""}
        cloud["machines"][name] = {**facts, "made_at": self.clock.now(), "gone_at": None}
        self.path.write_text(json.dumps(cloud))
        return name

    def hang(self) -> None:
        self.address = (
            self.folder
        )  # where no file can be: whoever logs in from now on hears nothing

    def _read(self) -> dict[str, Any]:
        text = self.path.read_text() if self.path.exists() else ""
        return dict(json.loads(text or '{"machines": {}, "stock": {}}'))

    def _login(self, key: str) -> Login:
        return Login({"EXAMPLE_API_KEY": key, "EXAMPLE_CLOUD": str(self.address)}, secrets=(key,))


class TestExampleContract(ProviderContract):
    plugin = plugin

    def make_cloud(self) -> ContractCloud:
        return ExampleCloud()
