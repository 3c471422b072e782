"""Which host key a host must show: told in the configuration, known to the user, or seen before."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from arb_ssh.hosts import Host

__all__ = ["Pins", "Trust", "fingerprint", "known_keys", "told_key"]

_SSH_PORT: Final = 22
_HASHED: Final = "|1|"
_REVOKED: Final = "@revoked"


@dataclass(frozen=True, slots=True)
class Trust:
    """What a host must show.

    Attributes:
        keys: Key lines ``TYPE BASE64``, any of which will do, or fingerprints; empty: whatever it
            shows first.
        revoked: Key lines that it must not show.
        source: Where they are from, for people.
    """

    keys: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()
    source: str = ""

    def accepts(self, line: str) -> bool:
        """Say whether a key that was shown is one of them."""
        return line not in self.revoked and (line in self.keys or fingerprint(line) in self.keys)

    @property
    def types(self) -> tuple[str, ...]:
        """Types of the keys that are known as lines."""
        return tuple(dict.fromkeys(key.split()[0] for key in self.keys if " " in key))


def fingerprint(line: str) -> str:
    """Return ``SHA256:...`` of a key line, as OpenSSH shows it."""
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def told_key(text: str) -> str:
    """Return a configured key as it is compared: without a comment, without padding."""
    return text.rstrip("=") if text.startswith("SHA256:") else " ".join(text.split()[:2])


def known_keys(path: Path, host: Host) -> Trust:
    """Return what a file in the form of OpenSSH's ``known_hosts`` says of a host.

    Certificates of authorities are not understood and left out.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return Trust()
    names = [host.address]
    if host.port != _SSH_PORT:
        names.insert(0, f"[{host.address}]:{host.port}")
    for name in names:
        found = list(_of_name(lines, name))
        keys = tuple(key for marker, key in found if not marker)
        revoked = tuple(key for marker, key in found if marker == _REVOKED)
        if keys or revoked:
            return Trust(keys, revoked, str(path))
    return Trust()


def _of_name(lines: list[str], name: str) -> Iterator[tuple[str, str]]:
    """Yield marker and key line of each entry for a name."""
    for line in lines:
        words = line.split()
        marker = words.pop(0) if line.startswith("@") and words else ""
        if len(words) > 2 and not line.startswith("#") and _matches(words[0], name):  # noqa: PLR2004 - names, type, key
            yield marker, f"{words[1]} {words[2]}"


def _matches(names: str, name: str) -> bool:
    if names.startswith(_HASHED):
        return _matches_hashed(names, name)
    patterns = names.lower().split(",")
    if any(fnmatchcase(name.lower(), p[1:]) for p in patterns if p.startswith("!")):
        return False
    return any(_like(name.lower(), p) for p in patterns)


def _like(name: str, pattern: str) -> bool:
    # Brackets are part of ``[host]:port``, not of a pattern.
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def _matches_hashed(names: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part) for part in names[len(_HASHED) :].split("|"))
    except ValueError:
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)


class Pins:
    """Host keys that were trusted because they were the first that a host showed.

    Args:
        folder: Where they are kept; made when the first is pinned.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, host: Host) -> str:
        """Return the key line of a host; empty when none was seen yet."""
        try:
            return self._path(host).read_text(encoding="utf-8").strip()
        except OSError:
            return ""

    def pin(self, host: Host, line: str) -> str:
        """Keep a key unless there is one; return the one that is kept."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with self._path(host).open("x", encoding="utf-8") as file:
                file.write(line + "\n")
        except FileExistsError:
            return self.get(host) or line  # another process is writing the same
        return line

    def tell(self, host: Host) -> str:
        """Return the fingerprint of a pinned key the first time that this is asked."""
        line = self.get(host)
        if not line:
            return ""
        try:
            self._path(host, ".told").touch(exist_ok=False)
        except OSError:
            return ""
        return fingerprint(line)

    def _path(self, host: Host, suffix: str = "") -> Path:
        return self._folder / (quote(f"{host.address}:{host.port}", safe="") + suffix)
