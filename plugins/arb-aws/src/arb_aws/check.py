"""What the credentials may do, and what is missing, with a policy to copy. Nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from arb.errors import ArbError, CredentialsError, ProviderUnavailable, RateLimited
from arb.types import CheckResult, CheckStatus
from arb_aws.catalog.prices import PRICES_REGION, price_filters
from arb_aws.client import Client
from arb_aws.families import QUOTAS
from arb_aws.faults import ApiError, Forbidden, RegionOff
from arb_aws.policy import least_policy
from arb_aws.settings import Settings
from arb_aws.threads import side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable

    from arb.types import ProviderContext

__all__ = ["check"]

_FREE_TYPE: Final = "t3.micro"
_ANY_IMAGE: Final = (
    "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
)
_GPU_FAMILIES: Final = ("P", "G-VT")
_QUOTA_PAGE: Final = "https://{}.console.aws.amazon.com/servicequotas/home/services/ec2/quotas"


def check(context: ProviderContext) -> CheckResult:
    """Ask who the caller is, then try each thing in one region: orders are dry runs."""
    settings = Settings.of(context.options)
    client = Client(context, settings)
    try:
        client.credentials()
    except CredentialsError as error:
        absent = error.code in {"aws-no-credentials", "aws-no-profile"}
        status = CheckStatus.NOT_CONFIGURED if absent else CheckStatus.REFUSED
        return CheckResult(status, error.summary, hint=error.hint)
    try:
        identity = client.identity()
    except CredentialsError as error:
        return CheckResult(
            CheckStatus.REFUSED, error.summary, hint=error.hint, source=client.source()
        )
    except (ProviderUnavailable, RateLimited) as error:
        return CheckResult(
            CheckStatus.UNREACHABLE, error.summary, hint=error.hint, source=client.source()
        )
    return _of_account(client, identity)


def _of_account(client: Client, identity: Any) -> CheckResult:
    """Return the result for an account that is known."""
    region = next(iter(client.settings.regions), client.home_region())
    trials = _Trials(client, region)
    outcomes = side_by_side(lambda trial: trial(), list(trials.all.values()))
    may, missing, hints = [], [], []
    for what, outcome in zip(trials.all, outcomes, strict=True):
        if isinstance(outcome, ArbError):
            missing.append(f"{what}: {outcome.summary}")
        elif isinstance(outcome, Exception):
            raise outcome
        elif outcome:
            missing.append(str(outcome))
            hints.append(f"ask for a higher quota: {_QUOTA_PAGE.format(region)}")
        elif what != "GPU quotas":
            may.append(what)
    if any(isinstance(outcome, Forbidden) for outcome in outcomes):
        hints.insert(0, "give the account the policy that --policy prints")
    status = CheckStatus.LIMITED if missing else CheckStatus.OK
    if missing and all(isinstance(outcome, CredentialsError) for outcome in outcomes):
        status = CheckStatus.REFUSED
    return CheckResult(
        status,
        f"{identity['Arn']}, tried in {region}",
        hint="; ".join(hints) or ("see what is missing" if missing else ""),
        may=tuple(may),
        missing=tuple(missing),
        policy=least_policy(client.settings),
        source=client.source(),
    )


class _Trials:
    """What is tried in one region.

    Attributes:
        all: What it is for people -> a call, which returns nothing, a complaint, or raises.
    """

    def __init__(self, client: Client, region: str) -> None:
        self._client, self._region = client, region
        self.all: dict[str, Callable[[], str]] = {
            "list": self._list,
            "launch": self._launch,
            "open ports": self._open_ports,
            "find images": self._find_images,
            "spot prices": self._spot_prices,
            "on-demand prices": self._prices,
            "GPU quotas": self._quotas,
        }

    def _list(self) -> str:
        self._ec2("describe_instances", MaxResults=5)
        return ""

    def _launch(self) -> str:
        return self._dry_run(
            "run_instances",
            MinCount=1,
            MaxCount=1,
            ImageId=_ANY_IMAGE,
            InstanceType=_FREE_TYPE,
            MetadataOptions={"HttpTokens": "required"},
        )

    def _open_ports(self) -> str:
        return self._dry_run(
            "create_security_group", GroupName="arb-dry-run", Description="a dry run"
        )

    def _find_images(self) -> str:
        name = _ANY_IMAGE.removeprefix("resolve:ssm:")
        self._client.call("ssm", "get_parameters", self._region, Names=[name])
        return ""

    def _spot_prices(self) -> str:
        self._ec2(
            "describe_spot_price_history",
            InstanceTypes=[_FREE_TYPE],
            ProductDescriptions=["Linux/UNIX"],
            MaxResults=5,
        )
        return ""

    def _prices(self) -> str:
        self._client.call(
            "pricing",
            "get_products",
            PRICES_REGION,
            ServiceCode="AmazonEC2",
            Filters=price_filters(self._region, _FREE_TYPE),
            MaxResults=1,
        )
        return ""

    def _quotas(self) -> str:
        """Complain when the account may have no GPU at all here, which is how accounts begin."""
        limits = []
        for family in _GPU_FAMILIES:
            code = QUOTAS[family, False]
            try:
                answer = self._client.call(
                    "service-quotas",
                    "get_service_quota",
                    self._region,
                    ServiceCode="ec2",
                    QuotaCode=code,
                )
            except (ApiError, Forbidden):
                return ""  # it would be good to know, and nothing depends on it
            limits.append(float((answer.get("Quota") or {}).get("Value") or 0))
        if any(limits):
            return ""
        return f"GPUs: the on-demand quotas {' and '.join(_GPU_FAMILIES)} are 0 in {self._region}"

    def _dry_run(self, operation: str, **parameters: Any) -> str:
        """Ask whether a call would be allowed; what else may be wrong with it is not asked."""
        try:
            self._ec2(operation, DryRun=True, **parameters)
        except RegionOff:
            raise
        except ApiError:  # DryRunOperation, or a fault of what was asked: both come after the check
            return ""
        return ""

    def _ec2(self, operation: str, **parameters: Any) -> Any:
        return self._client.call("ec2", operation, self._region, **parameters)
