"""A provider that keeps every promise, over the cloud in memory. Broken ones are made from it."""

from __future__ import annotations

import json
import logging

from tests.core.testing.memory_cloud import OFFERS, REGIONS, SERVERS, ApiError

from arb.errors import (
    CapacityError,
    CredentialsError,
    ProviderUnavailable,
    QuotaError,
    RateLimited,
    RequestError,
    Scope,
)
from arb.hookspecs import hookimpl
from arb.types import (
    Capability,
    Catalog,
    CheckResult,
    CheckStatus,
    GoneReason,
    Instance,
    InstanceState,
    Leftovers,
    Listing,
    NoticeProbe,
    ProviderInfo,
    ProvisionResult,
    RateBudget,
    SelfTerminate,
    SshEndpoint,
    Termination,
)

_LOG = logging.getLogger(__name__)
_AS_OF = 1_748_736_000.0
_STATES = {
    "booting": InstanceState.PENDING,
    "running": InstanceState.RUNNING,
    "stopped": InstanceState.STOPPED,
    "failed": InstanceState.TERMINATING,
    "ending": InstanceState.TERMINATING,
    "ended": InstanceState.GONE,
}
_REASONS = {
    "user": GoneReason.USER,
    "taken": GoneReason.PREEMPTED,
    "no-capacity": GoneReason.FAILED_START,
}
INFO = ProviderInfo(
    "Memory",
    frozenset(set(Capability) - {Capability.OWNED, Capability.BATCH}),
    notice_s=30,
    listing_lag_s=60,
    rate_budgets={"read": RateBudget(10, 1), "launch": RateBudget(2, 0.1)},
    options={"region": "Where to look first."},
)


class Client:
    """Calls of the API; every failure becomes an error of the contract here."""

    def __init__(self, context) -> None:
        self.context = context
        self.key = context.env.get("MEMORY_API_KEY", "")
        if not self.key:
            raise CredentialsError("memory: no API key", code="memory-no-key", hint="set one")
        self.server = SERVERS[context.env["MEMORY_URL"]]

    def __call__(self, operation, budget="read", **arguments):
        self.context.limiter.acquire(budget, deadline=self.context.deadline)
        _LOG.debug("%s %s", operation, arguments.get("name", ""))
        try:
            return self.send(operation, arguments)
        except TimeoutError as error:
            raise ProviderUnavailable(f"memory: {operation} was not answered") from error
        except ApiError as error:
            raise self.told(operation, error) from None  # its text may hold the key

    def send(self, operation, arguments):
        timeout_s, clock = self.context.remaining_s(), self.context.clock
        answer = self.server.call(
            self.key, operation, timeout_s=timeout_s, clock=clock, **arguments
        )
        return self.read(operation, answer)

    def read(self, operation, answer):
        if isinstance(answer, str) and answer.startswith("<html>"):
            raise ProviderUnavailable(f"memory: {operation}: the answer is no JSON")
        return answer

    def told(self, operation, error):
        text = f"memory: {operation}: HTTP {error.status}"
        if error.status == 401:
            return CredentialsError(text, code="memory-key-refused", hint="make a new key")
        if error.status == 429:
            return RateLimited(text, retry_after_s=error.facts["retry_after_s"])
        if error.status >= 500:
            return ProviderUnavailable(text)
        return error

    def account(self):
        return self("me")["account"]


