"""The cloud: here a file, in your provider the calls of its API. Nothing else talks to it."""

from __future__ import annotations

import csv
import fcntl
import json
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from arb.errors import CapacityError, CredentialsError, ProviderUnavailable, RequestError, Scope
from arb.types import Instance, InstanceState, Listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arb.types import InstanceRef, ListQuery, NodeSetup, Offer, ProviderContext

API_KEY: Final = "EXAMPLE_API_KEY"
API_BASE: Final = "EXAMPLE_CLOUD"
"""Where the cloud is; yours is a URL, and tests set it to their own server's."""


@dataclass(frozen=True)
class Cloud:
    """One account. Machines are found again by their token, which is their name."""

    provider: str
    account: str
    path: Path
    now: float

    @classmethod
    def from_context(cls, context: ProviderContext) -> Cloud:
        """Open the account that the environment's key belongs to.

        Raises:
            CredentialsError: There is no key, or the cloud refuses it.
        """
        key = context.env.get(API_KEY, "")
        if not key:
            hint = f"create a key in the console and set {API_KEY}"
            raise CredentialsError("example: no API key", code="example-no-key", hint=hint)
        account, _, secret = key.partition(":")
        if not secret:  # never say the key itself, nor what the server answered about it
            hint = "create a new key in the console"
            summary = "example refused the API key"
            raise CredentialsError(summary, code="example-key-refused", hint=hint)
        path = Path(context.env.get(API_BASE) or context.home / ".arb-example.json")
        return cls(context.provider, account, path, context.clock.now())

    def order(self, setup: NodeSetup, offer: Offer) -> Instance:
        """Make a machine, or return the one that this token made before.

        Raises:
            CapacityError: None is left.
            RequestError: The cloud does not sell such a thing.
        """
        if not _is_sold(offer.instance_type):
            summary = f"example knows no instance type {offer.instance_type}"
            raise RequestError(summary, scope=Scope.OFFER, code="example-unknown-type")
        with self._everything() as cloud:
            machines, stock = cloud["machines"], cloud["stock"]
            if setup.token not in machines:
                if stock.setdefault(offer.instance_type, 1000) < 1:
                    summary = f"example has no {offer.instance_type} left in {offer.region}"
                    raise CapacityError(summary, scope=Scope.OFFER, code="example-no-stock")
                stock[offer.instance_type] -= 1
                machines[setup.token] = self._new(setup, offer)
            return self._instance(setup.token, machines[setup.token])

    def listing(self, query: ListQuery) -> Listing:
        """Return what the account has, as far as it is asked for."""
        with self._everything() as cloud:
            rows = [(name, row) for name, row in cloud["machines"].items() if self._owns(row)]
        found = tuple(self._instance(*row) for row in rows if query.wants(row[0], row[1]["region"]))
        return Listing(found, complete=frozenset({Listing.EVERYWHERE}), account=self.account)

    def end(self, instance: InstanceRef) -> bool:
        """End a machine, and say whether there was one.

        Raises:
            CredentialsError: Another account bought it, which this one cannot see.
        """
        if instance.account not in {"", self.account}:
            summary = f"example machine {instance.id} belongs to account {instance.account}"
            raise CredentialsError(summary, code="example-other-account")
        with self._everything() as cloud:
            row = cloud["machines"].get(instance.id)
            if row is None or not self._owns(row):
                return False
            row["gone_at"] = row["gone_at"] or self.now
            return True

    def _new(self, setup: NodeSetup, offer: Offer) -> dict[str, Any]:
        return {
            "account": self.account,
            "region": offer.region,
            "type": offer.instance_type,
            "spot": offer.spot,
            "key": setup.authorized_key,
            "made_at": self.now,
            "gone_at": None,
        }

    def _owns(self, row: dict[str, Any]) -> bool:
        return bool(row["account"] == self.account)

    def _instance(self, name: str, row: dict[str, Any]) -> Instance:
        return Instance(
            provider=self.provider,
            id=name,
            token=name,
            region=row["region"],
            instance_type=row["type"],
            spot=row["spot"],
            state=InstanceState.GONE if row["gone_at"] else InstanceState.RUNNING,
            address="192.0.2.1",
            made_at=row["made_at"],
        )

    @contextmanager
    def _everything(self) -> Iterator[dict[str, Any]]:
        """Yield the whole cloud and keep what is changed. Two calls at once take turns.

        Raises:
            ProviderUnavailable: It does not answer.
        """
        try:
            file = self.path.open("a+")
        except OSError as error:  # of an HTTP client: time-outs, lost connections and 5xx, too
            summary = f"example does not answer: {error.strerror}"
            raise ProviderUnavailable(summary, code="example-silent") from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            cloud = json.loads(file.read() or '{"machines": {}, "stock": {}}')
            yield cloud
            file.truncate(0)
            file.write(json.dumps(cloud))


def _is_sold(instance_type: str) -> bool:
    with files("arb_example").joinpath("data/catalog.csv").open(encoding="utf-8") as lines:
        return any(row["instance_name"] == instance_type for row in csv.DictReader(lines))
