"""A task cannot take private keys along: the user's own, or those of arb."""

from __future__ import annotations

import pytest

from arb.clusters.ownkeys import refuse_own_keys
from arb.errors import UsageError
from arb.tasks import Task


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "home"
    ssh = home / ".ssh"
    ssh.mkdir(parents=True)
    (ssh / "deeper").mkdir()
    for name in ("id_ed25519", "id_ed25519.pub", "known_hosts", "work.pem", "config"):
        (ssh / name).write_text("x")
    (home / "link").symlink_to(ssh / "id_ed25519")
    (home / "code").mkdir()
    (home / "code" / "key.pem").write_text("made for this")
    for folder in ("vault/client", "ssh", "data"):
        (home / "work" / ".arb" / folder).mkdir(parents=True)
    return home


def refuse(task, home):
    refuse_own_keys(task, home, home / "work" / ".arb")


@pytest.mark.parametrize("key", ["secret_mounts", "file_mounts"])
@pytest.mark.parametrize(
    "local", ["~/.ssh/id_ed25519", "~/.ssh/work.pem", "~/.ssh", "~/.ssh/", "~", "~/link"]
)
def test_private_keys_are_refused(home, key, local):
    task = Task.model_validate({key: {"/keys/id": local}})
    with pytest.raises(UsageError) as caught:
        refuse(task, home)
    assert caught.value.code == "private-key"
    assert caught.value.summary.startswith(f"{key}: /keys/id: {local} would copy")


@pytest.mark.parametrize(
    "local",
    ["~/.ssh/id_ed25519.pub", "~/.ssh/known_hosts", "~/.ssh/config", "~/code/key.pem", "~/code"],
)
def test_what_is_no_key_of_the_users_is_not(home, local):
    refuse(Task.model_validate({"file_mounts": {"/data": local}}), home)


def test_buckets_are_not(home):
    task = Task.model_validate({"file_mounts": {"/data": "s3://bucket/.ssh/id_rsa"}})
    refuse(task, home)


@pytest.mark.parametrize("workdir", ["~", "~/.ssh", "~/.ssh/deeper"])
def test_a_workdir_that_holds_them_is_refused(home, workdir):
    with pytest.raises(UsageError, match=r"workdir: ~.* would copy private keys"):
        refuse(Task.model_validate({"workdir": workdir}), home)


@pytest.mark.parametrize("folder", ["", "/.arb", "/.arb/vault", "/.arb/vault/client", "/.arb/ssh"])
def test_neither_are_those_of_arb_copied(home, folder):
    for task in ({"workdir": f"~/work{folder}"}, {"file_mounts": {"/data": f"~/work{folder}"}}):
        with pytest.raises(UsageError, match="would copy private keys of ARB_HOME/") as caught:
            refuse(Task.model_validate(task), home)
        assert caught.value.code == "private-key"


def test_what_is_beside_them_may_be_copied(home):
    refuse(Task.model_validate({"workdir": "~/work/.arb/data"}), home)


def test_a_home_without_any_may_be_the_workdir(tmp_path):
    refuse_own_keys(Task.model_validate({"workdir": "~"}), tmp_path / "me", tmp_path / "arb")


def test_keys_of_arb_that_the_launch_will_make_are_not_copied_either(tmp_path):
    task = Task.model_validate({"workdir": str(tmp_path)})
    with pytest.raises(UsageError, match="would copy private keys of ARB_HOME/vault"):
        refuse_own_keys(task, tmp_path / "me", tmp_path / ".arb")


def test_nothing_is_bought_for_such_a_task(site):
    task = Task.model_validate({"secret_mounts": {"/k": "~/.ssh/id_rsa"}})
    from arb.clusters.launch import Wish, plan_launch

    with pytest.raises(UsageError, match="never does"):
        plan_launch(site.session, Wish(task, cluster="x"))
