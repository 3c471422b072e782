"""What is kept on this computer: where hosts were claimed from here, and what was last seen of them.

The first is where to look, also when the list of hosts has changed since; what a host itself shows
is what counts. The second is a cache.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from arb.errors import ProviderUnavailable
from arb_ssh.hosts import Gpus, Hardware, Host

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from arb.types import ProviderContext
    from arb_ssh.limits import Limit

__all__ = ["Record", "Records", "Seen", "SeenHosts", "claiming", "host_of", "payload_of"]

_OF_HOST: Final = ("name", "pool", "address", "user", "port", "identity_file", "private_address")
_POLL_S: Final = 0.02


def payload_of(host: Host, host_key: str) -> str:
    """Return what must be known to reach a host again, whatever becomes of the list of hosts.

    Args:
        host: Which.
        host_key: The key line that it showed.
    """
    facts = {name: getattr(host, name) for name in _OF_HOST}
    return json.dumps({**facts, "host_key": host_key})


def host_of(payload: str) -> Host | None:
    """Read what ``payload_of`` wrote; None when it is something else."""
    try:
        facts = json.loads(payload)
        return Host(**{name: facts[name] for name in (*_OF_HOST, "host_key")})
    except (ValueError, TypeError, KeyError):
        return None


@dataclass(frozen=True, slots=True)
class Record:
    """A claim that was tried from here: it may have been made, and may be gone by now.

    Attributes:
        was_made: Whether the host said so.
    """

    token: str
    host: Host
    was_made: bool = False


class Records:
    """Where hosts were claimed from this computer, one file each.

    Args:
        context: Of the call.
    """

    def __init__(self, context: ProviderContext) -> None:
        self.folder = context.data_dir / "claims"
        self.folder.mkdir(mode=0o700, exist_ok=True)

    def write(self, token: str, host: Host, host_key: str) -> None:
        """Remember, so that a crash right after does not lose it, that a claim is tried.

        Raises:
            ProviderUnavailable: It cannot be written down.
        """
        facts = {"token": token, "payload": payload_of(host, host_key)}
        try:
            _replace(self._path(token, host), json.dumps(facts), sync=True)
        except OSError as error:
            summary = f"{self.folder} cannot be written: {error.strerror}"
            raise ProviderUnavailable(summary, code="ssh-data-folder") from error

    def confirm(self, token: str, host: Host, host_key: str) -> None:
        """Remember that a claim was made. Where that is lost, only the host shows that it was."""
        facts = {"token": token, "payload": payload_of(host, host_key), "was_made": True}
        with suppress(OSError):
            _replace(self._path(token, host), json.dumps(facts), sync=False)

    def forget(self, token: str, host: Host) -> None:
        """Forget a claim that is not there."""
        self._path(token, host).unlink(missing_ok=True)

    def read(self) -> list[Record]:
        """Return all, in a fixed order."""
        found = []
        for path in sorted(self.folder.glob("arb-*.json")):
            with suppress(OSError, ValueError, TypeError, KeyError):
                facts = json.loads(path.read_text(encoding="utf-8"))
                host = host_of(facts["payload"])
                if host is not None:
                    was_made = facts.get("was_made") is True
                    found.append(Record(str(facts["token"]), host, was_made))
        return found

    def age_s(self, record: Record, now: float) -> float:
        """Return how long ago a record was written; 0 when it is gone."""
        try:
            return now - self._path(record.token, record.host).stat().st_mtime
        except OSError:
            return 0.0

    def _path(self, token: str, host: Host) -> Path:
        return self.folder / f"{token}@{quote(host.key, safe='')}.json"


@contextmanager
def claiming(context: ProviderContext, limit: Limit) -> Iterator[None]:
    """Let one process of this computer claim at a time.

    Two that each have half of what they need would both give up.

    Raises:
        ProviderUnavailable: Another one holds it for too long; nothing was sent.
    """
    import fcntl

    with (context.data_dir / "lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if limit.over:
                    summary = "another command is claiming hosts"
                    error = ProviderUnavailable(summary, code="ssh-claiming")
                    error.never_sent = True
                    raise error from None
                time.sleep(_POLL_S)  # real time, in which the other one works
        yield


@dataclass(frozen=True, slots=True)
class Seen:
    """What was last seen of a host: ``state`` is ``free``, ``taken``, ``silent`` or empty."""

    hardware: Hardware | None = None
    measured_at: float = 0.0
    state: str = ""


class SeenHosts:
    """What was last seen of all hosts; losing it costs one look.

    Args:
        context: Of the call.
    """

    def __init__(self, context: ProviderContext) -> None:
        self._path = context.cache_dir / "hosts.json"
        self._known: dict[str, Seen] = {}
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            for key, facts in json.loads(self._path.read_text(encoding="utf-8")).items():
                self._known[key] = _seen(facts)

    def of(self, host: Host) -> Seen:
        """Return what was last seen of a host."""
        return self._known.get(host.key, Seen())

    def keep(self, news: Mapping[str, Seen]) -> None:
        """Write down what was seen, by ``Host.key``. Where that does not work it is lost."""
        self._known.update(news)
        text = json.dumps({key: asdict(seen) for key, seen in self._known.items()})
        with suppress(OSError):
            _replace(self._path, text)


def _seen(facts: Mapping[str, Any]) -> Seen:
    found = facts["hardware"]
    hardware = Hardware(**{**found, "gpus": Gpus(**found["gpus"])}) if found else None
    return Seen(hardware, float(facts["measured_at"]), str(facts["state"]))


def _replace(path: Path, text: str, *, sync: bool = False) -> None:
    """Replace a file in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
