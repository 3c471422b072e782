"""Launching machines: one call each, all or none, never twice under one name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from arb.errors import (
    ArbError,
    CapacityError,
    CredentialsError,
    ProviderUnavailable,
    RateLimited,
    Refusal,
    RequestError,
    Scope,
)
from arb.types import Instance, InstanceState, ProvisionResult
from arb_lambda.bodies import check_request, launch_body
from arb_lambda.client import LambdaClient
from arb_lambda.errors import NOT_FOUND, launch_error
from arb_lambda.images import find_image
from arb_lambda.info import API, LAUNCH
from arb_lambda.keys import LaunchKey, forget_key, launch_key
from arb_lambda.listing import read_instances
from arb_lambda.rulesets import has_firewall, make_ruleset, remove_ruleset

if TYPE_CHECKING:
    from arb.types import NodeSetup, ProviderContext, ProvisionRequest

__all__ = ["provision"]

_LAUNCH_S: Final = 60.0
"""How long the answer to a launch may take."""
_PATIENCE_S: Final = 30.0
"""For so long a limit is waited for while nothing was made; longer waits are the core's to decide."""
_TURN_S: Final = 1.0
"""For so long a turn among all calls is kept."""
_TELLING: Final = 12
"""So many characters of a secret's line are enough to know it by."""


def provision(context: ProviderContext, request: ProvisionRequest) -> ProvisionResult:
    """Buy the machines of one attempt.

    There is no idempotency key, so what carries our names already is taken and not ordered again.
    """
    check_request(request)
    with LambdaClient.open(context) as client:
        return _Purchase(client, request).made()


