"""The way into the command line."""

from __future__ import annotations

import subprocess
import sys

import pytest

WARNS = """
import warnings
import arb.cli.app
from arb.cli import main
arb.cli.app.main = lambda: warnings.warn("a part is missing")
main()
"""


@pytest.mark.parametrize(("options", "count"), [([], 0), (["-Wdefault"], 1)])
def test_users_do_not_see_what_libraries_warn_programmers_of_unless_they_ask(options, count):
    done = subprocess.run(
        [sys.executable, *options, "-c", WARNS], capture_output=True, text=True, check=True
    )
    assert done.stderr.count("UserWarning: a part is missing") == count


def test_ctrl_c_while_the_program_is_still_being_read_shows_no_traceback():
    code = """
import sys

class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            raise KeyboardInterrupt

sys.meta_path.insert(0, CtrlC())
from arb.cli import main
main()
"""
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")
