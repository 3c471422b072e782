from __future__ import annotations

import pytest

from arb.cli.ssh import _words
from arb.errors import UsageError


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([], ""),
        (["ls", "-la"], "ls -la"),
        (["--", "ls", "-la"], "ls -la"),
        (["--", "--version"], "--version"),
        (["echo hi; exit 7"], "echo hi; exit 7"),
    ],
)
def test_a_command_is_one_text_for_the_nodes_shell(command, words):
    assert _words(command) == words


@pytest.mark.parametrize("command", [["--rank", "1"], ["-v"], ["--rank=1", "ls"]])
def test_an_option_behind_the_name_is_refused_with_where_it_goes(command):
    with pytest.raises(UsageError) as caught:
        _words(command)
    assert "arb ssh --rank 1 NAME" in caught.value.hint
