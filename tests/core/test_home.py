from __future__ import annotations

import stat
from pathlib import Path

import pytest

from arb.clusters.session import Session
from arb.errors import StateError
from arb.home import Home


def test_arb_home_is_taken_from_the_environment(tmp_path):
    assert Home.from_env({"ARB_HOME": str(tmp_path)}).root == tmp_path


@pytest.mark.parametrize("env", [{}, {"ARB_HOME": ""}])
def test_the_default_is_below_the_users_home(monkeypatch, tmp_path, env):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Home.from_env(env).root == tmp_path / ".arb"


def test_a_tilde_and_a_relative_path_are_resolved(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert Home.from_env({"ARB_HOME": "~/x"}).root == tmp_path / "x"
    assert Home.from_env({"ARB_HOME": "y"}).root == tmp_path / "y"


def test_folders_are_made_for_the_user_alone(tmp_path):
    home = Home(tmp_path / "deep" / "arb")
    for folder in (home.folder("vault"), home.provider_folder("data", "local"), home.root):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert home.provider_folder("data", "local") == home.root / "data" / "local"


def test_asking_for_paths_makes_nothing(tmp_path):
    home = Home(tmp_path / "arb")
    assert home.config_file == home.root / "config.yaml"
    assert home.database_url == f"sqlite:///{home.root}/state.db"
    assert not home.root.exists()


def test_a_home_that_cannot_be_made_says_what_to_set(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError) as caught:
        Home(tmp_path / "file" / "arb").folder("cache")
    assert str(tmp_path / "file") in caught.value.summary
    assert "ARB_HOME" in caught.value.hint
    assert Path(tmp_path / "file").read_text() == ""


def open_home(tmp_path) -> Home:
    home = Home(tmp_path / "arb")
    home.root.mkdir()
    home.config_file.write_text("objective: value\n")
    home.config_file.chmod(0o666)
    home.root.chmod(0o777)
    return home


def test_others_may_not_change_the_folder_or_the_settings(tmp_path):
    home = open_home(tmp_path)
    Session({"ARB_HOME": str(home.root)}).config  # noqa: B018 - whoever reads the settings does it
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o775
    assert stat.S_IMODE(home.config_file.stat().st_mode) == 0o664


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o775, 0o1777], ids=oct)
def test_a_folder_that_is_closed_to_them_stays_as_it_is(tmp_path, mode):
    home = Home(tmp_path)
    tmp_path.chmod(mode)
    home.shut_others_out()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == mode


def test_an_open_folder_of_somebody_else_is_refused(tmp_path, monkeypatch):
    home = open_home(tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: home.root.stat().st_uid + 1)
    with pytest.raises(StateError) as caught:
        home.shut_others_out()
    assert caught.value.code == "home-open"
    assert f"chmod o-w {home.root}" in caught.value.hint


def test_a_home_that_is_not_there_is_open_to_nobody(tmp_path):
    Home(tmp_path / "arb").shut_others_out()
    assert not (tmp_path / "arb").exists()
