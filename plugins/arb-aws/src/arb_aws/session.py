"""A botocore session of the context's own: its environment and home folder, never the process's.

Credentials are looked for in botocore's standard order, with botocore's own readers. What a role or
single sign-on needs is kept where the AWS command line keeps it, so that one log-in serves both.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # it is there

from arb.errors import CredentialsError
from arb_aws.lean import loader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from arb.types import ProviderContext
    from arb_aws.settings import Settings

__all__ = [
    "HOME_REGION",
    "endpoint_of",
    "file_of",
    "make_session",
    "patience_of",
    "proxies_of",
]

HOME_REGION: Final = "us-east-1"
"""Asked for what is the same everywhere, where nothing names another."""
_CONNECT_S, _ANSWER_S = 5.0, 20.0
"""For so long a connection and an answer are waited for, where the deadline allows it."""
_LEAST_S: Final = 0.1
_FILES: Final = {
    "config_file": ("AWS_CONFIG_FILE", "config"),
    "credentials_file": ("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
}


def make_session(context: ProviderContext, settings: Settings) -> Any:
    """Return a botocore session; credentials are looked for when they are first needed.

    Args:
        context: Where environment and home folder come from.
        settings: Names a profile, perhaps.
    """
    core = _core_session(context, settings)
    _use_environment(core, context)
    if settings.profile:
        core.set_config_variable("profile", settings.profile)
    core.register_component("data_loader", loader())
    core.register_component("credential_provider", _credential_resolver(core, context, settings))
    return core


def file_of(context: ProviderContext, which: str) -> Path:
    """Return the path of ``config_file`` or ``credentials_file``, whether it is there or not."""
    variable, name = _FILES[which]
    named = context.env.get(variable, "")
    if not named:
        return context.home / ".aws" / name
    return context.home / named[2:] if named.startswith("~/") else Path(named)


def endpoint_of(context: ProviderContext, settings: Settings, service: str) -> str | None:
    """Return where a service is when it is not at its usual place, as the environment says it."""
    if settings.endpoint_url:
        return settings.endpoint_url
    env = context.env
    if env.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    named = env.get(f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}")
    return named or env.get("AWS_ENDPOINT_URL") or None


def proxies_of(env: Mapping[str, str], url: str) -> dict[str, str]:
    """Return the proxies of an environment for an address; empty for none."""
    host = urlsplit(url).hostname or ""
    no_proxy = env.get("no_proxy") or env.get("NO_PROXY") or ""
    if proxy_bypass_environment(host, {"no": no_proxy}):
        return {}
    named = {s: env.get(f"{s}_proxy") or env.get(f"{s.upper()}_PROXY") for s in ("http", "https")}
    return {scheme: proxy for scheme, proxy in named.items() if proxy}


def patience_of(context: ProviderContext) -> tuple[float, float]:
    """Return seconds for a connection and for an answer; together they end before the deadline."""
    left = context.remaining_s()
    return max(_LEAST_S, min(_CONNECT_S, left / 5)), max(_LEAST_S, min(_ANSWER_S, left * 0.75))


def _core_session(context: ProviderContext, settings: Settings) -> Any:
    """Return a botocore session all of whose clients, also those that log in, keep our rules.

    They are where the context says, and end before its deadline: botocore's own retries are off,
    which would hide what was refused, and sleep in real time.
    """
    import botocore.session
    from botocore.config import Config

    class Session(botocore.session.Session):  # type: ignore[misc]
        def create_client(self, service_name: str, *arguments: Any, **named: Any) -> Any:
            url = named.get("endpoint_url") or endpoint_of(context, settings, service_name)
            connect_s, answer_s = patience_of(context)
            ours = Config(
                connect_timeout=connect_s,
                read_timeout=answer_s,
                retries={"total_max_attempts": 1, "mode": "standard"},
                proxies=proxies_of(context.env, url or _usual_address(service_name, named)),
            )
            config = named.get("config")
            told = arguments or named.get("region_name") or getattr(config, "region_name", None)
            if not told and not self.get_config_variable("region"):
                named["region_name"] = context.env.get("AWS_REGION") or HOME_REGION
            named |= {"endpoint_url": url, "config": ours.merge(config) if config else ours}
            return super().create_client(service_name, *arguments, **named)

    return Session()


def _usual_address(service: str, named: Mapping[str, Any]) -> str:
    """Return where a service of a region mostly is, to be held against ``NO_PROXY``."""
    return f"https://{service}.{named.get('region_name') or HOME_REGION}.amazonaws.com"


def _use_environment(core: Any, context: ProviderContext) -> None:
    """Let every setting that botocore reads from the environment come from the context's."""
    from botocore.configprovider import ConfigChainFactory

    chains = ConfigChainFactory(session=core, environ=dict(context.env))
    store = core.get_component("config_store")
    for name, (in_file, variables, default, convert) in core.SESSION_VARIABLES.items():
        chain = chains.create_config_chain(
            instance_name=name,
            env_var_names=variables,
            config_property_names=in_file,
            default=default,
            conversion_func=convert,
        )
        store.set_config_provider(name, chain)
    for name in _FILES:
        core.set_config_variable(name, str(file_of(context, name)))


