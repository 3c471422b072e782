"""What ``arb check`` tries in one region. Nothing is changed: what would be is a dry run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from arb.errors import RequestError
from arb_aws.bodies import profile_of
from arb_aws.catalog.prices import price_filters, where_prices_are
from arb_aws.families import QUOTAS
from arb_aws.faults import ApiError, Forbidden, RegionOff, is_closed
from arb_aws.network import find_subnets
from arb_aws.tags import OWNER, tag_list
from arb_aws.threads import side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable

    from arb_aws.client import Client

__all__ = ["GIVE", "UNTOLD", "Complaint", "give", "trials"]

GIVE: Final = "give the account the policy that --policy prints"
UNTOLD: Final = frozenset({"GPUs", "GPUs on spot", "network"})
"""What is no permission, and told only when it is missing."""

_FREE_TYPE: Final = "t3.micro"
_ANY_IMAGE: Final = (
    "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
)
_LOOKS: Final = (
    "describe_regions",
    "describe_availability_zones",
    "describe_images",
    "describe_instance_types",
    "describe_instance_type_offerings",
    "describe_security_groups",
    "describe_volumes",
)
_GPUS: Final = {False: ("P", "G-VT"), True: ("P", "P5", "G-VT")}
_QUOTA_PAGE: Final = "https://{}.console.aws.amazon.com/servicequotas/home/services/ec2/quotas"


class Complaint(NamedTuple):
    """What is missing that is no refusal, and what to do about it."""

    what: str
    hint: str


def give(error: Forbidden) -> str:
    """Return what to do about a permission that is missing, or about a region that is closed."""
    return error.hint if is_closed(error) else GIVE


def trials(client: Client, region: str) -> dict[str, Callable[[], Complaint | None]]:
    """Return what it is for people -> a call, which returns a complaint or nothing, or raises."""
    tries = _Trials(client, region)
    return {
        "list": tries.list_machines,
        "look": tries.look,
        "network": tries.network,
        "launch": tries.launch,
        "open ports": tries.open_ports,
        "find images": tries.find_images,
        "spot prices": tries.spot_prices,
        "on-demand prices": tries.prices,
        "GPUs": lambda: tries.quotas(spot=False),
        "GPUs on spot": lambda: tries.quotas(spot=True),
    }


class _Trials:
    """What is tried in one region."""

    def __init__(self, client: Client, region: str) -> None:
        self._client, self._region = client, region

    def list_machines(self) -> None:
        self._ec2("describe_instances", MaxResults=5)

    def look(self) -> Complaint | None:
        """Try all that only looks and is needed sometime; name each that is not allowed."""
        outcomes = side_by_side(self._dry_run, _LOOKS)
        refused = [error for error in outcomes if isinstance(error, Forbidden)]
        if refused:
            names = ", ".join(error.permission for error in refused)
            return Complaint(f"the account may not {names} in {self._region}", give(refused[0]))
        for error in outcomes:
            if isinstance(error, Exception):
                raise error
        return None

    def network(self) -> Complaint | None:
        """Complain when machines could go nowhere."""
        try:
            find_subnets(self._client, self._region)
        except RequestError as error:
            return Complaint(error.summary, error.hint)
        return None

    def launch(self) -> None:
        """Order a machine with all that goes with one: each part takes a permission of its own."""
        profile = self._client.settings.instance_profile
        more = {"IamInstanceProfile": profile_of(profile)} if profile else {}
        self._dry_run(
            "run_instances",
            MinCount=1,
            MaxCount=1,
            ImageId=_ANY_IMAGE,
            InstanceType=_FREE_TYPE,
            MetadataOptions={"HttpTokens": "required"},
            TagSpecifications=self._tags("instance", "volume", "network-interface"),
            **more,
        )

    def open_ports(self) -> None:
        tags = self._tags("security-group")
        told = {"GroupName": "arb-dry-run", "Description": "a dry run", "TagSpecifications": tags}
        self._dry_run("create_security_group", **told)

    def find_images(self) -> None:
        name = _ANY_IMAGE.removeprefix("resolve:ssm:")
        self._client.call("ssm", "get_parameters", self._region, Names=[name])

    def spot_prices(self) -> None:
        self._ec2(
            "describe_spot_price_history",
            InstanceTypes=[_FREE_TYPE],
            ProductDescriptions=["Linux/UNIX"],
            MaxResults=5,
        )

    def prices(self) -> None:
        self._client.call(
            "pricing",
            "get_products",
            where_prices_are(self._client),
            ServiceCode="AmazonEC2",
            Filters=price_filters(self._region, _FREE_TYPE),
            MaxResults=1,
        )

    def quotas(self, *, spot: bool) -> Complaint | None:
        """Complain when the account may have no GPU at all here, which is how accounts begin."""
        limits = []
        for family in _GPUS[spot]:
            named = {"ServiceCode": "ec2", "QuotaCode": QUOTAS[family, spot]}
            try:
                answer = self._client.call(
                    "service-quotas", "get_service_quota", self._region, repeat=False, **named
                )
            except (ApiError, Forbidden):
                return None  # it would be good to know, and nothing depends on it
            limits.append(float((answer.get("Quota") or {}).get("Value") or 0))
        if any(limits):
            return None
        told = f"the quotas {', '.join(_GPUS[spot])} are 0 in {self._region}"
        return Complaint(told, f"ask for a higher quota: {_QUOTA_PAGE.format(self._region)}")

    def _tags(self, *kinds: str) -> list[dict[str, Any]]:
        """Return tags as orders carry them: to tag takes a permission, too."""
        tags = tag_list({"Name": "arb-dry-run", OWNER: self._client.context.owner})
        return [{"ResourceType": kind, "Tags": tags} for kind in kinds]

    def _dry_run(self, operation: str, **parameters: Any) -> None:
        """Ask whether a call would be allowed; what else may be wrong with it is not asked."""
        try:
            self._ec2(operation, DryRun=True, **parameters)
        except RegionOff:
            raise
        except ApiError:  # DryRunOperation, or a fault of what was asked: both come after the check
            return

    def _ec2(self, operation: str, **parameters: Any) -> Any:
        return self._client.call("ec2", operation, self._region, **parameters)