class Reference:
    """The hooks. Methods without the marker are what broken providers change."""

    ARB_API = 1
    client = Client
    info = INFO

    # -- info ---------------------------------------------------------------------------------

    @hookimpl
    def arb_provider_info(self):
        return self.info

    @hookimpl
    def arb_check(self, context):
        try:
            account = self.client(context).account()
        except CredentialsError as error:
            missing = error.code == "memory-no-key"
            status = CheckStatus.NOT_CONFIGURED if missing else CheckStatus.REFUSED
            return CheckResult(status, error.summary, hint=error.hint)
        except ProviderUnavailable as error:
            return CheckResult(CheckStatus.UNREACHABLE, error.summary)
        return CheckResult(CheckStatus.OK, account, source="MEMORY_API_KEY")

    # -- market -------------------------------------------------------------------------------

    @hookimpl
    def arb_catalog(self, context):
        if "MEMORY_API_KEY" not in context.env:
            return Catalog(self.frame(OFFERS), "bundled", _AS_OF)
        rows = self.client(context)("offers")
        return Catalog(self.frame(rows), "live", context.clock.now())

    def frame(self, rows):
        import pandas as pd

        return pd.DataFrame([self.row(row) for row in rows])

    def row(self, row):
        return {
            "offer_id": row["id"],
            "region": row["region"],
            "zone": row["zone"],
            "instance_type": row["type"],
            "accelerator": "H100" if row["gpus"] else "",
            "accelerator_count": float(row["gpus"]),
            "accelerator_gib": 80.0 if row["gpus"] else 0.0,
            "vcpus": float(row["vcpus"]),
            "memory_gib": float(row["memory"]),
            "spot": row["spot"],
            "price_usd_hour": row["price"],
            "minimum_s": float(row["floor_s"]),
            "payload": "{}",
        }

    @hookimpl
    def arb_query_prices(self, context, offers):
        import pandas as pd

        asked = {(offer.offer_id, offer.spot) for offer in offers}
        rows = [r for r in self.client(context)("offers") if (r["id"], r["spot"]) in asked]
        frame = pd.DataFrame([self.price(row) for row in rows], columns=[*_PRICES])
        return frame.astype({"offer_id": "str", "spot": bool, "available": "boolean"})

    def price(self, row):
        values = (row["id"], row["spot"], row["price"], row["available"])
        return dict(zip(_PRICES, values, strict=True))

    # -- buying -------------------------------------------------------------------------------

    @hookimpl
    def arb_provision(self, context, request):
        api = self.client(context)
        known = self.already(api, request)
        made = [known[s.token] for s in request.setups if s.token in known]
        try:
            for setup in request.setups:
                if setup.token not in known:
                    made.append(self.order(api, request, setup))  # noqa: PERF401 - see below
        except (ApiError, RateLimited) as error:
            raise self.refused(request, error, made) from error  # with those before the failure
        self.beside(api, request)
        by_token = {machine.token: machine for machine in made}
        return self.result(api, request, [by_token[setup.token] for setup in request.setups])

    def result(self, api, request, machines):
        return ProvisionResult(tuple(machines), self.handle(request), api.account())

    def already(self, api, request):
        """Return what an earlier call made, by token."""
        return self.known(api, request)

    def known(self, api, request):
        tokens = {setup.token for setup in request.setups}
        rows = self.pages(api, request.offer.region)
        return {r["name"]: self.instance(r) for r in rows if r["name"] in tokens}

    def order(self, api, request, setup):
        return self.instance(api("order", "launch", **self.facts(request, setup)))

    def facts(self, request, setup):
        offer = request.offer
        return {
            "name": self.name(request, setup),
            "kind": offer.instance_type,
            "region": offer.region,
            "spot": offer.spot,
            "keys": self.keys(setup),
            "user_data": self.user_data(setup),
            "labels": self.labels(request, setup),
        }

    def name(self, request, setup):
        return setup.token

    def keys(self, setup):
        return (setup.authorized_key,)

    def user_data(self, setup):
        files = [f"{file.path}\n{file.content}" for file in setup.files]
        return "\n".join((*files, *setup.commands))

    def labels(self, request, setup):
        return {"cluster": request.cluster, **request.labels}

    def beside(self, api, request):
        """Make what is not a machine: one group an owner, one rule a cluster with ports."""
        self.add_rule(api, f"group-{api.context.owner}")
        if request.ports:
            self.add_rule(api, f"rule-{request.token}")

    def add_rule(self, api, name):
        try:
            api("add_rule", name=name)
        except ApiError as error:
            if "same" not in error.facts:
                raise

    def handle(self, request):
        return json.dumps({"region": request.offer.region, "attempt": request.token})

    def refused(self, request, error, made):
        if isinstance(error, RateLimited) and not made:
            return error
        status = getattr(error, "status", 409)
        kind, scope = _REFUSALS[status]
        return kind(f"memory: no {request.offer.instance_type}", scope=scope, made=made)

    @hookimpl
    def arb_poll(self, context, request, handle):
        found = self.known(self.client(context), request)
        return self.demand_capacity([found[s.token] for s in request.setups if s.token in found])

    def demand_capacity(self, machines):
        failed = [m for m in machines if m.reason is GoneReason.FAILED_START]
        if failed:
            made = [m for m in machines if m not in failed]
            raise CapacityError("memory: found no capacity", scope=Scope.ZONE, made=made)
        return machines

    # -- listing ------------------------------------------------------------------------------

    @hookimpl
    def arb_list_instances(self, context, query):
        api = self.client(context)
        found, complete, errors = [], set(), {}
        for region in REGIONS:
            try:
                found.extend(map(self.instance, self.pages(api, region)))
                complete.add(region)
            except ProviderUnavailable as error:
                errors[region] = error.summary
        if not complete:
            raise ProviderUnavailable(next(iter(errors.values())))
        shown = tuple(machine for machine in found if self.matches(machine, query))
        return Listing(shown, frozenset(complete), errors, account=api.account())

    def pages(self, api, region):
        rows, page, more = [], 0, True
        while more:
            answer = api("list", region=region, page=page)
            rows += answer["rows"]
            page, more = page + 1, answer["more"]
        return rows

    def matches(self, machine, query):
        parts = machine.token.split("-")
        return (
            self.is_ours(parts)
            and (not query.owner or parts[1] == query.owner)
            and (not query.tokens or machine.token in query.tokens)
            and (not query.regions or machine.region in query.regions)
        )

    def is_ours(self, parts):
        return len(parts) >= 4 and parts[0] == "arb"

    def instance(self, row):
        return Instance(
            provider="memory",
            id=row["id"],
            region=row["region"],
            zone=row["zone"],
            state=self.state(row),
            token=row["name"],
            reason=self.reason(row),
            detail=row["status"],
            address=row["address"],
            instance_type=row["type"],
            spot=row["spot"],
            made_at=row["made_at"],
            price_usd_hour=row["price"],
            payload=json.dumps({"region": row["region"], "port": row["port"]}),
        )

    def state(self, row):
        return _STATES.get(row["status"], InstanceState.PENDING)

    def reason(self, row):
        failed = row["status"] == "failed"
        return GoneReason.HARDWARE if failed else _REASONS.get(row["reason"], GoneReason.NONE)

    # -- ending -------------------------------------------------------------------------------

    @hookimpl
    def arb_terminate(self, context, instance):
        api = self.client(context)
        self.demand_account(api, instance)
        self.region_of(instance)
        try:
            api("end", machine=instance.id)
        except ApiError as error:
            return self.not_ended(context, instance, error)
        return self.ending()

    def demand_account(self, api, instance):
        account = api.account()
        if instance.account not in {"", account}:
            summary = f"memory: {instance.id} is of {instance.account}, not of {account}"
            raise CredentialsError(summary, code="memory-other-account")

    def region_of(self, instance):
        return json.loads(instance.handle)["region"] if instance.handle else instance.region

    def not_ended(self, context, instance, error):
        if error.status == 410:
            return Termination.GONE
        if error.status == 404:
            young = context.clock.now() < instance.made_at + INFO.listing_lag_s
            return Termination(gone=False, detail="not listed yet") if young else Termination.GONE
        if "left_s" in error.facts:
            return self.floor(error.facts["left_s"])
        return self.ending()

    def floor(self, left_s):
        return Termination(gone=False, retry_after_s=left_s, detail="minimum run time")

    def ending(self):
        return Termination(gone=False, retry_after_s=5, detail="ending")

    @hookimpl
    def arb_list_leftovers(self, context, owner):
        api = self.client(context)
        names = [rule["name"].removeprefix("rule-") for rule in api("rules")]
        ours = frozenset(name for name in names if self.is_of_owner(name, owner))
        return Leftovers(ours, account=api.account())

    def is_of_owner(self, name, owner):
        return name.startswith(f"arb-{owner}-")

    @hookimpl
    def arb_cleanup(self, context, cluster):
        api = self.client(context)
        for rule in api("rules"):
            if self.is_of(rule, cluster):
                self.drop_rule(api, rule)

    def is_of(self, rule, cluster):
        return rule["name"] in {f"rule-{token}" for token in cluster.tokens}

    def drop_rule(self, api, rule):
        try:
            api("drop_rule", rule_id=rule["id"])
        except ApiError as error:
            if error.status != 404:
                raise

    @hookimpl
    def arb_stop(self, context, instances):
        api = self.client(context)
        return [self.switch(api, "stop", ref) for ref in instances]

    @hookimpl
    def arb_start(self, context, instances):
        api = self.client(context)
        return [self.switch(api, "start", ref) for ref in instances]

    def switch(self, api, operation, ref):
        try:
            api(operation, machine=ref.id)
        except ApiError as error:
            if error.status in {404, 410}:
                return Instance("memory", ref.id, ref.region, InstanceState.GONE)
            if "same" not in error.facts:
                raise ProviderUnavailable(f"memory: {operation}: {error}") from error
        return self.instance(api("get", machine=ref.id))

    # -- nodes --------------------------------------------------------------------------------

    @hookimpl
    def arb_ssh_ports(self, instance):
        return SshEndpoint(instance.address, json.loads(instance.payload)["port"], "memo")

    @hookimpl
    def arb_open_ports(self, context, cluster, ports):
        api = self.client(context)
        for token in cluster.tokens[:1]:
            self.add_rule(api, f"rule-{token}")

    @hookimpl
    def arb_credential_mounts(self, context):
        path = context.home / ".memory" / "credentials"
        return {"~/.memory/credentials": str(path)} if path.exists() else {}

    @hookimpl
    def arb_self_terminate(self, context, instance):
        return SelfTerminate("shutdown -h now")

    @hookimpl
    def arb_preemption_notice(self):
        return NoticeProbe(url="http://169.254.169.254/notice")


_REFUSALS = {
    403: (QuotaError, Scope.QUOTA_FAMILY),
    409: (CapacityError, Scope.ZONE),
    422: (RequestError, Scope.INSTANCE_TYPE),
}
_PRICES = ("offer_id", "spot", "price_usd_hour", "available")
