"""The user's keys: used where they lie, never copied, and only those that the configuration names.

Where it names none, or one that is encrypted, ssh-agent signs: it is asked, no file is read.
"""

from __future__ import annotations

import base64
import contextlib
import socket
from typing import TYPE_CHECKING, Any, Final

from arb.errors import CredentialsError
from arb_ssh.settings import expand

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import paramiko

    from arb_ssh.hosts import Host

__all__ = ["NO_KEY", "Identities"]

NO_KEY: Final = "ssh-no-key"
"""Code of the errors that say that there is no key to try."""
_AGENT: Final = "SSH_AUTH_SOCK"
_AGENT_S: Final = 5.0
_MOST: Final = 5
"""So many keys are tried: servers hang up after six."""


class Identities:
    """The keys that hosts are entered with. Safe to use from several threads.

    Args:
        env: Where ``SSH_AUTH_SOCK`` is looked up.
        home: What ``~`` stands for.
    """

    def __init__(self, env: Mapping[str, str], home: Path) -> None:
        self._env = env
        self._home = home

    @contextlib.contextmanager
    def of(self, host: Host) -> Iterator[Sequence[paramiko.PKey]]:
        """Yield the keys to try for a host, at least one; they can be used within the block.

        Raises:
            CredentialsError: There is none that can be used; the summary says why.
        """
        with contextlib.ExitStack() as held:
            if not host.identity_file:
                yield self._held(host, b"", held)
                return
            path = expand(host.identity_file, self._home, f"identity_file of {host.name}")
            key = None if path.suffix == ".pub" else _in_file(host, path)
            if key is not None:
                yield (key,)
                return
            public = path if path.suffix == ".pub" else path.with_name(path.name + ".pub")
            yield self._held(host, _blob(host, public), held)

    def _held(self, host: Host, blob: bytes, held: contextlib.ExitStack) -> Sequence[paramiko.PKey]:
        """Return what ssh-agent holds: the key of a public one, or all."""
        keys = [key for key in self._agent(held) if not blob or key.asbytes() == blob]
        if keys:
            return keys[:_MOST]
        if blob:
            raise _unusable(host, f"{host.identity_file} is encrypted, and ssh-agent has it not")
        raise _unusable(host, "no identity_file is configured, and ssh-agent holds no key")

    def _agent(self, held: contextlib.ExitStack) -> Sequence[Any]:
        """Return the keys of ssh-agent; none where there is no agent."""
        from paramiko.agent import AgentSSH
        from paramiko.ssh_exception import SSHException

        path = self._env.get(_AGENT)
        if not path:
            return ()
        connection = held.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        connection.settimeout(_AGENT_S)
        agent: Any = AgentSSH()
        try:
            connection.connect(path)
            agent._connect(connection)  # noqa: SLF001 - its public twin reads the process's environment
        except (OSError, SSHException):
            return ()
        return tuple(agent.get_keys())


def _in_file(host: Host, path: Path) -> paramiko.PKey | None:
    """Return the key in a file; None when it is encrypted: nobody is asked for a passphrase here."""
    import paramiko

    try:
        return paramiko.PKey.from_path(path)
    except TypeError:
        return None
    except OSError as error:
        raise _unusable(host, f"{path} cannot be read: {error.strerror}") from error
    except (paramiko.SSHException, ValueError, paramiko.pkey.UnknownKeyType) as error:
        if _wants_passphrase(error):
            return None
        raise _unusable(host, f"{path} is no private key that can be used") from error


def _wants_passphrase(error: BaseException | None) -> bool:
    """Say whether a key is encrypted: before cryptography 45 only a text somewhere below says it."""
    while error is not None:
        if "password-protected" in str(error):
            return True
        error = error.__context__
    return False


def _blob(host: Host, path: Path) -> bytes:
    """Return the public key in a file."""
    try:
        return base64.b64decode(path.read_text(encoding="utf-8").split()[1])
    except OSError as error:
        what = f"{host.identity_file} is encrypted, and its public half {path} is missing"
        raise _unusable(host, what) from error
    except (ValueError, IndexError) as error:
        raise _unusable(host, f"{path} is no public key") from error


def _unusable(host: Host, what: str) -> CredentialsError:
    hint = "name the key that opens it as identity_file; one with a passphrase: ssh-add FILE"
    return CredentialsError(f"{host.name}: {what}", code=NO_KEY, hint=hint)
