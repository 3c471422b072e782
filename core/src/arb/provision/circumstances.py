"""The circumstances of a refusal. Once the user has changed them, it no longer counts."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from arb.catalog.files import signature
from arb.catalog.stale import fingerprint
from arb.errors import ArbError, QuotaError, Refusal, RequestError
from arb.types import Capability
from arb.types.tokens import new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from arb.plugins import Plugins

__all__ = ["COMMAND", "Circumstances", "Present"]

COMMAND: Final = "command:"
"""So begins the basis of a refusal that counts for the command alone that met it."""
_MOUNTS: Final = "arb_credential_mounts"
_RUN: Final = new_id()
_RESTLESS: Final = frozenset({"_", "COLUMNS", "LINES", "OLDPWD", "PWD", "SHLVL"})
"""Variables that shells change by themselves."""


@dataclass(frozen=True, slots=True)
class Present:
    """One provider's circumstances of now, as texts to compare.

    Attributes:
        config: Its plugin, its options, the files of its catalog and of its credentials.
        account: The same, with the environment.
        own: Whether it has the user's own machines, or cannot be used at all.
    """

    config: str
    account: str
    own: bool

    def basis(self, error: ArbError) -> str:
        """Return what an error depends on; a refusal counts only while that is the same.

        * What the provider said of its stock counts for all commands while plugin, options and
          files are the same.
        * What it said of a quota counts while the environment is the same, too: it names the account.
        * The rest (credentials, a wrong request, a node that did not come up, a broken plugin) the
          user may mend at any moment, and own machines are taken and freed all the time: it counts
          for this command alone. To ask once more costs nothing.
        """
        if self.own or not isinstance(error, Refusal) or isinstance(error, RequestError):
            return _of_command()
        return self.account if isinstance(error, QuotaError) else self.config

    def holds(self, basis: str) -> bool:
        """Say whether what a refusal was made under is still so."""
        return basis in {"", self.config, self.account, _of_command()}


class Circumstances:
    """Tells what refusals are made under now.

    Args:
        plugins: What is installed, and its settings.
        files_of: Returns the files that a provider's catalog was read from.
    """

    def __init__(self, plugins: Plugins, files_of: Callable[[str], Iterable[str]]) -> None:
        self._plugins = plugins
        self._files_of = files_of
        self._credentials: dict[str, tuple[str, ...]] = {}

    def present(self, provider: str) -> Present:
        """Look at one provider's."""
        files = signature([*self._files_of(provider), *self._credential_files(provider)])
        config = f"{fingerprint(self._plugins, provider)}.{_digest(files)}"
        env = _digest(_steady(self._plugins.settings.env))
        return Present(f"config:{config}", f"account:{config}.{env}", self._is_own(provider))

    def _credential_files(self, provider: str) -> tuple[str, ...]:
        """Return the files that hold the user's credentials, as the provider itself names them."""
        if provider not in self._credentials:
            self._credentials[provider] = self._named_by(provider)
        return self._credentials[provider]

    def _named_by(self, name: str) -> tuple[str, ...]:
        try:
            provider = self._plugins.provider(name)
            provider.let_run(_MOUNTS)  # on a busy machine it may take longer: that is no hang
            return tuple(provider.credential_mounts().values())
        except ArbError:
            return ()

    def _is_own(self, provider: str) -> bool:
        try:
            return self._plugins.provider(provider).can(Capability.OWNED)
        except ArbError:
            return True


def _of_command() -> str:
    return f"{COMMAND}{_RUN}.{os.getpid()}"


def _steady(env: Mapping[str, str]) -> str:
    return repr(sorted(item for item in env.items() if item[0] not in _RESTLESS))


def _digest(text: str) -> str:
    """Return so little of a text that no secret in it can be told from others."""
    return f"{zlib.crc32(text.encode('utf-8', 'surrogateescape')):08x}"