class _Purchase:
    """One attempt under way.

    Args:
        client: Of the hook call.
        request: What to buy.
    """

    def __init__(self, client: LambdaClient, request: ProvisionRequest) -> None:
        self._client = client
        self._request = request
        self._machines: dict[str, Instance] = {}
        self._key = LaunchKey("", "")
        self._image: dict[str, str] = {}
        self._ruleset = ""

    def made(self) -> ProvisionResult:
        """Make what is not there yet, and return everything in rank order."""
        setups = self._request.setups
        self._look_before()
        missing = [setup for setup in setups if setup.token not in self._machines]
        if missing:
            self._prepare()
        for setup in missing:
            self._machines[setup.token] = self._order(setup)
        instances = tuple(self._machines[setup.token] for setup in setups)
        return ProvisionResult(instances, account=self._key.account)

    def _look_before(self) -> None:
        """Take what an earlier call of the same request made; find our SSH key and the account.

        Raises:
            ProviderUnavailable: No answer. Nothing was ordered, and that is told: nothing need be
                looked for.
            CredentialsError, RateLimited: As ever.
        """
        try:
            self._machines = self._made_before()
            self._key = launch_key(self._client, self._request.setups[0].authorized_key)
        except ProviderUnavailable as error:
            error.never_sent = not self._machines
            raise
        except (CredentialsError, RateLimited, Refusal) as error:
            raise self._with_made(error) from None

    def _made_before(self) -> dict[str, Instance]:
        """Return the machines that carry the request's names; of two the one that all agree on."""
        wanted = {setup.token for setup in self._request.setups}
        made: dict[str, Instance] = {}
        for instance in sorted(read_instances(self._client), key=lambda i: i.id):
            if instance.token in wanted and instance.state is not InstanceState.GONE:
                made.setdefault(instance.token, instance)
        return made

    def _prepare(self) -> None:
        client, offer = self._client, self._request.offer
        try:
            image = self._request.image or client.settings.image
            self._image = find_image(client, offer, image)
            if has_firewall(client, offer.region):
                self._ruleset = make_ruleset(client, self._request)
        except (CredentialsError, RateLimited, Refusal) as error:
            raise self._with_made(error) from None

    def _order(self, setup: NodeSetup) -> Instance:
        """Send one launch; a limit is waited for where there is time.

        Raises:
            ArbError: As ``arb_provision`` says; a refusal names what was made of the gang.
        """
        looks = 1
        while True:
            try:
                self._take_turn()
                return self._send(setup)
            except RateLimited as error:
                if error.retry_after_s >= self._patience_s():
                    raise self._given_up(error) from None
                self._client.context.clock.sleep(error.retry_after_s)
            except (Refusal, CredentialsError) as error:
                if error.code != NOT_FOUND or not looks:
                    raise self._given_up(error) from None
                looks -= 1
                self._find_key_again()

    def _take_turn(self) -> None:
        """Wait until a call is allowed that is also a launch.

        The turn among all calls comes first: waiting for it afterwards would bring this launch too
        close to the next one. Whoever then waits for the launch has lost that turn, and takes another.
        """
        client, clock = self._client, self._client.context.clock
        client.acquire(API)
        begun = clock.monotonic()
        client.acquire(LAUNCH)
        if clock.monotonic() - begun >= _TURN_S:
            client.acquire(API)

    def _patience_s(self) -> float:
        left_s = self._client.context.remaining_s()
        return left_s if self._machines else min(left_s, _PATIENCE_S)

    def _find_key_again(self) -> None:
        """Register our SSH key anew where somebody deleted it: that is what may be missing.

        Raises:
            ArbError: It could not be; as for a refused launch.
        """
        forget_key(self._client)
        try:
            self._key = launch_key(self._client, self._request.setups[0].authorized_key)
        except (CredentialsError, RateLimited, Refusal) as error:
            raise self._given_up(error) from None

    def _send(self, setup: NodeSetup) -> Instance:
        client, offer = self._client, self._request.offer
        body = launch_body(
            self._request, setup, key=self._key.name, image=self._image, ruleset=self._ruleset
        )
        path, sent_at = "/instance-operations/launch", client.context.clock.now()
        reply = client.send("POST", path, body, patience_s=_LAUNCH_S)
        if not reply.is_ok:
            error = launch_error(reply, offer, client.context.clock.now(), self._secrets(setup))
            if isinstance(error, ProviderUnavailable):
                forget_key(client)  # with two keys of one name a launch fails in no other way
            raise error
        return self._instance(setup, _only_id(client.data(reply, path)), sent_at)

    def _instance(self, setup: NodeSetup, id_: str, sent_at: float) -> Instance:
        """Return a machine as it was just made.

        Lambda tells no time: that of the order counts, because the answer may have waited for us.
        """
        context, offer = self._client.context, self._request.offer
        return Instance(
            provider=context.provider,
            id=id_,
            region=offer.region,
            state=InstanceState.PENDING,
            token=setup.token,
            instance_type=offer.instance_type,
            made_at=sent_at,
            price_usd_hour=offer.price_usd_hour,
        )

    def _given_up(self, error: ArbError) -> ArbError:
        """Return what to raise for a refusal: without machines nothing at all may be left.

        A rule set that could not be removed makes the order one that nobody knows the outcome of:
        the core comes back for such, and cleans up.
        """
        if self._machines or not self._ruleset:
            return self._with_made(error)
        try:
            remove_ruleset(self._client, self._ruleset)
        except ArbError as left:
            if isinstance(error, CredentialsError):
                return error
            summary = f"{error.summary}; its firewall rule set is still there: {left.summary}"
            return ProviderUnavailable(summary, code=error.code, hint=error.hint)
        return error

    def _with_made(self, error: ArbError) -> ArbError:
        """Return the error of an order in whose gang machines exist: it must name them."""
        made = tuple(self._machines.values())
        if not made:
            return error
        facts: dict[str, Any] = {"made": made, "code": error.code, "hint": error.hint}
        if isinstance(error, RateLimited):
            facts["block_s"] = error.retry_after_s
            return CapacityError(error.summary, scope=Scope.PROVIDER, **facts)
        if isinstance(error, Refusal):
            return type(error)(error.summary, scope=error.scope, block_s=error.block_s, **facts)
        return RequestError(error.summary, scope=Scope.PROVIDER, **facts)

    def _secrets(self, setup: NodeSetup) -> tuple[str, ...]:
        """Return how everything begins that a refusal of this launch must not repeat."""
        texts = [file.content for file in setup.files]
        if setup.host_key:
            texts.append(setup.host_key.private)
        texts.append(self._client.key.text)
        lines = (line.strip() for text in texts for line in text.splitlines())
        return tuple(line[:_TELLING] for line in lines if len(line) >= _TELLING)


def _only_id(data: Any) -> str:
    """Return the id in the answer to a launch.

    Raises:
        ProviderUnavailable: It names none.
    """
    ids = data.get("instance_ids") if isinstance(data, dict) else None
    if isinstance(ids, list) and ids and isinstance(ids[0], str) and ids[0]:
        return ids[0]
    summary = "lambda took the launch and did not name the machine"
    raise ProviderUnavailable(summary, code="lambda-no-id")
