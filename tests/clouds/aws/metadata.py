"""The metadata service that machines ask. There is one for all: any notice is everybody's."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from clouds.http import Answer
from clouds.model import VmState

if TYPE_CHECKING:
    from clouds.aws.cloud import Aws
    from clouds.http import Request

__all__ = ["answer_metadata"]

_TOKEN = "AQAEAtestsOnlyMetadataToken=="
_TTL = "x-aws-ec2-metadata-token-ttl-seconds"
_HEADER = "x-aws-ec2-metadata-token"
_LONGEST_S = 21600
_ABSENT = Answer(404, "<html>404 - Not Found</html>")


def answer_metadata(cloud: Aws, request: Request) -> Answer:
    """Answer as version 2 of the service: a token by PUT first, which every GET must show."""
    path = request.path.removeprefix("/latest/")
    if path == "api/token":
        ttl = request.headers.get(_TTL, "")
        good = request.method == "PUT" and ttl.isdigit() and 1 <= int(ttl) <= _LONGEST_S
        return Answer(200, _TOKEN) if good else Answer(400, "<html>400 - Bad Request</html>")
    if request.headers.get(_HEADER) != _TOKEN:
        return Answer(401, "<html>401 - Unauthorized</html>")
    if path == "meta-data/spot/instance-action":
        return _action(cloud)
    if path == "meta-data/events/recommendations/rebalance" and cloud.settings.rebalance:
        return Answer(200, json.dumps({"noticeTime": _stamp(cloud.clock.now())}))
    return _ABSENT


def _action(cloud: Aws) -> Answer:
    now = cloud.clock.now()
    warned = [
        vm for vm in cloud.vms.values() if vm.notice_at <= now and vm.state(now) is not VmState.GONE
    ]
    if not warned:
        return _ABSENT
    return Answer(200, json.dumps({"action": "terminate", "time": _stamp(warned[0].ends_at)}))


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
