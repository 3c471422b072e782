"""What runs on hosts: claims that nobody makes twice, and keys that come and go."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from arb.errors import ProviderUnavailable
from arb_ssh.claims import Claim, read_claim
from arb_ssh.hosts import Gpus, Hardware
from arb_ssh.remote import (
    claim_script,
    look_script,
    measure_script,
    read_answer,
    release_script,
)

TOKEN = "arb-abcdefgh-abcdefgh-000-0000"
OTHER = "arb-zzzzzzzz-abcdefgh-000-0000"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNsaWVudA arb-abcdefgh"
LINE = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNsaWVudA {TOKEN}"


class Home:
    """A home folder on a host."""

    def __init__(self, path):
        self.path = path
        (path / ".ssh").mkdir()
        self.keys = path / ".ssh" / "authorized_keys"
        self.claim = path / ".arb-claim"

    def say(self, script, path="/usr/bin:/bin"):
        """Run a script as a host does."""
        done = subprocess.run(
            ["/bin/sh", "-s"],
            input=script,
            capture_output=True,
            text=True,
            env={"HOME": str(self.path), "PATH": path},
            check=False,
        )
        assert done.stderr == ""
        return done.stdout

    def run(self, script, **more):
        return read_answer("gpu01", self.say(script, **more))


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def claim(token=TOKEN, **more):
    return claim_script(Claim(token, id="gpu01-x", cluster="train", by="alice@laptop", **more), KEY)


def test_a_free_host_is_claimed_and_says_who_has_it(home):
    answer = home.run(claim(price_usd_hour=1.5, pool="lab", instance_type="lab-8cpu", host="gpu01"))
    told = answer.claim
    assert (told.token, told.cluster, told.by, told.pool) == (TOKEN, "train", "alice@laptop", "lab")
    assert (told.price_usd_hour, told.instance_type, told.host) == (1.5, "lab-8cpu", "gpu01")
    assert told.made_at > 1e9
    assert told.node == answer.node == os.uname().nodename
    assert home.run(look_script()).claim == told
    assert home.keys.read_text() == LINE + "\n"
    assert home.claim.stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in home.path.iterdir()) == [".arb-claim", ".ssh"]


def test_a_second_claim_of_the_same_token_changes_nothing(home):
    first = home.run(claim())
    assert home.run(claim()) == first
    assert home.keys.read_text() == LINE + "\n"


def test_a_claimed_host_stays_whose_it_is(home):
    home.run(claim())
    assert home.run(claim(OTHER)).claim.token == TOKEN
    assert OTHER not in home.keys.read_text()


def test_of_many_at_once_one_gets_it(home):
    tokens = [f"arb-abcdefgh-abcdefgh-{n:03}-0000" for n in range(24)]
    with ThreadPoolExecutor(8) as several:
        answers = list(several.map(lambda token: home.run(claim(token)), tokens))
    (winner,) = {answer.claim.token for answer in answers}
    assert read_claim(home.claim.read_text()).token == winner
    assert [line.split()[2] for line in home.keys.read_text().splitlines()] == [winner]
    assert sorted(p.name for p in home.path.iterdir()) == [".arb-claim", ".ssh"]


def test_names_of_any_kind_arrive_as_they_were_written(home):
    name = 'it\'s "me" $(id) `id` \\n %s é'
    claim_ = Claim(TOKEN, cluster=name, by=name)
    assert home.run(claim_script(claim_, KEY)).claim.cluster == name


def test_letting_go_takes_key_and_claim_and_nothing_else(home):
    home.keys.write_text("ssh-ed25519 AAAA me@home")  # without an end of the line
    home.keys.chmod(0o644)
    home.run(claim())
    assert home.keys.read_text() == f"ssh-ed25519 AAAA me@home\n{LINE}\n"
    answer = home.run(release_script(TOKEN))
    assert (answer.claim, answer.problem) == (None, "")
    assert home.keys.read_text() == "ssh-ed25519 AAAA me@home\n"
    assert home.keys.stat().st_mode & 0o777 == 0o644
    assert [p.name for p in (home.path / ".ssh").iterdir()] == ["authorized_keys"]
    assert home.run(release_script(TOKEN)).claim is None


def test_a_linked_file_of_keys_stays_a_link(home):
    real = home.path / "keys"
    real.write_text("ssh-ed25519 AAAA me@home\n")
    home.keys.symlink_to(real)
    home.run(claim())
    home.run(release_script(TOKEN))
    assert home.keys.is_symlink()
    assert real.read_text() == "ssh-ed25519 AAAA me@home\n"


def test_letting_go_of_what_another_one_has_takes_only_our_key(home):
    home.run(claim(OTHER))
    with home.keys.open("a") as file:
        file.write(LINE + "\n")
    assert home.run(release_script(TOKEN)).claim.token == OTHER
    assert TOKEN not in home.keys.read_text()
    assert OTHER in home.keys.read_text()


def test_a_home_without_a_folder_for_keys_gets_one(home):
    (home.path / ".ssh").rmdir()
    home.run(claim())
    assert home.keys.read_text() == LINE + "\n"
    assert (home.path / ".ssh").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("tool", ["ln", "printf"])
def test_a_home_that_cannot_be_written_is_told(home, tmp_path, tool):
    """As on a full or read-only disk: here the tool that would write fails."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / tool).write_text(f"#!/bin/sh\necho '{tool}: no space left' >&2\nexit 1\n")
    (tools / tool).chmod(0o755)
    script = claim()
    if tool == "printf":  # which is built into the shell
        script = script.replace("printf '%s,", f"{tools}/printf '%s,")
    answer = home.run(script, path=f"{tools}:/usr/bin:/bin")
    assert answer.claim is None
    told = {"ln": "ln: no space left", "printf": "the home folder cannot be written"}
    assert answer.problem == told[tool]
    assert not home.keys.exists()


