"""The cloud: here a file, in your provider the calls of its API. Nothing else talks to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from arb.errors import CredentialsError
from arb.types import Instance, InstanceState, Listing

if TYPE_CHECKING:
    from pathlib import Path

    from arb.types import InstanceRef, ListQuery, Offer, ProviderContext

API_KEY: Final = "EXAMPLE_API_KEY"


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
            CredentialsError: There is no key.
        """
        if API_KEY not in context.env:
            summary = "example has no API key"
            raise CredentialsError(summary, code="example-no-key", hint=f"set {API_KEY}")
        path = context.data_dir / "machines.json"
        return cls(context.provider, "team-1", path, context.clock.now())

    def order(self, token: str, offer: Offer) -> Instance:
        """Make a machine, or return the one that this token made before."""
        machines = self._machines()
        order = {"region": offer.region, "type": offer.instance_type, "spot": offer.spot}
        made = machines.setdefault(token, {**order, "made_at": self.now})
        self.path.write_text(json.dumps(machines))
        return self._instance(token, made)

    def listing(self, query: ListQuery) -> Listing:
        """Return what the account has, as far as it is asked for."""
        prefix = f"arb-{query.owner}-" if query.owner else "arb-"
        found = [self._instance(*item) for item in self._machines().items()]
        wanted = tuple(
            machine
            for machine in found
            if machine.token.startswith(prefix)
            and (not query.tokens or machine.token in query.tokens)
            and (not query.regions or machine.region in query.regions)
        )
        return Listing(wanted, complete=frozenset({Listing.EVERYWHERE}), account=self.account)

    def end(self, instance: InstanceRef) -> None:
        """End a machine; one that is not there has ended.

        Raises:
            CredentialsError: Another account bought it, which this one cannot see.
        """
        if instance.account not in {"", self.account}:
            summary = f"example machine {instance.id} belongs to account {instance.account}"
            raise CredentialsError(summary, code="example-other-account")
        machines = self._machines()
        machines.pop(instance.token, None)
        self.path.write_text(json.dumps(machines))

    def _machines(self) -> dict[str, dict[str, object]]:
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def _instance(self, token: str, made: dict[str, object]) -> Instance:
        return Instance(
            provider=self.provider,
            id=token,
            token=token,
            region=str(made["region"]),
            instance_type=str(made["type"]),
            spot=bool(made["spot"]),
            state=InstanceState.RUNNING,
            address="192.0.2.1",
            made_at=float(str(made["made_at"])),
        )
