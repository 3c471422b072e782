"""moto, as far as we look inside: all of it is here, and ``test_aws_moto.py`` guards each use."""

from __future__ import annotations

import os
import tempfile
import threading
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clouds.http import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clouds.aws.calls import AwsCall

__all__ = ["Inside", "load_moto"]

_HIDDEN = {"transfer-encoding", "content-length", "connection"}
_LOCK = threading.RLock()
"""moto's registries are the process's, and not made for threads."""
_CODES = {
    "pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80,
}  # fmt: skip

_NEW_CODE = 99


@cache
def load_moto() -> Any:
    """Import moto, which takes two seconds, and reads the process's own AWS settings as it comes in.

    It comes without its thousands of old images, which cost each region a tenth of a second.
    """
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "amis.json"
        empty.write_text("[]")
        os.environ["MOTO_AMIS_PATH"] = str(empty)
        import moto.ec2.responses
        import moto.s3.responses
        import moto.sts.responses
    return moto


class Inside:
    """One account's part of moto."""

    def __init__(self, account: str) -> None:
        self.account = account
        self._made: set[str] = set()

    def ec2(self, region: str) -> Any:
        """Return the EC2 backend of a region."""
        load_moto()
        from moto.ec2.models import ec2_backends

        self._made.add(region)
        return ec2_backends[self.account][region]

    def close(self) -> None:
        """Let go of everything that the account has: moto keeps it until the process ends."""
        from moto.ec2.models import ec2_backends
        from moto.s3.models import s3_backends

        with _LOCK:
            ec2_backends.pop(self.account, None)
            s3_backends.pop(self.account, None)
            taken = s3_backends.bucket_accounts
            for bucket in [b for b, (_, account) in taken.items() if account == self.account]:
                del taken[bucket]

    def is_empty(self, region: str) -> bool:
        """Say whether nothing was ever made or asked in a region."""
        return region not in self._made

    def forward(self, call: AwsCall, **changes: str) -> Answer:
        """Let moto answer a call, with some parameters changed."""
        form = {**call.parameters, **changes}
        body = "&".join(f"{_quoted(k)}={_quoted(v)}" for k, v in form.items())
        data = body.encode() if call.parameters else call.request.body
        self._made.add(call.region)
        with _LOCK:
            status, headers, content = self._dispatch(call, data)
        kept = {k: str(v) for k, v in headers.items() if k.lower() not in {*_HIDDEN, "status"}}
        return Answer(int(status), content, kept)

    def _dispatch(self, call: AwsCall, data: bytes) -> Any:
        moto = load_moto()
        request = _request(call, data, self.account)
        if call.service == "ec2":
            return moto.ec2.responses.EC2Response.dispatch(request)
        if call.service == "sts":
            return moto.sts.responses.TokenResponse.dispatch(request)
        whole = moto.s3.responses.S3Response
        path = call.request.path.strip("/")
        dispatch = whole.key_dispatch if "/" in path else whole.ambiguous_dispatch
        return dispatch(request, request.raw_url, dict(request.headers))

    # -- instances -----------------------------------------------------------------------------

    def reservations(self, region: str) -> dict[str, Any]:
        """Return all reservations of a region."""
        found: dict[str, Any] = self.ec2(region).reservations
        return found

    def show_only(self, region: str, reservations: Mapping[str, Any]) -> None:
        """Let listings show these reservations and no others."""
        backend = self.ec2(region)
        backend.reservations = type(backend.reservations)(reservations)

    def show(self, instance: Any, state: str, made_at: float, public: str, reason: str) -> None:
        """Let an instance show a state."""
        from moto.ec2.models.instances import StateReason

        instance._state.name, instance._state.code = state, _CODES.get(state, _NEW_CODE)
        instance.state_reason = StateReason(f"{reason}: {reason.partition('.')[2]}", reason)
        if not reason:
            instance.state_reason = StateReason()
        instance.launch_time = datetime.fromtimestamp(made_at, UTC)
        instance.nics[0].public_ip = public or None

    def settle(self, instance: Any, address: str, nic_tags: Mapping[str, str]) -> None:
        """Give an instance the address of its node, and its interface the tags that it was asked for."""
        nic = instance.nics[0]
        nic.public_ip_auto_assign = False
        nic.private_ip_address = address
        nic.private_ip_addresses = [{"Primary": True, "PrivateIpAddress": address}]
        nic.add_tags(dict(nic_tags))

    def volumes_of(self, instance: Any) -> Iterable[tuple[str, bool]]:
        """Yield ids of an instance's disks, and whether they end with it."""
        for _, disk in instance.get_block_device_mapping:
            yield disk.volume_id, bool(disk.delete_on_termination)

    def end(self, region: str, instance: Any) -> None:
        """Take away what ends with an instance: its interface and its disks, which may stay."""
        backend = self.ec2(region)
        for nic in instance.nics.values():
            backend.enis.pop(nic.id, None)
        for device, disk in list(instance.get_block_device_mapping):
            if disk.delete_on_termination:
                backend.volumes.pop(disk.volume_id, None)
            else:
                backend.detach_volume(disk.volume_id, instance.id, device)
            instance.block_device_mapping.pop(device, None)

    def add_image(self, region: str, image: str, **facts: Any) -> None:
        """Publish an image."""
        from moto.ec2.models.amis import Ami

        backend = self.ec2(region)
        if image not in backend.amis:
            backend.amis[image] = Ami(
                backend, image, region_name=f"{region}a", public=True, **facts
            )


def _request(call: AwsCall, data: bytes, account: str) -> Any:
    from moto.core.request import Request
    from werkzeug.test import EnvironBuilder

    asked = call.request
    headers = {name: value for name, value in asked.headers.items() if name not in _HIDDEN}
    headers["x-moto-account-id"] = account
    host = f"http://{call.service}.{call.region}.amazonaws.com"
    builder = EnvironBuilder(
        method=asked.method,
        path=asked.path,
        query_string=dict(asked.query),
        data=data,
        headers={k: v for k, v in headers.items() if k not in {"host", "content-type"}},
        content_type=asked.headers.get("content-type"),
        base_url=host,
    )
    try:
        return Request(builder.get_environ())
    finally:
        builder.close()


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")