def test_keys_that_cannot_be_written_are_told(home):
    home.keys.mkdir()
    answer = home.run(claim())
    assert answer.problem == "authorized_keys cannot be written"
    assert answer.claim.token == TOKEN


def test_keys_that_cannot_be_replaced_keep_the_claim_and_are_told(home, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "cp").write_text("#!/bin/sh\nexit 1\n")
    (tools / "cp").chmod(0o755)
    home.run(claim())
    answer = home.run(release_script(TOKEN), path=f"{tools}:/usr/bin:/bin")
    assert answer.problem == "authorized_keys cannot be written"
    assert answer.claim.token == TOKEN
    assert home.keys.read_text() == LINE + "\n"


SMI = "NVIDIA H100 80GB HBM3, 81559\nNVIDIA H100 80GB HBM3, 81559\nNVIDIA T4, 15360\n"


@pytest.mark.parametrize(
    ("said", "gpus"),
    [
        (SMI, Gpus("NVIDIA H100 80GB HBM3", 2, 79.6)),
        ("NVIDIA GB10, [N/A]\n", Gpus("NVIDIA GB10", 1, 0)),
        ("No devices were found\n", Gpus()),
        (None, Gpus()),
    ],
    ids=["two-kinds", "no-memory", "broken-driver", "no-tool"],
)
def test_a_host_is_measured(home, tmp_path, said, gpus):
    tools = tmp_path / "tools"
    tools.mkdir()
    if said is not None:
        (tools / "said").write_text(said)
        (tools / "nvidia-smi").write_text(f"#!/bin/sh\ncat {tools}/said -\n")  # reads its input
        (tools / "nvidia-smi").chmod(0o755)
    answer = home.run(measure_script(), path=f"{tools}:/usr/bin:/bin")
    assert answer.hardware.gpus == gpus
    assert answer.hardware.vcpus == len(os.sched_getaffinity(0))
    assert answer.hardware.memory_gib > 0
    assert answer.hardware.arch in {"x86_64", "arm64"}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("/dev/vda1 1000 990 9000 99% /", "its home folder has only 8 MiB free"),
        ("server:/export/a b 1000000 0 1000000 0% /home", ""),
        ("none - - - - /", ""),
        ("", ""),
    ],
    ids=["full", "room", "odd", "no-df"],
)
def test_a_home_that_is_full_is_told_when_it_is_measured(home, tmp_path, said, told):
    tools = tmp_path / "tools"
    tools.mkdir()
    lines = f"Filesystem 1024-blocks Used Available Capacity Mounted on\n{said}\n"
    (tools / "df").write_text(f"#!/bin/sh\ncat <<'END'\n{lines}END\n")
    (tools / "df").chmod(0o755)
    assert home.run(measure_script(), path=f"{tools}:/usr/bin:/bin").no_room == told
    assert home.run(look_script()).no_room == ""  # was not asked


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_may_not_be_written_is_told_when_it_is_measured(home):
    home.path.chmod(0o500)
    try:
        assert home.run(measure_script()).no_room == "its home folder cannot be written"
    finally:
        home.path.chmod(0o700)


