"""The simulated Spheron's API: accounts, rate limits, deployments, keys."""

from __future__ import annotations

import math
import re
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

from clouds.cloud import Cloud
from clouds.http import Answer, Request
from clouds.model import NoRoom, Order, Vm, VmState
from clouds.spheron.checks import Refused, check_deployment, check_offer, user_data
from clouds.spheron.keys import KeyRing
from clouds.spheron.settings import KEY, OTHER_KEY, SpheronSettings, Team
from clouds.spheron.shop import SHOP, GpuOffer, changed, gpu_offers_page, place_of
from clouds.spheron.views import ACTIVE, deployment, iso, status_of
from clouds.userdata import UserData

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Spheron"]

_WINDOW_S = 900
_FLOOR_S = 1200
_PUBLIC = {"/api/providers", "/api/gpu-offers"}
_STOCK = (
    "Deployment failed: Spheron AI API error: 400 Bad Request - "
    "Not Enough Stock of {name}. Unable to launch virtual-machines."
)


class Spheron(Cloud):
    """Spheron AI, as far as the facts go, with two accounts: ``KEY`` and ``OTHER_KEY``."""

    LISTS_BY_REGION = False
    CONTROLS: ClassVar[tuple[str, ...]] = (
        *Cloud.CONTROLS,
        "add_team",
        "change_offer",
        "fail_machine",
        "set_balance",
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.shop: tuple[GpuOffer, ...] = SHOP
        self.teams = {
            KEY: [Team("team_0001", "arb test")],
            OTHER_KEY: [Team("team_0900", "somebody else")],
        }
        self.keys = KeyRing(self)
        self._windows: dict[tuple[str, str], deque[float]] = {}
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = [
            ("GET", re.compile(r"/api/providers"), self._providers),
            ("GET", re.compile(r"/api/gpu-offers"), self._gpu_offers),
            ("GET", re.compile(r"/api/balance"), self._balance),
            ("GET", re.compile(r"/api/teams"), self._teams),
            ("POST", re.compile(r"/api/deployments"), self._deploy),
            ("GET", re.compile(r"/api/deployments"), self._list),
            ("GET", re.compile(r"/api/deployments/([^/]+)"), self._get),
            ("PATCH", re.compile(r"/api/deployments/([^/]+)"), self._rename),
            ("DELETE", re.compile(r"/api/deployments/([^/]+)"), self._delete),
            ("GET", re.compile(r"/api/deployments/([^/]+)/can-terminate"), self._can_terminate),
            ("GET", re.compile(r"/api/ssh-keys"), self.keys.list),
            ("POST", re.compile(r"/api/ssh-keys"), self.keys.add),
            ("DELETE", re.compile(r"/api/ssh-keys/([^/]+)"), self.keys.delete),
        ]

    def make_settings(self) -> SpheronSettings:
        """Return how it behaves at first."""
        return SpheronSettings()

    # -- controls --------------------------------------------------------------------------

    def change_offer(self, offer_id: str, **changes: Any) -> None:
        """Change an offer, for instance its ``price``, ``spot_price`` or ``available``."""
        with self.lock:
            self.shop = changed(self.shop, offer_id, **changes)

    def set_balance(self, usd: float, team: str = "team_0001") -> None:
        """Set what a team has left."""
        with self.lock:
            next(t for teams in self.teams.values() for t in teams if t.id == team).balance = usd

    def add_team(self, team: str, name: str, *, balance: float = 10, key: str = KEY) -> None:
        """Let a user belong to one more team; the first one stays the current one."""
        with self.lock:
            self.teams[key].append(Team(team, name, balance, "member"))

    def fail_machine(self, name: str) -> None:
        """Let a machine fail so that it is billed until it is deleted."""
        with self.lock:
            vm = self.find(name)
            self.end_vm(vm, "failed-start")
            vm.entry.gone_at = None
        self.tick()

    def foreign_order(self, name: str, **facts: Any) -> Order:
        """Return a machine that somebody made by hand in the team of ``KEY``."""
        offer = self.shop[0]
        tags = {"offer": offer, "kind": offer.kind, "team": "team_0001", "discount": 0.0}
        tags |= {"key_id": "key_by_hand", "temp_key_id": None}
        region = facts.pop("region", offer.clusters[0])
        return Order(name, offer.offer_id, region, offer.price, UserData(), tags=tags, **facts)

    def shown(self, name: str) -> dict[str, Any]:
        """Return a deployment as the API shows it now."""
        return self._shown(self.find(name), self.clock.now())

    # -- a call ----------------------------------------------------------------------------

    def operation(self, request: Request) -> str:
        """Return method and path, ids replaced by ``ID``."""
        path = re.sub(r"^(/api/(?:deployments|ssh-keys))/[^/]+", r"\1/ID", request.path)
        return f"{request.method} {path}"

    def handle(self, request: Request) -> Answer:
        """Answer one call."""
        try:
            key = self._key(request)
            self._count(request, key)
            for method, path, handler in self._routes:
                if method == request.method and (match := path.fullmatch(request.path)):
                    return handler(request, key, *match.groups())
        except Refused as refused:
            return refused.answer
        return Answer(404, {"error": f"Cannot {request.method} {request.path}"})

    def _key(self, request: Request) -> str:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if not key and request.path in _PUBLIC:
            return ""
        if scheme != "Bearer" or key not in self.teams:
            told = f" {key}" if self.settings.echo_key else ""
            raise Refused(401, f"Invalid API key{told}", code="UNAUTHORIZED")
        if not self.settings.api_enabled:
            raise Refused(403, "API access is not enabled for this account", code="FORBIDDEN")
        return key

    def _count(self, request: Request, key: str) -> None:
        """Keep the limits: reads for an address, orders for a user."""
        if request.method == "GET":
            self._take(("reads", request.client), self.settings.reads)
        elif (request.method, request.path) == ("POST", "/api/deployments"):
            self._take(("posts", key), self.settings.posts)

    def _take(self, whose: tuple[str, str], limit: int) -> None:
        now = self.clock.now()
        window = self._windows.setdefault(whose, deque())
        while window and window[0] <= now - _WINDOW_S:
            window.popleft()
        if len(window) >= limit:
            refused = Refused(429, "Too many requests, please try again later.")
            wait = math.ceil(window[0] + _WINDOW_S - now)
            headers = {"Retry-After": str(wait)} if self.settings.retry_after else {}
            refused.answer = Answer(429, refused.answer.body, headers)
            raise refused
        window.append(now)

    # -- what anybody may see --------------------------------------------------------------

    def _providers(self, *_: object) -> Answer:
        return Answer(200, sorted({offer.provider for offer in self.shop}))

    def _gpu_offers(self, request: Request, key: str) -> Answer:
        discount = self.settings.discount if key else 0
        offers = [(offer, self._seems_available(offer)) for offer in self.shop]
        try:
            page = gpu_offers_page(
                offers, request.query, discount=discount, most=self.settings.page_size
            )
        except ValueError as error:
            return Answer(400, {"error": "Bad Request", "message": str(error)})
        return Answer(200, page)

    def _seems_available(self, offer: GpuOffer) -> bool:
        if self.settings.phantom or not offer.available:
            return offer.available
        kinds = {offer.kind, "SPOT"} if offer.spot_price is not None else {offer.kind}
        free = [self.free(place_of(offer, r, kind)) for r in offer.clusters for kind in kinds]
        return any(count is None or count > 0 for count in free)

    # -- accounts --------------------------------------------------------------------------

    def _balance(self, _: Request, key: str) -> Answer:
        teams = [
            {
                "teamId": team.id,
                "teamName": team.name,
                "balance": team.balance,
                "isCurrentTeam": number == 0,
                "role": team.role,
            }
            for number, team in enumerate(self.teams[key])
        ]
        return Answer(200, {"teams": teams, "currency": "USD"})

    def _teams(self, _: Request, key: str) -> Answer:
        teams = [{"id": team.id, "name": team.name} for team in self.teams[key]]
        shape = self.settings.teams_shape
        return Answer(200, teams if shape == "array" else {shape: teams})

    def _team(self, key: str, team_id: str) -> Team:
        teams = self.teams[key]
        found = [team for team in teams if team.id == team_id] if team_id else teams[:1]
        if not found:
            raise Refused(404, "Team not found")
        return found[0]

    # -- deployments -----------------------------------------------------------------------

    def _deploy(self, request: Request, key: str) -> Answer:
        try:
            body = check_deployment(request.json())
        except ValueError:
            raise Refused(400, "Unexpected token in JSON") from None
        team = self._team(key, body.get("teamId", ""))
        known = {offer.offer_id: offer for offer in self.shop}
        offer = check_offer(body, known.get(body["offerId"]))
        public_key = self.keys.public_line(body, key)
        if team.balance <= 0:
            raise Refused(self.settings.balance_status, "Insufficient balance")
        order = self._order(body, offer, team, public_key)
        try:
            self.check_room(order)
        except NoRoom:
            name = offer.offer_id.partition("__")[0]
            raise Refused(500, _STOCK.format(name=name)) from None
        if temporary := order.tags["temp_key_id"]:
            self.record("key", temporary, order.name)
        vm = self.make_vm(order, self.new_id("dep_"))
        if self.settings.failed_bills and vm.reason == "failed-start":
            vm.entry.gone_at = None
        return Answer(201, self._shown(vm, self.clock.now()))

    def _order(self, body: dict[str, Any], offer: GpuOffer, team: Team, public_key: str) -> Order:
        kind = body["instanceType"]
        temporary = self.new_id("tk_") if "ssh_public_key" in body else None
        return Order(
            body["name"],
            offer.offer_id,
            body["region"],
            round(offer.usd_hour(kind) * (1 - self.settings.discount), 4),
            user_data(body, public_key),
            spot=kind == "SPOT",
            tags={
                "offer": offer,
                "kind": kind,
                "team": team.id,
                "key_id": body.get("sshKeyId"),
                "temp_key_id": temporary,
                "discount": self.settings.discount,
            },
        )

    def on_end(self, vm: Vm) -> None:
        """End the temporary key with its machine."""
        entry = self.entry(vm.order.tags.get("temp_key_id") or "")
        if entry:
            entry.gone_at, entry.reason = vm.ends_at, vm.reason

    def _shown(self, vm: Vm, at: float) -> dict[str, Any]:
        ports = self.settings.ports
        if ports == "mixed":
            ports = ("sshPort", "forwards")[int(vm.id[-1]) % 2]
        shown = deployment(vm, at, ports=ports, tell_user=self.settings.tell_user)
        return shown | {"status": self._status(vm, at)}

    def _status(self, vm: Vm, at: float) -> str:
        status = status_of(vm, at)
        return self.settings.odd_status or status if status in ACTIVE else status

    def _own(self, key: str) -> list[Vm]:
        teams = {team.id for team in self.teams[key]}
        return [vm for vm in self.vms.values() if vm.order.tags.get("team") in teams]

    def _find_own(self, key: str, id_: str) -> Vm:
        for vm in self._own(key):
            if vm.id == id_:
                return vm
        raise Refused(404, "Deployment not found", code="NOT_FOUND")

    def _list(self, request: Request, key: str) -> Answer:
        query = request.query
        pages = {"page", "limit"} if self.settings.knows_pages else set()
        if unknown := set(query) - {"teamId", "userId", "status"} - pages:
            raise Refused(400, "Bad Request", message=f"unknown query {min(unknown)}")
        at = self.listed_at()
        status, team = query.get("status", "active"), query.get("teamId")
        rows = [
            self._shown(vm, at)
            for vm in self._own(key)
            if vm.state(at) and _has_status(self._status(vm, at), status)
            if team in {None, vm.order.tags["team"]}
        ]
        return self._listed(rows, int(query.get("page", 1)), int(query.get("limit", 10)))

    def _listed(self, rows: list[dict[str, Any]], page: int, limit: int) -> Answer:
        settings, shape = self.settings, self.settings.list_shape
        if shape == "array" and not settings.page_size:
            return Answer(200, rows)
        size = settings.page_size or min(limit, 10)
        shown = rows[(page - 1) * size : page * size]
        if shape == "array-paged":
            return Answer(200, shown)
        body: dict[str, Any] = {"data" if shape == "data" else "deployments": shown}
        pages = math.ceil(len(rows) / size)
        if settings.total_pages != "none":
            body["totalPages"] = pages if settings.total_pages == "number" else str(pages)
        return Answer(200, body)

    def _get(self, _: Request, key: str, id_: str) -> Answer:
        return Answer(200, self._shown(self._find_own(key, id_), self.clock.now()))

    def _rename(self, request: Request, key: str, id_: str) -> Answer:
        vm, body = self._find_own(key, id_), request.json()
        if not isinstance(body, dict) or set(body) != {"name"}:
            raise Refused(400, "Input payload validation failed", details=[])
        vm.entry.name = body["name"]
        return Answer(200, self._shown(vm, self.clock.now()))

    def _can_terminate(self, _: Request, key: str, id_: str) -> Answer:
        left = self._floor_left_s(self._find_own(key, id_))
        if left <= 0:
            return Answer(200, {"canTerminate": True})
        minutes = {"timeRemaining": math.ceil(left / 60), "minimumRuntime": _FLOOR_S // 60}
        reason = {"canTerminate": False, "reason": "Minimum runtime not met"}
        return Answer(200, {**reason, **minutes})

    def _delete(self, _: Request, key: str, id_: str) -> Answer:
        vm, now = self._find_own(key, id_), self.clock.now()
        if vm.state(now) is VmState.GONE and vm.entry.gone_at is not None:
            raise Refused(
                400,
                "Cannot terminate instance",
                message="Instance has already been terminated.",
                currentStatus=status_of(vm, now),
                canTerminate=False,
            )
        left = self._floor_left_s(vm)
        if left > 0:
            raise _too_early(left)
        if vm.entry.gone_at is None and vm.state(now) is VmState.GONE:
            vm.entry.gone_at = now  # it had failed, and was billed until now
        self.end_vm(vm)
        self.tick()
        if self.settings.empty_delete:
            return Answer(200)
        ended = {"id": vm.id, "status": "terminated", "stoppedAt": iso(now)}
        return Answer(200, {"message": "Instance terminated successfully", "deployment": ended})

    def _floor_left_s(self, vm: Vm) -> float:
        now, begin = self.clock.now(), self.settings.floor_from
        if begin == "never" or status_of(vm, now) not in self.settings.floor_holds:
            return 0.0
        since = vm.made_at if begin == "created" else min(vm.runs_at, now)
        return since + _FLOOR_S - now


def _has_status(status: str, wanted: str) -> bool:
    groups = {"all": True, "active": status in ACTIVE, "inactive": status not in ACTIVE}
    return groups.get(wanted, status == wanted)


def _too_early(left_s: float) -> Refused:
    minutes = math.ceil(left_s / 60)
    return Refused(
        400,
        "Minimum runtime not met",
        message=(f"Instance must run for at least 20 minutes. Time remaining: {minutes} minutes."),
        canTerminate=False,
        timeRemaining=minutes,
        minimumRuntime=_FLOOR_S // 60,
    )
