"""The whole life of a cluster with its state in PostgreSQL, shared by two homes."""

from __future__ import annotations

import base64
import shutil

import pytest

WRONG_KEY = base64.urlsafe_b64encode(b"w" * 32).decode()


@pytest.fixture
def shared(arb, postgres_server):
    """A home whose state and vault are in a database."""
    arb.env["ARB_DATABASE_URL"] = postgres_server.new_database()
    arb.env["ARB_VAULT_KEY"] = base64.urlsafe_b64encode(b"k" * 32).decode()
    return arb


def test_a_cluster_lives_and_ends_in_a_shared_database(shared):
    done = shared(
        "launch", "-c", "x", "--infra", "local", "--num-nodes", "2", "echo hi; exit 4", code=4
    )
    assert done.stdout.count("hi") == 2
    assert not (shared.home / "state.db").exists()
    assert not list((shared.home / "vault").rglob("*id_ed25519*"))
    assert shared.json("status")[0]["status"] == "up"
    shared("exec", "x", "true")
    shared("down", "-y", "x")
    assert shared.json("status") == []
    assert len(shared.json("cost")["machines"]) == 2


def test_a_second_home_uses_the_same_cluster_and_a_wrong_vault_key_is_not_shown(shared):
    shared("launch", "-c", "x", "--infra", "local", "true")
    second = shared.root / "second"
    done = shared("exec", "x", "echo from elsewhere", env={"ARB_HOME": str(second)})
    assert "from elsewhere" in done.stdout
    shutil.rmtree(second)
    done = shared("exec", "x", "true", env={"ARB_VAULT_KEY": WRONG_KEY}, code=125)
    assert "ARB_VAULT_KEY" in done.stderr
    assert WRONG_KEY not in done.stderr
    assert "Traceback" not in done.stderr
