"""Operations: what was asked for and takes its time, and what happened by itself."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from clouds.gcp.errors import Refused, not_found
from clouds.gcp.lists import aggregated, listed
from clouds.gcp.state import Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clouds.gcp.cloud import Call, Gcp
    from clouds.model import NoRoom

__all__ = ["OperationLog"]

_ZERO = "00000000-0000-0000-0000-000000000000"


class OperationLog:
    """Every operation of the project."""

    def __init__(self, cloud: Gcp) -> None:
        self._cloud = cloud
        self._operations: dict[tuple[str, str, str], Operation] = {}
        self._requests: dict[str, Operation] = {}
        self._numbers = itertools.count(1)
        self.handlers = {
            "compute.zoneOperations.get": self._get,
            "compute.zoneOperations.wait": self._get,  # it may return before the end
            "compute.zoneOperations.list": self._list,
            "compute.globalOperations.get": self._get,
            "compute.globalOperations.wait": self._get,
            "compute.globalOperations.aggregatedList": self._aggregated,
        }

    def begin(
        self,
        kind: str,
        about: Any,
        call: Call,
        errors: Sequence[dict[str, Any]] = (),
        *,
        duration_s: float | None = None,
        at_end: Callable[[], object] | None = None,
    ) -> Operation:
        """Begin an operation.

        Args:
            kind: ``operationType``.
            about: Has ``project``, ``id``, ``path`` and ``zone`` (empty for a global thing).
            call: Which began it.
            errors: What will be told at its end; it is known to nobody before.
            duration_s: How long it takes; ``operation_s`` of the settings by default.
            at_end: Done at its end.
        """
        seconds = self._cloud.settings.operation_s if duration_s is None else duration_s
        operation = self._new(kind, about, call.grant.account, seconds)
        if request_id := call.query.get("requestId"):
            self._requests[request_id] = operation

        def end() -> None:
            operation.errors, operation.is_over = list(errors), True
            if at_end is not None:
                at_end()

        self._cloud.schedule(seconds, end)
        return operation

    def repeated(self, call: Call) -> Any:
        """Return the operation of an earlier sending of a request; None when there was none."""
        request_id = call.query.get("requestId")
        if request_id is None:
            return None
        if request_id == _ZERO or len(request_id) != len(_ZERO):
            raise Refused(400, "invalid", f"Invalid value for field 'requestId': '{request_id}'.")
        operation = self._requests.get(request_id)
        return self.view(operation) if operation else None

    def forget_requests(self) -> None:
        """Know no request again, as Google does after some time."""
        self._requests.clear()

    def system(self, kind: str, about: Any, message: str) -> None:
        """Write down what nobody asked for."""
        operation = self._new(kind, about, "system", 0)
        operation.message, operation.is_over = message, True

    def view(self, operation: Operation) -> dict[str, Any]:
        """Return the ``Operation`` resource."""
        return operation.view(self._cloud.clock.now())

    def error_of(self, no: NoRoom, about: Any) -> dict[str, Any]:
        """Return the error of an operation that found no room."""
        if no.quota:
            return _quota_error(no.quota, self._cloud._quotas[no.quota])
        kind, (gpu, count) = about.wish.kind.name, about.wish.gpu
        info = {
            "zone": about.zone,
            "vmType": kind,
            "zonesAvailable": "",
            "attachment": f"{gpu}:{count}",
        }
        said = f"An {kind} VM instance is currently unavailable in the {about.zone} zone."
        detail = {
            "reason": "resource_availability",
            "domain": "compute.googleapis.com",
            "metadatas": info,
        }
        return {
            "code": "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS",
            "message": said,
            "errorDetails": [{"errorInfo": detail}],
        }

    def _new(self, kind: str, about: Any, user: str, duration_s: float) -> Operation:
        number, now = next(self._numbers), self._cloud.clock.now()
        prefix = "systemevent" if user == "system" else "operation"
        name = f"{prefix}-{int(now * 1000)}-{number:04x}"
        operation = Operation(
            about.project, name, f"1000{number:08}", kind, about.path, about.id, about.zone, user,
            now, now + min(duration_s / 2, 1.0), now + duration_s,
        )  # fmt: skip
        self._operations[about.project, about.zone, name] = operation
        return operation

    def _get(self, call: Call) -> Any:
        zone, name = call.parts.get("zone", ""), call.parts["operation"]
        operation = self._operations.get((call.project, zone, name))
        if operation is None:
            place = f"zones/{zone}" if zone else "global"
            raise not_found(f"projects/{call.project}/{place}/operations/{name}")
        return self.view(operation)

    def _list(self, call: Call) -> Any:
        place = (call.project, call.parts["zone"])
        items = [self.view(o) for (*at, _), o in self._operations.items() if tuple(at) == place]
        return listed("compute#operationList", items, call.query, self._cloud.settings)

    def _aggregated(self, call: Call) -> Any:
        how = self._cloud.settings
        items = [
            (f"zones/{zone}" if zone else "global", self.view(operation))
            for (project, zone, _), operation in self._operations.items()
            if project == call.project
        ]
        kind = "compute#operationAggregatedList"
        return aggregated((kind, "operations"), items, call, how)


def _quota_error(name: str, limit: float) -> dict[str, Any]:
    metric, _, region = name.partition("@")
    where = f"in region {region}" if region else "globally"
    error: dict[str, Any] = {
        "code": "QUOTA_EXCEEDED",
        "message": f"Quota '{metric}' exceeded.  Limit: {limit:.1f} {where}.",
    }
    if region:
        quota = {
            "metricName": f"compute.googleapis.com/{metric.lower()}",
            "limitName": f"{metric.replace('_', '-')}-per-project-region",
            "dimensions": {"region": region},
            "limit": limit,
        }
        error["errorDetails"] = [{"quotaInfo": quota}]
    return error