def test_a_users_limit_of_threads_is_not_the_number_of_processors(home):
    limited = "OMP_NUM_THREADS=1; OMP_THREAD_LIMIT=1; export OMP_NUM_THREADS OMP_THREAD_LIMIT\n"
    answer = home.run(limited + measure_script())
    assert answer.hardware.vcpus == len(os.sched_getaffinity(0))


def test_a_host_without_python_is_told_apart(home, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "sed", "uname", "nproc", "head", "tr", "date"):
        (tools / name).symlink_to(f"/usr/bin/{name}")
    script = measure_script().replace(" /usr/bin/python3 ", " ")
    assert home.run(measure_script()).has_python
    assert not home.run(script, path=str(tools)).has_python
    assert home.run(look_script()).has_python  # was not asked


def test_what_a_login_script_says_is_skipped(home):
    said = "Hi!\nWelcome to gpu01!" + home.say(look_script()) + "Bye\n"
    assert read_answer("gpu01", said).node == os.uname().nodename


@pytest.mark.parametrize(
    "said",
    ["", "<html>", "arb-ssh-begin\nnode x\n", "node x\narb-ssh-end\n"],
    ids=["nothing", "something-else", "cut-short", "no-begin"],
)
def test_any_other_answer_is_unreadable(said):
    with pytest.raises(ProviderUnavailable, match="gpu01 answers something else") as caught:
        read_answer("gpu01", said)
    assert caught.value.code == "ssh-unreadable"


@pytest.mark.parametrize(
    "text", ["", "not JSON", "[1]", "{}", '{"token":1}', '{"token":"x","made_at":"y"}', "7"]
)
def test_a_claim_that_cannot_be_read_is_a_claim_all_the_same(home, text):
    home.claim.write_text(text)
    told = home.run(look_script()).claim
    assert (told.token, told.holder) == ("", "a claim that arb did not write")


DAMAGE = {"gone": None, "empty": b"", "zeros": b"\0" * 300, "cut": b'{"token":"arb-abcd'}


@pytest.mark.parametrize("text", DAMAGE.values(), ids=DAMAGE)
def test_whose_claim_is_damaged_has_the_host_until_it_is_given_back(home, text):
    home.run(claim())
    home.claim.unlink() if text is None else home.claim.write_bytes(text)
    told = home.run(look_script()).claim
    assert told.token == TOKEN
    assert "whose claim is damaged or gone: its key is in authorized_keys" in told.holder
    assert home.run(claim(OTHER)).claim.token == TOKEN
    assert OTHER not in home.keys.read_text()
    assert home.run(release_script(OTHER)).released is False
    assert home.run(look_script()).claim.token == TOKEN
    assert home.run(claim()).claim.token == TOKEN  # sent once more
    answer = home.run(release_script(TOKEN))
    assert (answer.claim, answer.released, answer.problem) == (None, True, "")
    assert home.keys.read_text() == ""
    assert not home.claim.exists()


def test_a_damaged_claim_that_no_key_belongs_to_is_nobodys_to_remove(home):
    home.claim.write_bytes(b"\0\0")
    answer = home.run(release_script(TOKEN))
    assert (answer.claim.token, answer.released) == ("", False)
    assert home.claim.exists()


def test_keys_of_people_are_no_claims(home):
    home.keys.write_text(f"ssh-ed25519 AAAA my-{TOKEN}\nssh-ed25519 AAAA {TOKEN} old\n")
    assert home.run(look_script()).claim is None
    assert home.run(claim()).claim.token == TOKEN


def test_what_another_computer_wrote_cannot_play_with_the_terminal():
    told = Claim("x", by="bob\x1b[2J\nevil@desk", cluster="a" * 500)
    assert told.holder.startswith("bob[2J evil@desk for aaa")
    assert len(told.holder) <= 200


def test_hardware_that_is_not_told_is_not_known(home):
    said = home.say(measure_script())
    cut = "\n".join(line for line in said.splitlines() if not line.startswith("memory_kib"))
    assert read_answer("gpu01", cut + "\n").hardware is None
    arm = said.replace(f"arch {os.uname().machine}", "arch aarch64")
    assert read_answer("gpu01", arm).hardware == Hardware(
        read_answer("gpu01", said).hardware.vcpus,
        read_answer("gpu01", said).hardware.memory_gib,
        read_answer("gpu01", said).hardware.gpus,
        "arm64",
    )
