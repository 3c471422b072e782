from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("name", "text", "shown", "value"),
    [
        ("default_infra", "local/here", "local/here", "local/here"),
        ("ssh_config", "false", "false", False),
        ("disabled_providers", "[aws, gcp]", '["aws", "gcp"]', ["aws", "gcp"]),
        ("provider_options.local.room", "/r", "/r", "/r"),
        ("provider_options.local", "{room: /r}", '{"room": "/r"}', {"room": "/r"}),
        ("provider_options.other.since", "2024-01-02", '"2024-01-02"', "2024-01-02"),
        ("provider_options.other.n", "0", "0", 0),
    ],
)
def test_what_is_set_can_be_got(cli, name, text, shown, value):
    done = cli("config", "set", name, text)
    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines()[-1] == f"{name} is {shown}"
    assert cli("config", "get", name).out == f"{shown}\n"
    assert cli("config", "get", name, "--json").json == {name: value}


def test_set_with_json_is_one_document(cli):
    assert cli("config", "set", "ssh_config", "no", "--json").json == {"ssh_config": False}


def test_an_empty_value_removes_a_setting(cli):
    cli("config", "set", "default_infra", "local")
    cli("config", "set", "default_infra", "")
    assert cli("config", "get", "default_infra").out == "-\n"


def test_show_is_what_config_alone_shows(cli):
    cli("config", "set", "default_infra", "local")
    shown, alone = cli("config", "show"), cli("config")
    assert shown == alone
    assert "default_infra       local" in shown.out
    assert shown.err == f"file: {cli.home}/config.yaml\n"
    assert cli("config", "--json").json == cli("config", "show", "--json").json
    assert cli("config", "--json").json["settings"]["default_infra"] == "local"


def test_path_is_printed_also_when_there_is_no_file(cli):
    assert cli("config", "path").out == f"{cli.home}/config.yaml\n"
    assert cli("config", "path", "--json").json == {"file": f"{cli.home}/config.yaml"}
    assert not cli.home.exists() or not (cli.home / "config.yaml").exists()


def test_a_broken_file_is_named_by_every_command_that_reads_it(cli):
    cli.home.mkdir()
    (cli.home / "config.yaml").write_text("default_infra: [")
    for arguments in (["config"], ["config", "get", "x"], ["launch", "true"], ["plugins"]):
        done = cli(*arguments)
        assert done.code == 2
        assert f"{cli.home}/config.yaml: not valid YAML" in done.err
        assert len(done.err.splitlines()) == 1


def test_a_broken_file_does_not_keep_one_from_seeing_what_costs_money(cli):
    cli.home.mkdir()
    (cli.home / "config.yaml").write_text("default_infra: [")
    assert cli("status").code == 0
    assert cli("cost").code == 0


@pytest.mark.parametrize(
    ("name", "value", "near"),
    [
        (
            "provider_options.local.rom",
            "/r",
            "option of provider local 'rom': did you mean 'room'?",
        ),
        ("provider_options.local", "{rom: /r}", "did you mean 'room'?"),
        ("provider_options", "{local: {rom: /r}}", "did you mean 'room'?"),
        ("objective", "costs", "unknown objective 'costs': did you mean 'cost'?"),
        ("default_infra", "local//", "not a place"),
        ("defualt_infra", "local", "did you mean 'default_infra'?"),
    ],
)
def test_a_setting_that_cannot_be_right_is_refused_at_once(cli, name, value, near):
    pytest.importorskip("arb_local")
    done = cli("config", "set", name, value)
    assert (done.code, done.out) == (2, "")
    assert near in done.err
    assert not (cli.home / "config.yaml").exists()


@pytest.mark.parametrize(
    ("name", "value", "near"),
    [
        ("provider_options.locl.room", "/r", "did you mean 'local'?"),
        ("default_infra", "locl/here", "did you mean 'local'?"),
    ],
)
def test_a_provider_that_is_not_installed_yet_is_warned_of(cli, name, value, near):
    pytest.importorskip("arb_local")
    done = cli("config", "set", name, value)
    assert done.code == 0
    warning, told = done.err.splitlines()
    assert warning.startswith("warning: ")
    assert near in warning
    assert told == f"{name} is {value}"
    assert cli("config", "get", name).out == f"{value}\n"


def test_a_wrong_option_in_the_file_keeps_nobody_from_setting_another(cli):
    cli.home.mkdir()
    (cli.home / "config.yaml").write_text("provider_options: {local: {rom: /r}}")
    assert cli("config", "set", "provider_options.local.room", "/r").code == 0


def test_what_is_unset_counts_by_its_default_again(cli):
    cli("config", "set", "provider_options.other.a", "1")
    cli("config", "set", "provider_options.other.b", "2")
    done = cli("config", "unset", "provider_options.other.a")
    assert (done.code, done.out) == (0, "")
    assert done.err == "provider_options.other.a is not set any more\n"
    assert cli("config", "get", "provider_options", "--json").json == {
        "provider_options": {"other": {"b": 2}}
    }
    again = cli("config", "unset", "provider_options.other.a")
    assert (again.code, again.err) == (0, "provider_options.other.a was not set\n")
    assert cli("config", "unset", "ssh_config", "--json").json == {"ssh_config": None}


def test_what_should_not_be_in_the_file_can_be_removed_piece_by_piece(cli):
    cli.home.mkdir()
    (cli.home / "config.yaml").write_text("default_infar: local\nobjektive: cost\n")
    assert cli("config").code == 2
    assert cli("config", "unset", "default_infar").code == 0
    assert cli("config", "unset", "objektive").code == 0
    assert cli("config").code == 0


@pytest.mark.parametrize("words", ["unset default_infar", "get default_infar"])
def test_a_setting_that_is_none_gets_the_closest(cli, words):
    done = cli("config", *words.split())
    assert done.code == 2
    assert "unknown setting 'default_infar': did you mean 'default_infra'?" in done.err


@pytest.mark.parametrize(
    ("wrong", "name", "value"),
    [
        ("default_infra: [1]", "default_infra", "local"),
        ("provider_options: 5", "provider_options", "{local: {room: /r}}"),
    ],
)
def test_a_setting_of_the_wrong_kind_can_be_set_right(cli, wrong, name, value):
    cli.home.mkdir()
    (cli.home / "config.yaml").write_text(wrong)
    assert cli("config", "set", name, value).code == 0
    assert cli("config", "get", name).code == 0


def test_a_setting_is_not_changed_beside_one_of_the_wrong_kind(cli):
    cli.home.mkdir()
    (cli.home / "config.yaml").write_text("near: 5")
    done = cli("config", "set", "default_infra", "local")
    assert done.code == 2
    assert "near must be" in done.err
