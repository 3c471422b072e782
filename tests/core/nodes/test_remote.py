"""Commands that mean the same whatever the login shell on the other side is."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from arb.nodes.remote import sh

SCRIPT = """# it's a "test"!
a='x\\ty\\\\z'
if [ "$1" = "it's" ]; then
  printf '%s\\n' "$a" "$2" "$#" "$3"
fi
exec cat
"""


def test_a_command_is_one_line_without_signs_that_shells_read_differently():
    command = sh(SCRIPT, "it's")
    assert "\n" not in command
    assert "!" not in command
    assert "\\\\" not in command


def test_a_plain_script_stays_as_it_is():
    assert sh("exit 3", "a b") == "exec /bin/sh -c 'exit 3' sh 'a b'"


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "zsh", "fish", "csh", "tcsh"])
def test_a_script_runs_in_every_login_shell(shell):
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    command = [shell, "-c", sh(SCRIPT, "it's", "b c", "d!\n\\0e\n")]
    done = subprocess.run(command, input="in\n", capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("x\\ty\\\\z\nb c\n3\nd!\n\\0e\n\nin\n", "")
    assert subprocess.run([shell, "-c", sh("false\nexit 7")], check=False).returncode == 7
