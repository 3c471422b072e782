"""Checks that nothing secret is told, and that standard output stays the command's."""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ArbError
from arb.testing.cloud import Login
from arb.testing.everycall import ContractCalls
from arb.testing.orders import FILE
from arb.testing.rig import DECOY
from arb.testing.skips import NotProven
from arb.testing.verdict import check, demand

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from arb.testing.everycall import Call
    from arb.testing.orders import Bought
    from arb.types import Instance

__all__ = ["SecretChecks"]

_SHORTEST: Final = 6
"""A shorter text appears by chance."""


class SecretChecks(ContractCalls):
    """Secrets and standard output."""

    @check
    def test_no_secret_is_told(self) -> None:
        """Call every hook with good credentials, with refused ones, and while the backend fails.

        ``arb.hookspecs``: "**Secrets** never appear in an error, a result's ``repr``, a log or an
        argument list."
        ``arb_check``: "no field ever holds a part of one"
        ``arb_provision``: "Keep secrets of ``request.setups`` out of every message."
        """
        with _logged(self._package()) as lines:
            bought, machine = self._one_running()
            calls = self.every_call(bought, machine)
            secrets = self._secrets(bought)
            for login in (self.account, *self._refused(), Login()):
                self._call_all(calls, login)
            with suppress(NotProven):
                self.cloud.fail(503)
                self._call_all(calls, self.account)
        for heard in self.heard:
            leaked = _leaked(_text(heard.outcome), secrets)
            demand(not leaked, f"{heard.hook} told {leaked}")
        leaked = _leaked("\n".join(lines), secrets)
        demand(not leaked, f"the log tells {leaked}")

    @check
    def test_no_secret_reaches_what_others_see(self) -> None:
        """Look at what the account's listings show of a machine, and at its user data.

        ``HostKey``: "Goes into the node's user data and nowhere else."
        ``arb_credential_mounts``: "Called only when the user asks for it"
        """
        bought, machine = self._one_running()
        leaked = _leaked(self.cloud.shown(self.ledger_id(machine.id)), self._secrets(bought))
        demand(not leaked, f"everybody who may list the account sees {leaked}")
        account = {"a credential": list(self.account.canaries())}
        leaked = _leaked(self.cloud.received(self.ledger_id(machine.id)), account)
        demand(not leaked, f"the machine was given {leaked}, and nobody asked for that")

    @check
    def test_no_secret_is_written_to_a_file(self) -> None:
        """Call every hook, and read the provider's cache and data folders.

        ``HostKey``: "Goes into the node's user data and nowhere else."
        ``arb.hookspecs``: "**Secrets** never appear in"
        """
        bought, machine = self._one_running()
        self._call_all(self.every_call(bought, machine), self.account)
        for path in sorted(_files(self.folder / "one")):
            leaked = _leaked(path.read_text(errors="replace"), self._secrets(bought))
            demand(not leaked, f"{path.relative_to(self.folder / 'one')} holds {leaked}")

    @check
    def test_nothing_is_printed(self) -> None:
        """Call every hook.

        ``arb.hookspecs``: "Print nothing: standard output belongs to the command."
        """
        bought, machine = self._one_running()
        self._call_all(self.every_call(bought, machine), self.account)
        demand(not self.printed, f"{', '.join(sorted(self.printed))} printed")

    def _one_running(self) -> tuple[Bought, Instance]:
        bought = self.buy(ports=("8080",), labels={"team": "research"})
        return bought, self.running(bought)[0]

    def _call_all(self, calls: Sequence[Call], login: Login) -> None:
        for call in calls:
            context = self.context(call.hook, login=login)
            self.attempt(call.hook, context, raw=True, **call.arguments)

    def _refused(self) -> Sequence[Login]:
        try:
            return (self.cloud.refused_login(),)
        except NotProven:
            return ()

    def _secrets(self, bought: Bought) -> Mapping[str, Sequence[str]]:
        """Return what must not be told, by what it is for people."""
        key = bought.request.setups[0].host_key
        lines = key.private.strip().splitlines() if key else ()
        credentials = [c for login in (self.account, *self._refused()) for c in _canaries(login)]
        return {
            "a credential": credentials,
            "the private host key": lines[1:-1],
            "the content of a node's file": [FILE.content.strip()],
            "the user's SSH key": DECOY.strip().splitlines()[1:],
        }

    def _package(self) -> str:
        module = getattr(self.plugin, "__name__", type(self.plugin).__module__)
        return str(module).partition(".")[0]


def _canaries(login: Login) -> Sequence[str]:
    """Return what of a login must not be told; skip the check when none of it would be recognised."""
    told = login.canaries()
    known = [text for text in told if len(text) >= _SHORTEST and len(text.split()) == 1]
    if login and not known:
        raise NotProven(
            "no secret of login() would be recognised: one is a word of six characters at least,"
            " and of a file with more than that Login.secrets says what is secret"
        )
    return told


def _leaked(text: str, secrets: Mapping[str, Sequence[str]]) -> str:
    """Return which of the secrets a text holds, or no text."""
    for what, values in secrets.items():
        if any(len(value) >= _SHORTEST and value in text for value in values):
            return what
    return ""


def _text(outcome: object) -> str:
    """Return everything that people or scripts could see of a result or an error."""
    if isinstance(outcome, ArbError):
        chain = " ".join(_chained(outcome))
        return f"{outcome!r} {outcome} {outcome.to_dict()} {vars(outcome)} {chain}"
    frame: Any = getattr(outcome, "frame", outcome)
    if hasattr(frame, "to_csv"):
        return f"{frame.to_csv()} {getattr(outcome, 'files', '')}"
    return repr(outcome)


def _chained(error: BaseException) -> Iterator[str]:
    """Yield what a traceback would tell of the errors behind one."""
    seen: set[int] = set()
    cause = error
    while True:
        shown = None if cause.__suppress_context__ else cause.__context__
        behind = cause.__cause__ or shown
        if behind is None or id(behind) in seen:
            return
        seen.add(id(behind))
        yield f"{behind!r} {behind} {getattr(behind, '__notes__', '')}"
        cause = behind


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


class _Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())


@contextmanager
def _logged(package: str) -> Iterator[list[str]]:
    """Collect what is logged anywhere, by one package at every level."""
    lines: list[str] = []
    handler, own = _Lines(lines), logging.getLogger(package)
    level = own.level
    logging.getLogger().addHandler(handler)
    own.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        own.setLevel(level)
        logging.getLogger().removeHandler(handler)
