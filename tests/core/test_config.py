"""Settings: what is read, what is refused, and that writing loses nothing."""

from __future__ import annotations

import stat

import pytest
from support.processes import race

from arb.config import Config, read_config, write_value
from arb.errors import StateError, UsageError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "arb" / "config.yaml"


def write(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("text", [None, "", "# only a comment\n", "{}\n"])
def test_nothing_configured_is_the_default(path, text):
    if text is not None:
        write(path, text)
    assert read_config(path) == Config()


def test_every_setting_is_read(path):
    write(
        path,
        "default_infra: local/here\ndisabled_providers: [aws, gcp]\nssh_config: false\n"
        "provider_options:\n  local: {room: /r, simulated: [{a: 1}]}\n",
    )
    config = read_config(path)
    assert config.default_infra == "local/here"
    assert config.disabled_providers == ("aws", "gcp")
    assert config.ssh_config is False
    assert config.provider_options == {"local": {"room": "/r", "simulated": [{"a": 1}]}}


def test_an_empty_setting_is_the_default(path):
    write(path, "default_infra:\ndisabled_providers:\nprovider_options: {local: }\nssh_config:\n")
    assert read_config(path) == Config()


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("default_infre: x", "unknown setting 'default_infre': did you mean 'default_infra'?"),
        ("1: x", "unknown setting '1'"),
        ("default_infra: [x]", "default_infra must be a str, not list"),
        ("disabled_providers: aws", "disabled_providers must be a list, not str"),
        ("disabled_providers: [{a: 1}]", "disabled_providers must hold names, not a dict"),
        ("provider_options: {local: x}", "provider_options.local must be a group of settings"),
        ("provider_options: {local: {1: x}}", "provider_options.local: 1 is not a name"),
        ("ssh_config: maybe", "ssh_config must be a bool, not str"),
        ("- a", "expected settings, got list"),
        ("a: [", "not valid YAML"),
        ("a: !!python/name:os.system", "not valid YAML"),
        ("a: &a [*a]", "unknown setting 'a'"),
        ("a: 2024-99-99", "not valid YAML"),
    ],
)
def test_a_wrong_file_is_refused_and_named(path, text, summary):
    write(path, text)
    with pytest.raises(UsageError) as caught:
        read_config(path)
    assert summary in caught.value.summary
    assert str(path) in caught.value.summary


def test_bytes_that_are_no_text_are_refused(path):
    write(path, "")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8 text"):
        read_config(path)


def test_a_folder_in_the_way_is_told(path):
    path.mkdir(parents=True)
    with pytest.raises(StateError, match=r"cannot read .*config\.yaml: Is a directory"):
        read_config(path)


@pytest.mark.parametrize(
    ("dotted", "text", "value"),
    [
        ("default_infra", "local", "local"),
        ("ssh_config", "no", False),
        ("disabled_providers", "[aws]", ["aws"]),
        ("provider_options.local.room", "/r", "/r"),
        ("provider_options.local", "{room: /r}", {"room": "/r"}),
        ("provider_options.x.deep.er", "1", 1),
    ],
)
def test_what_is_written_is_read_again(path, dotted, text, value):
    assert write_value(path, dotted, text) == value
    read_config(path)
    write_value(path, dotted, "")
    assert read_config(path) == Config()


def test_removing_leaves_nothing_empty_behind(path):
    write_value(path, "provider_options.local.room", "/r")
    write_value(path, "provider_options.local.room", "")
    assert path.read_text() == ""


def test_removing_what_is_not_there_changes_nothing(path):
    assert write_value(path, "provider_options.local.room", "") is None
    assert read_config(path) == Config()


@pytest.mark.parametrize(
    ("dotted", "text"),
    [
        ("default_infre", "x"),
        ("default_infra", "[a]"),
        ("default_infra.x", "y"),
        ("default_infra", "a: ["),
        ("default_infra", "!!python/name:os.system"),
        ("provider_options.local", "x"),
        ("provider_options", "x"),
        ("", "x"),
        ("provider_options.", "x"),
        (".room", "x"),
        ("provider_options..room", "x"),
        ("disabled_providers", "&a [*a]"),
        ("provider_options.local.when", "2024-99-99"),
    ],
)
def test_a_wrong_value_is_refused_and_the_file_stays(path, dotted, text):
    write(path, "default_infra: local\n")
    with pytest.raises(UsageError):
        write_value(path, dotted, text)
    assert path.read_text() == "default_infra: local\n"


def test_only_the_user_can_read_the_file(path):
    write_value(path, "default_infra", "local")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_behind_a_link_stays_behind_it(path, tmp_path):
    real = write(tmp_path / "dotfiles" / "arb.yaml", "default_infra: a\n")
    path.parent.mkdir()
    path.symlink_to(real)
    write_value(path, "default_infra", "b")
    assert path.is_symlink()
    assert real.read_text() == "default_infra: b\n"


WRITER = """
import sys
from pathlib import Path
from arb.config import write_value
import yaml
print("ready", flush=True)
sys.stdin.readline()
for number in range(10):
    write_value(Path(sys.argv[1]), f"provider_options.p{sys.argv[2]}.o{number}", "1")
"""


def test_processes_that_write_at_once_lose_nothing(path):
    race(WRITER, [[str(path), str(n)] for n in range(4)])
    options = read_config(path).provider_options
    assert {name: len(values) for name, values in options.items()} == {
        f"p{n}": 10 for n in range(4)
    }
