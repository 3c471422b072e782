"""A small ``ssh`` for nodes on systems that have none: the options that arb's agent uses.

``ssh [-i KEY] [-p PORT] [-l USER] [-o NAME=VALUE]... [-F FILE] [-TNnqv] [USER@]HOST [COMMAND...]``

It never asks anything and reads no configuration. Exit status: the command's, or 255.
"""

from __future__ import annotations

import getopt
import os
import select
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Order", "main", "parse"]

_FAILED: Final = 255
_CHUNK: Final = 1 << 16
_WITH_VALUE: Final = "bcDEeFIiJLlmOopQRSWw"
_FLAGS: Final = "1246AaCfGgKkMNnqsTtVvXxYy"
_YES: Final = frozenset({"yes", "true", "ask", ""})


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line asks for. Option names are lower case, as OpenSSH reads them."""

    host: str
    command: str = ""
    user: str = ""
    port: int = 22
    keys: tuple[str, ...] = ()
    no_input: bool = False
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def known_hosts(self) -> Sequence[str] | None:
        """Return the files with known hosts, None when the host key is not checked."""
        if self.options.get("stricthostkeychecking", "yes").lower() not in _YES:
            return None
        text = self.options.get("userknownhostsfile", "~/.ssh/known_hosts")
        return [os.path.expanduser(name) for name in text.split()]  # noqa: PTH111 - plain texts

    def seconds(self, name: str) -> float | None:
        """Return a time option, None when it is not given or 0."""
        return float(self.options.get(name, "0")) or None


def parse(arguments: Sequence[str]) -> Order:
    """Read a command line as OpenSSH does; options may stand before and after the host.

    Raises:
        ValueError: It is not understood.
    """
    shape = _FLAGS + "".join(f"{letter}:" for letter in _WITH_VALUE)
    try:
        pairs, rest = getopt.getopt(list(arguments), shape)
        if not rest:
            raise ValueError("no host")
        more, words = getopt.getopt(rest[1:], shape)
    except getopt.GetoptError as error:
        raise ValueError(str(error)) from error
    given = [*pairs, *more]
    options = _options(value for name, value in given if name == "-o")
    user, at, host = rest[0].rpartition("@")
    return Order(
        host=options.get("hostname", host),
        command=" ".join(words),
        user=user if at else _last(given, "-l") or options.get("user", ""),
        port=int(_last(given, "-p") or options.get("port", "22")),
        keys=_keys(given, options),
        no_input=any(name == "-n" for name, _ in given),
        options=options,
    )


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit status, 255 when it cannot be run."""
    import asyncio

    try:
        order = parse(arguments)
    except ValueError as error:
        return _fail(str(error))
    try:
        return asyncio.run(_run(order))
    except KeyboardInterrupt:
        return 130
    except (OSError, TimeoutError) as error:
        return _fail(f"connect to host {order.host} port {order.port}: {error}")


async def _run(order: Order) -> int:
    import asyncio

    import asyncssh

    loop = asyncio.get_running_loop()
    try:
        limit = order.seconds("connecttimeout")
        connection = await asyncio.wait_for(asyncssh.connect(**_settings(order)), limit)
    except asyncssh.HostKeyNotVerifiable as error:
        return _fail(f"Host key verification failed: {error}")
    except asyncssh.PermissionDenied as error:
        return _fail(f"{order.user}@{order.host}: {error}")
    except asyncssh.Error as error:
        return _fail(str(error))
    async with connection:
        process = await connection.create_process(
            order.command or None, encoding=None, term_type=None
        )
        outputs = [
            asyncio.create_task(_copy(process.stdout, 1)),
            asyncio.create_task(_copy(process.stderr, 2)),
        ]
        feeding = asyncio.create_task(_feed(loop, process.stdin, no_input=order.no_input))
        try:
            await asyncio.gather(*outputs)
            result = await process.wait(check=False)
        except (asyncssh.Error, OSError) as error:
            return _fail(f"Connection to {order.host} lost: {error}")
        finally:
            feeding.cancel()
    return _FAILED if result.exit_status is None or result.exit_status < 0 else result.exit_status


def _settings(order: Order) -> dict[str, Any]:
    files = order.known_hosts
    return {
        "host": order.host,
        "port": order.port,
        "username": order.user or os.environ.get("USER", "root"),
        "client_keys": list(order.keys) or None,
        "known_hosts": None if files is None else _known_hosts(files),
        "host_key_alias": order.options.get("hostkeyalias") or None,
        "agent_path": None,
        "config": None,
        "x509_trusted_certs": None,
        "keepalive_interval": order.seconds("serveraliveinterval") or 0,
        "keepalive_count_max": int(order.options.get("serveralivecountmax", "3")),
        "tcp_keepalive": True,
        "gss_host": None,
    }


def _known_hosts(files: Sequence[str]) -> Any:
    """Read the files. Nothing known is not the same as nothing checked."""
    import contextlib

    import asyncssh

    texts = []
    for name in files:
        with contextlib.suppress(FileNotFoundError):
            texts.append(Path(name).read_text(encoding="utf-8"))
    return asyncssh.import_known_hosts("\n".join(texts))


async def _copy(source: Any, fd: int) -> None:
    """Copy what the other side says to a descriptor, which may be a slow pipe or a file."""
    import asyncio

    while data := await source.read(_CHUNK):
        await asyncio.to_thread(_write_all, fd, data)


async def _feed(loop: Any, target: Any, *, no_input: bool) -> None:
    """Copy our input to the other side as it comes, and close that when ours is closed."""
    import asyncio
    import contextlib

    import asyncssh

    with contextlib.suppress(asyncssh.Error, ConnectionError, asyncio.CancelledError):
        reader = None if no_input else await _open_input(loop)
        while reader and (data := await reader.read(_CHUNK)):
            target.write(data)
            await target.drain()
        target.write_eof()


async def _open_input(loop: Any) -> Any:
    import asyncio

    kind = os.fstat(0).st_mode
    if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) or os.isatty(0)):
        return _File()  # a plain file or /dev/null is always ready, and cannot be waited for
    reader = asyncio.StreamReader(limit=4 * _CHUNK)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


class _File:
    async def read(self, size: int) -> bytes:
        return os.read(0, size)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:  # shares its terminal or pipe with our input
            select.select([], [fd], [])


def _options(texts: Any) -> dict[str, str]:
    options: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            name, _, value = text.partition(" ")
        options.setdefault(name.strip().lower(), value.strip())  # the first one counts
    return options


def _keys(given: Sequence[tuple[str, str]], options: Mapping[str, str]) -> tuple[str, ...]:
    named = [value for name, value in given if name == "-i"]
    if "identityfile" in options:
        named.append(options["identityfile"])
    return tuple(os.path.expanduser(name) for name in named)  # noqa: PTH111 - plain texts


def _last(given: Sequence[tuple[str, str]], name: str) -> str:
    return next((value for key, value in reversed(given) if key == name), "")


def _fail(text: str) -> int:
    print(f"ssh: {text}", file=sys.stderr)  # noqa: T201 - as ssh does
    return _FAILED