def _credential_resolver(core: Any, context: ProviderContext, settings: Settings) -> Any:
    """Return botocore's standard chain, over the context's environment and home folder."""
    from botocore import credentials as readers
    from botocore.utils import JSONFileCache

    env, folder = dict(context.env), context.home / ".aws"
    profile = core.get_config_variable("profile") or "default"
    roles = JSONFileCache(str(folder / "cli" / "cache"))
    logins = env.get("AWS_LOGIN_CACHE_DIRECTORY") or str(folder / "login" / "cache")
    builder = readers.ProfileProviderBuilder(
        core,
        cache=roles,
        sso_token_cache=JSONFileCache(str(folder / "sso" / "cache")),
        login_token_cache=JSONFileCache(logins),
    )
    of_env = readers.EnvProvider(environ=env)
    of_container = _Late(readers.ContainerProvider, lambda: {"environ": env})
    of_machine = _Late(
        readers.InstanceMetadataProvider, lambda: {"iam_role_fetcher": _machine_role(core, env)}
    )
    of_role = readers.AssumeRoleProvider(
        load_config=lambda: core.full_config,
        client_creator=core.create_client,
        cache=roles,
        profile_name=profile,
        prompter=_no_prompt,
        credential_sourcer=readers.CanonicalNameCredentialSourcer(
            [of_env, of_container, of_machine]
        ),
        profile_provider_builder=builder,
    )
    of_profile = builder.providers(profile_name=profile, disable_env_vars=bool(settings.profile))
    for reader in of_profile:
        if isinstance(reader, readers.AssumeRoleWithWebIdentityProvider):
            _let_read(reader, {} if settings.profile else env)
    # A profile that is named by the option is meant, whatever keys the environment holds.
    first = [] if settings.profile else [of_env]
    return readers.CredentialResolver([*first, of_role, *of_profile, of_container, of_machine])


def _let_read(reader: Any, env: Mapping[str, str]) -> None:
    """Let a reader of web identities see an environment: botocore's sees the process's alone."""
    names = reader._CONFIG_TO_ENV_VAR  # noqa: SLF001 - there is no way to tell it
    reader._get_env_config = lambda key: env.get(names.get(key, ""))  # noqa: SLF001 - nor this


class _Late:
    """A reader of credentials that is made when it is asked: most are not, and these cost an SSL setup.

    Args:
        kind: Class of the reader.
        arguments: Returns what it is made with.
    """

    def __init__(self, kind: Any, arguments: Callable[[], dict[str, Any]]) -> None:
        self.METHOD, self.CANONICAL_NAME = kind.METHOD, kind.CANONICAL_NAME
        self._kind, self._arguments = kind, arguments

    def load(self) -> Any:
        """Return credentials, or None."""
        return self._kind(**self._arguments()).load()


def _machine_role(core: Any, env: dict[str, str]) -> Any:
    """Return what asks the metadata service of the EC2 machine that we may run on."""
    from botocore.utils import InstanceMetadataFetcher

    return InstanceMetadataFetcher(
        timeout=core.get_config_variable("metadata_service_timeout"),
        num_attempts=core.get_config_variable("metadata_service_num_attempts"),
        env=env,
        user_agent=core.user_agent(),
        config={
            name: core.get_config_variable(name)
            for name in (
                "ec2_metadata_service_endpoint",
                "ec2_metadata_service_endpoint_mode",
                "ec2_metadata_v1_disabled",
            )
        }
        | {"ec2_credential_refresh_window": 600},
    )


def _no_prompt(text: str) -> NoReturn:
    """Refuse to ask for a second factor: hooks have no terminal."""
    del text
    raise CredentialsError(
        "aws: the role of the profile wants a second factor",
        code="aws-mfa",
        hint="log in with the AWS command line first: aws sts get-caller-identity",
    )
