"""Where the account's credentials are: the places that Google's own tools use, in their order.

Everything is read through the context (its environment, its home folder), never from the process.
"""

from __future__ import annotations

import configparser
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from arb.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.types import ProviderContext
    from arb_gcp.settings import Settings

__all__ = [
    "KEY_FILE_VARIABLE",
    "METADATA",
    "Credentials",
    "file_of",
    "find_credentials",
    "gcloud_folder",
    "need_credentials",
    "project_of",
    "quota_project_of",
]

KEY_FILE_VARIABLE: Final = "GOOGLE_APPLICATION_CREDENTIALS"
METADATA: Final = "metadata-server"
"""``Credentials.kind`` of the account that a Google machine runs as."""
_ADC: Final = "application_default_credentials.json"
_PROJECT_VARIABLES: Final = ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT")
_QUOTA_PROJECT_VARIABLE: Final = "GOOGLE_CLOUD_QUOTA_PROJECT"
_PRODUCT: Final = Path("/sys/class/dmi/id/product_name")
_METADATA_HOST: Final = "metadata.google.internal"
_HOW: Final = (
    "run: gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to a"
    " service account's key file"
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Credentials as they were found; nothing has been asked of Google yet.

    Attributes:
        kind: ``type`` of the file: ``service_account``, ``authorized_user``, ... or ``METADATA``.
        source: Where they were found, for people.
        path: The file; None without one.
        info: What the file says; holds secrets.
        host: Of the metadata server, when ``kind`` is that.
    """

    kind: str
    source: str
    path: Path | None = None
    info: Mapping[str, Any] = field(default_factory=dict, repr=False)
    host: str = ""

    @property
    def identity(self) -> str:
        """Who they speak for, as far as the file tells."""
        email = self.info.get("client_email") or self.info.get("account")
        url = str(self.info.get("service_account_impersonation_url", ""))
        target = url.rpartition("/serviceAccounts/")[2].partition(":")[0]
        return str(email or target or self.kind.replace("_", " "))

    @property
    def quota_project(self) -> str:
        """The project that calls are counted against; empty means the resource's own."""
        return str(self.info.get("quota_project_id") or "")


def find_credentials(context: ProviderContext, settings: Settings) -> Credentials | None:
    """Return the first credentials that are there, or None.

    Raises:
        CredentialsError: A file that was named is missing, or cannot be read.
    """
    named = settings.credentials or context.env.get(KEY_FILE_VARIABLE, "")
    if named:
        path = Path(_expanded(named, context.home))
        label = "credentials" if settings.credentials else KEY_FILE_VARIABLE
        return _read(path, f"{label}={path}")
    path = gcloud_folder(context) / _ADC
    if path.is_file():
        return _read(path, str(path))
    host = _metadata_host(context)
    return Credentials(METADATA, "this machine's service account", host=host) if host else None


def file_of(context: ProviderContext, found: Credentials | None) -> str:
    """Return the file whose change changes the account: that of the credentials, or gcloud's."""
    path = found.path if found and found.path else gcloud_folder(context) / _ADC
    return str(path.absolute())


def need_credentials(context: ProviderContext, settings: Settings) -> Credentials:
    """Return the credentials.

    Raises:
        CredentialsError: There are none; the hint says how to make some.
    """
    found = find_credentials(context, settings)
    if found is None:
        raise CredentialsError("gcp has no credentials", code="gcp-no-credentials", hint=_HOW)
    return found


def project_of(context: ProviderContext, settings: Settings, found: Credentials) -> str:
    """Return the project to buy in; empty when nothing names one.

    In order: the option, the environment, the key file, gcloud's configuration, the project that a
    user's credentials are counted against.
    """
    of_env = next((context.env[name] for name in _PROJECT_VARIABLES if context.env.get(name)), "")
    in_file = str(found.info.get("project_id") or "")
    named = settings.project or of_env or in_file
    return named or _gcloud_project(context) or found.quota_project


def quota_project_of(context: ProviderContext, found: Credentials) -> str:
    """Return the project that calls are counted against; empty means the resource's own."""
    return context.env.get(_QUOTA_PROJECT_VARIABLE, "") or found.quota_project


def gcloud_folder(context: ProviderContext) -> Path:
    """Return the folder of gcloud's configuration."""
    moved = context.env.get("CLOUDSDK_CONFIG")
    return Path(_expanded(moved, context.home)) if moved else context.home / ".config" / "gcloud"


def _gcloud_project(context: ProviderContext) -> str:
    folder = gcloud_folder(context)
    name = context.env.get("CLOUDSDK_ACTIVE_CONFIG_NAME") or _text_of(folder / "active_config")
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(folder / "configurations" / f"config_{name or 'default'}", encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError):
        return ""  # gcloud's own trouble: its project is as good as not set
    return parser.get("core", "project", fallback="").strip()


def _read(path: Path, source: str) -> Credentials:
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unreadable(path, error.strerror or type(error).__name__) from error
    except ValueError as error:
        raise _unreadable(path, "it is not JSON") from error
    if not isinstance(info, dict) or not isinstance(info.get("type"), str):
        raise _unreadable(path, "it names no type of credentials")
    return Credentials(info["type"], source, path, info)


def _unreadable(path: Path, why: str) -> CredentialsError:
    summary = f"gcp credentials {path} cannot be used: {why}"
    return CredentialsError(summary, code="gcp-credentials-file", hint=_HOW)


def _metadata_host(context: ProviderContext) -> str:
    """Return where this machine's metadata server is; empty when it is not one of Google's."""
    named = context.env.get("GCE_METADATA_HOST") or context.env.get("GCE_METADATA_ROOT")
    if named:
        return named
    if context.env.get("NO_GCE_CHECK", "").lower() == "true":
        return ""
    return _METADATA_HOST if _text_of(_PRODUCT).startswith("Google") else ""


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _expanded(text: str, home: Path) -> str:
    return str(home / text[2:]) if text.startswith("~/") else text
