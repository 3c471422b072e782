"""User data in the forms that clouds take, and what a first boot would make of it."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["BootFile", "UserData", "WrongUserData"]

_HOST_KEY = re.compile(r"(?mi)^\s*HostKey\s+(\S+)\s*$")
_LIMIT = re.compile(r'-ge "?(\d+)"?')
_SSHD_CONFIGS = "/etc/ssh/sshd_config.d/"
_MINUTE_S = 60


class WrongUserData(ValueError):
    """cloud-init would not take it."""


@dataclass(frozen=True)
class BootFile:
    """A file of ``write_files``."""

    path: str
    content: str
    mode: int = 0o644


@dataclass(frozen=True)
class UserData:
    """What a machine is given for its first boot, whatever form the cloud takes it in."""

    authorized_keys: tuple[str, ...] = ()
    files: tuple[BootFile, ...] = ()
    commands: tuple[str, ...] = ()
    ssh_keys: Mapping[str, str] | None = None

    @classmethod
    def of_cloud_config(cls, text: str, *authorized_keys: str) -> UserData:
        """Read a ``#cloud-config`` document; an empty text is no user data.

        Raises:
            WrongUserData: It is something else.
        """
        import yaml

        if not text:
            return cls(authorized_keys)
        if not text.startswith("#cloud-config\n"):
            raise WrongUserData("user data is not a #cloud-config document")
        document = yaml.safe_load(text) or {}
        return cls(
            (*authorized_keys, *document.get("ssh_authorized_keys", ())),
            tuple(_file(f, "permissions") for f in document.get("write_files", ())),
            tuple(map(_line, document.get("runcmd", ()))),
            document.get("ssh_keys"),
        )

    @classmethod
    def of_parts(
        cls,
        files: Iterable[Mapping[str, Any]],
        commands: Iterable[object],
        *authorized_keys: str,
    ) -> UserData:
        """Take files and commands as a cloud with a structured form hands them over."""
        return cls(
            authorized_keys, tuple(_file(f, "permissions") for f in files), (*map(_line, commands),)
        )

    def with_keys(self, *authorized_keys: str) -> UserData:
        """Return the same, with more keys let in."""
        return replace(self, authorized_keys=(*self.authorized_keys, *authorized_keys))

    def host_key(self) -> str:
        """Return the private host key that the machine will show; empty when it makes its own.

        As on a real image, a key that was written down is shown only if sshd is told of it and
        started again.
        """
        if self.ssh_keys and "ed25519_private" in self.ssh_keys:
            return self.ssh_keys["ed25519_private"]
        contents = {file.path: file.content for file in self.files}
        configs = [text for path, text in contents.items() if path.startswith(_SSHD_CONFIGS)]
        paths = [path for text in configs for path in _HOST_KEY.findall(text)]
        restarts = any(re.search(r"(systemctl|service)\s.*ssh", line) for line in self.commands)
        return next((contents[p] for p in paths if p in contents and restarts), "")

    def bringup_timeout_s(self) -> float:
        """Return after how many seconds the timer in the user data would power the machine off."""
        for file in self.files:
            limit = _LIMIT.search(file.content)
            if limit and "shutdown" in file.content:
                return float(limit[1]) * _MINUTE_S
        return 0.0


def _file(entry: Mapping[str, Any], mode_key: str) -> BootFile:
    content = _decoded(entry.get("content", ""), entry.get("encoding", ""))
    return BootFile(entry["path"], content, int(str(entry.get(mode_key, "0644")), 8))


def _decoded(content: str, encoding: str) -> str:
    if encoding in {"", "text/plain"}:
        return content
    data = content.encode()
    if encoding in {"b64", "base64", "gz+b64", "gz+base64", "gzip+base64"}:
        data = base64.b64decode(data)
    if encoding.startswith("gz"):
        data = gzip.decompress(data)
    return data.decode()


def _line(command: object) -> str:
    if isinstance(command, str):
        return command
    if isinstance(command, list) and command[:2] == ["sh", "-c"]:
        return str(command[2])
    raise WrongUserData(f"a command of another form: {json.dumps(command)[:80]}")
