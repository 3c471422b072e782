"""The simulated AWS: who may call what where, and the parts that answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from clouds.aws import shop
from clouds.aws.accounts import Accounts
from clouds.aws.calls import AwsCall, action_of
from clouds.aws.engine import Engine
from clouds.aws.errors import XML, Refused, ec2_xml
from clouds.aws.images import get_parameters
from clouds.aws.inside import Inside, load_moto
from clouds.aws.market import Market
from clouds.aws.metadata import answer_metadata
from clouds.aws.settings import AwsSettings
from clouds.cloud import Cloud
from clouds.http import Answer
from clouds.nodes import Nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from clouds.http import Request
    from clouds.model import Vm

__all__ = ["Aws"]

_NO_QUOTA = 100_000.0
_MOTOS = {"sts", "s3"}


class Aws(Cloud):
    """AWS, as far as the facts go: two accounts, three regions, EC2 and what belongs to it."""

    CONTROLS: ClassVar[tuple[str, ...]] = (
        *Cloud.CONTROLS,
        "allow",
        "deny",
        "say",
        "sell_everything",
        "set_price",
        "set_spot_price",
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        load_moto()
        self.accounts = Accounts()
        self.market = Market(self)
        self._insides: dict[str, Inside] = {}
        self.engine = Engine(self)
        self._handlers: dict[str, Callable[[AwsCall], Answer]] = {
            "GetCallerIdentity": self._identity,
            "GetParameters": lambda call: get_parameters(self, call),
            "GetProducts": self.market.get_products,
            "GetServiceQuota": self.market.quota,
        }

    def make_nodes(self, path: Path) -> Nodes:
        """Return machines that listen where AWS's images do, where this user may."""
        return Nodes(path, port=22, user="ubuntu", sshd="none")

    def make_settings(self) -> AwsSettings:
        """Return how it behaves at first."""
        return AwsSettings()

    # -- controls --------------------------------------------------------------------------

    def set_price(self, kind: str, region: str, usd: float) -> None:
        """Change a price of the price list."""
        self.market.listed[kind, region] = usd

    def set_spot_price(self, kind: str, zone: str, usd: float) -> None:
        """Change the spot price of a type in a zone, by its id."""
        self.market.spot[kind, zone] = usd

    def deny(self, *actions: str, names: Sequence[str] = (), why: str = "") -> None:
        """Take permissions away, for instance ``ec2:RunInstances``; over HTTP as ``names``."""
        reason = why or "because no identity-based policy allows the action"
        self.accounts.denied.update(dict.fromkeys((*actions, *names), reason))

    def allow(self) -> None:
        """Give every permission back."""
        self.accounts.denied.clear()

    def say(
        self, action: str, code: str, message: str = "", status: int = 400, **facts: Any
    ) -> None:
        """Let EC2 refuse the next call of an action; ``count`` and the rest as for ``fault``."""
        body = ec2_xml(code, message or code)
        self.fault("status", match=action, status=status, body=body, **facts)

    def sell_everything(self) -> list[str]:
        """Sell every type that moto knows in every region that it knows; return the regions."""
        regions = shop.regions()
        self.configure(types=(), regions=regions)
        return list(regions)

    def add_foreign(self, name: str, kind: str = "machine", **facts: Any) -> str:
        """Put something of somebody else into the account and return its id."""
        with self.lock:
            if kind == "machine":
                return self.engine.add_foreign(name, **facts)
            if kind == "security-group":
                return self.engine.add_foreign_group(name)
        return super().add_foreign(name, kind, **facts)

    def close(self) -> None:
        """End every machine's node, and what moto keeps of the accounts."""
        super().close()
        for inside in self._insides.values():
            inside.close()

    # -- what the parts use ----------------------------------------------------------------

    def inside(self, call: AwsCall) -> Inside:
        """Return moto's part of the account that calls."""
        return self._insides.setdefault(call.account, Inside(call.account))

    def sold_types(self) -> frozenset[str]:
        """Return the instance types that there are."""
        return frozenset(self.settings.types or shop.types())

    def quota_of(self, name: str) -> float:
        """Return a quota: its code, ``@``, and the region."""
        return self._quotas.get(name, _NO_QUOTA)

    # -- the base's questions --------------------------------------------------------------

    def operation(self, request: Request) -> str:
        """Return AWS's name of the call."""
        return action_of(request)

    def handle(self, request: Request) -> Answer:
        """Answer one call."""
        if request.path.startswith("/latest/"):
            return answer_metadata(self, request)
        call = AwsCall.of(request)
        if call is None:
            return Answer(403, XML + "<Error><Code>MissingAuthenticationToken</Code></Error>")
        try:
            return self._answer(call)
        except Refused as refused:
            return refused.answer(call.service)

    def on_end(self, vm: Vm) -> None:
        """End what ends with a machine: its disks and its interface."""
        self.engine.on_end(vm)

    def _answer(self, call: AwsCall) -> Answer:
        call = self.accounts.signed(call)
        if call.service == "ec2" and call.region not in self.settings.regions:
            told = "AWS was not able to validate the provided access credentials"
            raise Refused("AuthFailure", told, 401)
        self.accounts.check(call, self.settings.closed_regions)
        if call.service == "ec2":
            return self.engine.answer(call)
        handler = self._handlers.get(call.action)
        if handler is not None:
            return handler(call)
        if call.service in _MOTOS:
            return self.inside(call).forward(call)
        raise Refused("UnknownOperationException", f"{call.action} is not simulated", 404)

    def _identity(self, call: AwsCall) -> Answer:
        account, arn = call.account, self.accounts.identity(call)
        facts = f"<Arn>{arn}</Arn><UserId>AIDATESTS</UserId><Account>{account}</Account>"
        about = "<ResponseMetadata><RequestId>0-1</RequestId></ResponseMetadata>"
        result = f"<GetCallerIdentityResult>{facts}</GetCallerIdentityResult>{about}"
        space = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'
        body = f"<GetCallerIdentityResponse {space}>{result}</GetCallerIdentityResponse>"
        return Answer(200, XML + body)
