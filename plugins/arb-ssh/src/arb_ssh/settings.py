"""What the user configured: which hosts there are, and how they are entered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from arb.errors import CredentialsError, UsageError
from arb_ssh.entries import read_hosts
from arb_ssh.values import READERS, wrong

if TYPE_CHECKING:
    from arb.types import ProviderContext
    from arb_ssh.hosts import Host

__all__ = ["SET_UP", "Fleet", "expand", "local_user", "need_fleet", "read_fleet"]

SET_UP: Final = "list your machines: arb config set provider_options.ssh.hosts '[me@10.0.0.5]'"
_KNOWN_HOSTS: Final = "~/.ssh/known_hosts"


@dataclass(frozen=True, slots=True)
class Fleet:
    """All hosts that are configured.

    Attributes:
        hosts: In the order of the list.
        file: The file that they were read from; None when they are in the configuration itself.
        known_hosts: File with trusted host keys; it need not be there.
        source: Where the list was found, for people.
    """

    hosts: tuple[Host, ...]
    file: Path | None
    known_hosts: Path
    source: str

    def named(self, name: str) -> Host | None:
        """Return the host of a name."""
        return next((host for host in self.hosts if host.name == name), None)

    def of_pool(self, pool: str) -> tuple[Host, ...]:
        """Return the hosts of a pool."""
        return tuple(host for host in self.hosts if host.pool == pool)

    @property
    def pools(self) -> frozenset[str]:
        """The names of all pools."""
        return frozenset(host.pool for host in self.hosts)


def read_fleet(context: ProviderContext) -> Fleet:
    """Read the list of hosts; without one it is empty.

    Raises:
        UsageError: It cannot be used; the summary names the place.
    """
    where = _where(context, "hosts")
    value = context.options.get("hosts")
    file = None
    if isinstance(value, str):
        file = expand(value, context.home, where)
        where, value = str(file), _read_file(file)
    defaults = {"user": _user(context), "identity_file": _option(context, "identity_file")}
    hosts = read_hosts(value, where, {k: v for k, v in defaults.items() if v})
    known = _option(context, "known_hosts") or _KNOWN_HOSTS
    return Fleet(hosts, file, expand(known, context.home, _where(context, "known_hosts")), where)


def need_fleet(context: ProviderContext) -> Fleet:
    """Return the hosts; there must be some.

    Raises:
        CredentialsError: None is configured.
        UsageError: As ``read_fleet``.
    """
    fleet = read_fleet(context)
    if not fleet.hosts:
        summary = f"no hosts are configured for {context.provider}"
        raise CredentialsError(summary, code="ssh-no-hosts", hint=SET_UP)
    return fleet


def expand(text: str, home: Path, where: str) -> Path:
    """Return the file that a setting names: absolute, or below ``~``.

    Raises:
        UsageError: The path depends on the folder that a command happens to run in.
    """
    path = home / text[2:] if text.startswith("~/") else Path(text)
    if path.is_absolute():
        return path
    raise wrong(where, f"must be an absolute path, or begin with ~/, not {text!r}")


def _where(context: ProviderContext, option: str) -> str:
    return f"provider_options.{context.provider}.{option}"


def _option(context: ProviderContext, name: str) -> str:
    value = context.options.get(name)
    if value is None:
        return ""
    if name in READERS:
        return str(READERS[name](value, _where(context, name)))
    if not isinstance(value, str):
        raise wrong(_where(context, name), f"must be a text, not {value!r}")
    return value.strip()


def _user(context: ProviderContext) -> str:
    """Return who logs in by default: as ssh does, the user of this computer."""
    return _option(context, "user") or local_user(context)


def local_user(context: ProviderContext) -> str:
    """Return the name of this computer's user; empty when there is none."""
    import os
    import pwd

    named = context.env.get("USER") or context.env.get("LOGNAME")
    if named:
        return named
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""


def _read_file(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text", code="ssh-hosts") from error
    except OSError as error:
        summary = f"the list of hosts {path} cannot be read: {error.strerror}"
        raise UsageError(summary, code="ssh-hosts", hint=SET_UP) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        told = " ".join(str(error).split())
        raise UsageError(f"{path}: not valid YAML: {told}", code="ssh-hosts") from error
