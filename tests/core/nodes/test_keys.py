from __future__ import annotations

import shutil
import subprocess

import pytest

from arb.errors import UsageError
from arb.nodes.hostkeys import fingerprint, known_hosts_line, same_key
from arb.nodes.keys import client_key, forget_gang_key, gang_key, generate_key


class MemoryVault:
    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    def put_new(self, name: str, content: bytes, /) -> bytes:
        return self.content.setdefault(name, content)

    def get(self, name: str, /) -> bytes | None:
        return self.content.get(name)

    def delete(self, name: str, /) -> None:
        self.content.pop(name, None)


def test_client_key_is_made_once_and_carries_the_owner():
    vault = MemoryVault()
    first = client_key(vault, "abcdefgh")
    assert client_key(vault, "abcdefgh") == first
    assert first.public.endswith(" arb-abcdefgh")
    assert list(vault.content) == ["client/id_ed25519"]


def test_loser_of_a_race_gets_the_winner_s_key():
    winner = generate_key()

    class Raced(MemoryVault):
        def get(self, name: str, /) -> bytes | None:
            self.content[name] = winner.private.encode()

    assert client_key(Raced(), "abcdefgh").private == winner.private


def test_every_cluster_has_its_own_key_until_it_is_forgotten():
    vault = MemoryVault()
    one, two = gang_key(vault, "c1"), gang_key(vault, "c2")
    assert one.public != two.public
    assert gang_key(vault, "c1") == one
    forget_gang_key(vault, "c1")
    assert list(vault.content) == ["gang/c2"]
    assert gang_key(vault, "c1").public != one.public


def test_private_keys_are_not_in_reprs():
    pair = generate_key()
    assert "PRIVATE" not in repr(pair)


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is the yardstick")
def test_openssh_reads_keys_and_agrees_on_the_fingerprint(tmp_path):
    pair = generate_key("someone")
    file = tmp_path / "key"
    file.touch(0o600)
    file.write_text(pair.private)
    public = subprocess.check_output(["ssh-keygen", "-y", "-f", str(file)], text=True)
    assert same_key(public, pair.public)
    (tmp_path / "key.pub").write_text(pair.public)
    listed = subprocess.check_output(["ssh-keygen", "-lf", str(tmp_path / "key.pub")], text=True)
    assert listed.split()[1] == fingerprint(pair.public)


def test_comments_do_not_matter_for_known_hosts():
    pair = generate_key("comment")
    assert known_hosts_line("arb-x", pair.public) == "arb-x " + pair.public.removesuffix(" comment")


@pytest.mark.parametrize("line", ["", "ssh-ed25519", "ssh-ed25519 not*base64"])
def test_text_that_is_no_key_is_refused(line):
    with pytest.raises(UsageError, match="not an SSH public key"):
        fingerprint(line)
