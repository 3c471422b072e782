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
        ("provider_options.local.since", "2024-01-02", '"2024-01-02"', "2024-01-02"),
        ("provider_options.local.n", "0", "0", 0),
    ],
)
def test_what_is_set_can_be_got(cli, name, text, shown, value):
    done = cli("config", "set", name, text)
    assert (done.code, done.out) == (0, "")
    assert done.err == f"{name} is {shown}\n"
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
