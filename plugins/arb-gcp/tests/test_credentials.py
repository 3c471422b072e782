"""Where credentials and project are found."""

from __future__ import annotations

import json

import pytest

from arb.errors import CredentialsError
from arb.testing import FakeClock
from arb.types import ProviderContext
from arb_gcp.credentials import (
    METADATA,
    find_credentials,
    need_credentials,
    project_of,
    quota_project_of,
)
from arb_gcp.settings import Settings

USER = {"type": "authorized_user", "refresh_token": "r", "quota_project_id": "quota"}
ROBOT = {"type": "service_account", "project_id": "robots", "client_email": "a@b.c"}


@pytest.fixture
def context(tmp_path):
    home = tmp_path / "home"
    home.mkdir()

    def make(**env):
        env = {"NO_GCE_CHECK": "true", **env}
        clock = FakeClock()
        return ProviderContext(
            "gcp", "ownerabc", {}, tmp_path, tmp_path, env, home, clock, None, clock.monotonic() + 9
        )

    return make


def write(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return str(path)


def gcloud(context, name):
    return context.home / ".config" / "gcloud" / name


def test_the_option_comes_before_the_variable_and_that_before_gclouds_file(context, tmp_path):
    here = context()
    file = write(gcloud(here, "application_default_credentials.json"), USER)
    assert find_credentials(here, Settings()).source == file
    key = write(tmp_path / "key.json", ROBOT)
    told = context(GOOGLE_APPLICATION_CREDENTIALS=key)
    found = find_credentials(told, Settings())
    assert (found.kind, found.identity) == ("service_account", "a@b.c")
    assert found.source == f"GOOGLE_APPLICATION_CREDENTIALS={key}"
    chosen = (
        find_credentials(told, Settings(credentials="~/other.json"))
        if write(here.home / "other.json", USER)
        else None
    )
    assert chosen.kind == "authorized_user"


def test_the_process_environment_is_not_looked_at(context, tmp_path, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", write(tmp_path / "key.json", ROBOT))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "elsewhere")
    assert find_credentials(context(), Settings()) is None


def test_a_moved_folder_of_gcloud_is_found(context, tmp_path):
    write(tmp_path / "moved" / "application_default_credentials.json", USER)
    here = context(CLOUDSDK_CONFIG=str(tmp_path / "moved"))
    assert find_credentials(here, Settings()).kind == "authorized_user"


def test_a_google_machine_has_its_own_account(context):
    found = find_credentials(context(GCE_METADATA_HOST="127.0.0.1:1"), Settings())
    assert (found.kind, found.host, found.path) == (METADATA, "127.0.0.1:1", None)


def test_without_any_the_hint_says_how_to_make_some(context):
    with pytest.raises(CredentialsError) as raised:
        need_credentials(context(), Settings())
    assert raised.value.code == "gcp-no-credentials"
    assert "gcloud auth application-default login" in raised.value.hint


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"type": 3}'])
def test_a_file_that_is_none_is_told_and_not_shown(context, tmp_path, content):
    key = write(tmp_path / "key.json", content)
    with pytest.raises(CredentialsError, match="cannot be used") as raised:
        find_credentials(context(GOOGLE_APPLICATION_CREDENTIALS=key), Settings())
    assert key in raised.value.summary


def test_a_file_that_is_named_and_missing_is_an_error(context):
    with pytest.raises(CredentialsError, match="No such file"):
        find_credentials(context(GOOGLE_APPLICATION_CREDENTIALS="/none.json"), Settings())


def test_the_project_is_the_options_then_the_environments_then_the_keys_then_gclouds(context):
    here = context()
    write(gcloud(here, "active_config"), "work\n")
    write(gcloud(here, "configurations/config_work"), "[core]\nproject = of-gcloud\n")
    write(gcloud(here, "application_default_credentials.json"), USER)
    user = find_credentials(here, Settings())
    assert project_of(here, Settings(), user) == "of-gcloud"
    key = write(here.home / "key.json", ROBOT)
    with_key = context(GOOGLE_APPLICATION_CREDENTIALS=key)
    robot = find_credentials(with_key, Settings())
    assert project_of(with_key, Settings(), robot) == "robots"
    told = context(GOOGLE_APPLICATION_CREDENTIALS=key, GOOGLE_CLOUD_PROJECT="of-env")
    assert project_of(told, Settings(), robot) == "of-env"
    assert project_of(told, Settings(project="of-option"), robot) == "of-option"


def test_without_gcloud_the_project_is_what_the_user_is_counted_against(context):
    here = context()
    write(gcloud(here, "application_default_credentials.json"), USER)
    assert project_of(here, Settings(), find_credentials(here, Settings())) == "quota"


def test_calls_are_counted_against_the_project_that_the_environment_names(context):
    here = context(GOOGLE_CLOUD_QUOTA_PROJECT="ours")
    write(gcloud(here, "application_default_credentials.json"), USER)
    found = find_credentials(here, Settings())
    assert quota_project_of(here, found) == "ours"
    assert quota_project_of(context(), found) == "quota"


def test_a_broken_configuration_of_gcloud_names_no_project(context):
    here = context()
    write(gcloud(here, "configurations/config_default"), "not an ini file")
    write(gcloud(here, "application_default_credentials.json"), {"type": "authorized_user"})
    assert project_of(here, Settings(), find_credentials(here, Settings())) == ""


def test_secrets_are_not_in_the_repr(context, tmp_path):
    key = write(tmp_path / "key.json", ROBOT | {"private_key": "THE SECRET"})
    found = find_credentials(context(GOOGLE_APPLICATION_CREDENTIALS=key), Settings())
    assert "SECRET" not in repr(found)
