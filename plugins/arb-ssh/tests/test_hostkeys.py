"""Which host keys are trusted."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from arb_ssh.hostkeys import Pins, Trust, fingerprint, known_keys, told_key
from arb_ssh.hosts import Host

ED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGR6fDNDRQY1y0Ak7ei2Z9/YuXrp0ufF2vj01m3iw9NH"
RSA = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7"
needs_keygen = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen here")
HOST = Host("gpu01", "lab", "10.0.0.5", "me")


def known(tmp_path, text, host=HOST):
    path = tmp_path / "known_hosts"
    path.write_text(text)
    return known_keys(path, host)


@pytest.mark.parametrize(
    ("names", "port", "is_found"),
    [
        ("10.0.0.5", 22, True),
        ("other,10.0.0.5", 22, True),
        ("10.0.0.*", 22, True),
        ("10.0.0.*,!10.0.0.5", 22, False),
        ("10.0.0.6", 22, False),
        ("[10.0.0.5]:2222", 2222, True),
        ("[10.0.0.5]:2222", 22, False),
        ("[10.0.0.*]:2222", 2222, True),
        ("10.0.0.5", 2222, True),  # as OpenSSH falls back
    ],
)
def test_names_match_as_openssh_matches_them(tmp_path, names, port, is_found):
    host = Host("gpu01", "lab", "10.0.0.5", "me", port=port)
    trust = known(tmp_path, f"# a comment\n\n{names} {ED} me@home\n", host)
    assert trust.keys == ((ED,) if is_found else ())


@needs_keygen
@pytest.mark.parametrize("port", [22, 2222])
def test_hashed_names_are_found(tmp_path, port):
    path = tmp_path / "known_hosts"
    name = "10.0.0.5" if port == 22 else "[10.0.0.5]:2222"
    path.write_text(f"{name} {ED}\nother {RSA}\n")
    done = subprocess.run(["ssh-keygen", "-Hf", path], capture_output=True, check=False)
    assert done.returncode == 0
    assert "10.0.0.5" not in path.read_text()
    assert known_keys(path, Host("g", "lab", "10.0.0.5", "me", port=port)).keys == (ED,)


def test_several_keys_of_a_host_are_all_trusted_and_their_types_known(tmp_path):
    trust = known(tmp_path, f"10.0.0.5 {RSA}\n10.0.0.5 {ED}\n")
    assert trust.keys == (RSA, ED)
    assert trust.types == ("ssh-rsa", "ssh-ed25519")
    assert trust.accepts(ED)
    assert not trust.accepts(ED[:-4] + "AAAA")


def test_a_revoked_key_is_never_accepted(tmp_path):
    trust = known(tmp_path, f"10.0.0.5 {ED}\n@revoked * {ED}\n@cert-authority * {RSA}\n")
    assert trust.revoked == (ED,)
    assert trust.keys == (ED,)
    assert not trust.accepts(ED)


def test_a_damaged_file_or_none_says_nothing(tmp_path):
    assert known(tmp_path, "|1|nonsense ssh-ed25519 AAAA\nshort line\n").keys == ()
    assert known_keys(tmp_path / "none", HOST) == Trust()


@needs_keygen
def test_a_fingerprint_is_that_of_openssh(tmp_path):
    path = tmp_path / "key.pub"
    path.write_text(ED + "\n")
    told = subprocess.check_output(["ssh-keygen", "-lf", path], text=True).split()[1]
    assert fingerprint(ED) == told
    assert Trust((told_key(told + "="),)).accepts(ED)
    assert Trust((told_key(ED + " some comment"),)).accepts(ED)


def test_the_first_key_is_pinned_and_told_once(tmp_path):
    pins = Pins(tmp_path / "keys")
    assert pins.get(HOST) == ""
    assert pins.tell(HOST) == ""
    assert pins.pin(HOST, ED) == ED
    assert pins.pin(HOST, RSA) == ED  # the first one is everybody's
    assert Pins(tmp_path / "keys").get(HOST) == ED
    assert [pins.tell(HOST), pins.tell(HOST)] == [fingerprint(ED), ""]
