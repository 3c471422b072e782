"""What is not Compute Engine: tokens, the Billing Catalog, permissions, buckets, metadata server."""

from __future__ import annotations

import re
import urllib.parse
from typing import TYPE_CHECKING, Any

from clouds.gcp.billing import SERVICE, skus
from clouds.gcp.errors import Refused, not_found
from clouds.gcp.filters import WrongFilter, page_of
from clouds.gcp.state import HOST_PROJECT, PROJECT
from clouds.http import Answer
from clouds.model import VmState

if TYPE_CHECKING:
    from collections.abc import Callable

    from clouds.gcp.cloud import Call, Gcp
    from clouds.http import Request

__all__ = ["Others"]

_IMPERSONATION = re.compile(r"/v1/projects/-/serviceAccounts/([^/:]+):generateAccessToken")
_SHARED = ("compute.firewalls.", "compute.globalOperations.", "compute.networks.", "compute.subnet")
"""What may be done in the project whose network is shared; nothing else may."""
_MOST_SKUS = 5000
_METADATA = "/computeMetadata/v1/"


class Others:
    """The small parts."""

    def __init__(self, cloud: Gcp) -> None:
        self._cloud = cloud
        self.buckets: dict[str, tuple[dict[str, str], bool]] = {}
        self.handlers: dict[str, Callable[[Call], Any]] = {
            "cloudbilling.services.skus.list": self._skus,
            "cloudresourcemanager.projects.testIamPermissions": self._permissions,
            "storage.objects.get": self._object,
            "storage.objects.list": self._objects,
        }

    def name_of(self, request: Request) -> str:
        """Name a call that no document of ours describes; empty for the others."""
        if request.path in {"/token", "/v1/token"}:
            return "oauth.token" if request.path == "/token" else "sts.token"
        if _IMPERSONATION.fullmatch(request.path):
            return "iamcredentials.generateAccessToken"
        if request.path.startswith(_METADATA):
            return f"metadata.{request.path.removeprefix(_METADATA)}"
        return ""

    def answer(self, request: Request) -> Answer | None:
        """Answer such a call."""
        accounts = self._cloud.accounts
        if request.path == "/token" and request.method == "POST":
            return accounts.oauth(request)
        if request.path == "/v1/token" and request.method == "POST":
            return accounts.limit(request)
        if match := _IMPERSONATION.fullmatch(request.path):
            return accounts.impersonate(request, match[1])
        return self._metadata(request) if request.path.startswith(_METADATA) else None

    def _metadata(self, request: Request) -> Answer:
        """Answer as the metadata server. There is one for all machines: any notice is everybody's."""
        if request.headers.get("metadata-flavor") != "Google":
            return Answer(403, "<html>Missing required header Metadata-Flavor</html>")
        what = request.path.removeprefix(_METADATA)
        if what == "instance/preempted":
            now = self._cloud.clock.now()
            told = [vm for vm in self._cloud.vms.values() if vm.notice_at <= now]
            taken = any(vm.state(now) is not VmState.GONE for vm in told)
            return Answer(200, "TRUE" if taken else "FALSE")
        if what == "project/project-id":
            return Answer(200, PROJECT)
        if what == "instance/service-accounts/default/email":
            return Answer(200, self._cloud.accounts.email)
        if what == "instance/service-accounts/default/token":
            return Answer(200, self._cloud.accounts.give(self._cloud.accounts.email))
        return Answer(404, "<html>Not Found</html>")

    def _skus(self, call: Call) -> Any:
        if call.parts["servicesId"] != SERVICE:
            raise not_found(call.parts["servicesId"])
        query = {"maxResults": call.query.get("pageSize", "5000"), **call.query}
        try:
            most = self._cloud.settings.page_size
            page, token = page_of(skus(self._cloud.prices), query, most, _MOST_SKUS)
        except WrongFilter as error:
            raise Refused(400, "badRequest", str(error)) from None
        return {"skus": list(page), "nextPageToken": token or ""}

    def _permissions(self, call: Call) -> Any:
        if call.parts["projectsId"] not in {PROJECT, HOST_PROJECT}:
            raise Refused(403, "forbidden", "The caller does not have permission")
        asked = (call.body or {}).get("permissions") or ()
        is_host = call.parts["projectsId"] == HOST_PROJECT
        denied = {p for p in asked if is_host and not p.startswith(_SHARED)} | self._cloud.denied
        return {"permissions": [p for p in asked if p not in denied]}

    def _objects(self, call: Call) -> Any:
        prefix = call.query.get("prefix", "")
        found = [o for o in self._of_bucket(call) if o["name"].startswith(prefix)]
        return {"kind": "storage#objects", "items": found}

    def _object(self, call: Call) -> Any:
        name = urllib.parse.unquote(call.parts["object"])
        found = next((o for o in self._of_bucket(call) if o["name"] == name), None)
        if found is None:
            raise Refused(404, "notFound", f"No such object: {call.parts['bucket']}/{name}")
        return found

    def _of_bucket(self, call: Call) -> list[dict[str, Any]]:
        """Return the objects of a bucket, if the caller may see them."""
        name = call.parts["bucket"]
        if name not in self.buckets:
            raise Refused(404, "notFound", "The specified bucket does not exist.")
        objects, uniform = self.buckets[name]
        limited = call.grant.bucket
        if "storage.objects.list" in self._cloud.denied or (
            limited and (limited != name or not uniform)
        ):
            said = f"{call.grant.account} does not have storage.objects.list access to the bucket."
            raise Refused(403, "forbidden", said)
        facts = {"kind": "storage#object", "bucket": name, "updated": "2026-11-24T00:00:00.000Z"}
        return [
            {**facts, "name": key, "size": str(len(text))} for key, text in sorted(objects.items())
        ]
