from __future__ import annotations

import pytest

from arb.errors import UsageError
from arb.tasks import parse_assignment, read_env_file


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("A=b", ("A", "b")),
        ("A=", ("A", "")),
        ("A=b=c", ("A", "b=c")),
        ("A= b ", ("A", " b ")),
        ("_A1=x", ("_A1", "x")),
    ],
)
def test_assignments(text, pair):
    assert parse_assignment(text, where="--env") == pair


def test_a_name_alone_takes_the_environments_value(monkeypatch):
    monkeypatch.setenv("ARB_TEST_A", "from here")
    assert parse_assignment("ARB_TEST_A", where="--env") == ("ARB_TEST_A", "from here")


@pytest.mark.parametrize("text", ["", "=x", "1A=x", "A B=x", "A-B=x"])
def test_what_is_no_assignment_is_refused_without_its_value(text):
    with pytest.raises(UsageError, match="--secret: expected NAME=value") as caught:
        parse_assignment(text.replace("x", "s3cret"), where="--secret")
    assert "s3cret" not in str(caught.value)
    assert "does not begin with a digit" in caught.value.hint


def test_a_name_that_the_environment_does_not_have_is_named(monkeypatch):
    monkeypatch.delenv("ARB_TEST_NO", raising=False)
    with pytest.raises(UsageError, match="ARB_TEST_NO is not set in the environment"):
        parse_assignment("ARB_TEST_NO", where="--env")


def test_an_env_file_is_read_as_dotenv_files_are(tmp_path, monkeypatch):
    monkeypatch.setenv("ARB_TEST_FROM_HERE", "here")
    path = tmp_path / ".env"
    path.write_text(
        "# comment\n\nA=1\nexport B='two words'\nC=\"x\"\nD=\n  E = spaced\nARB_TEST_FROM_HERE\n"
        "F=it's\n"
    )
    assert read_env_file(path) == {
        "A": "1",
        "B": "two words",
        "C": "x",
        "D": "",
        "E": "spaced",
        "ARB_TEST_FROM_HERE": "here",
        "F": "it's",
    }


def test_a_wrong_line_is_named_by_number_without_its_content(tmp_path):
    path = tmp_path / ".env"
    path.write_text("A=1\ns3cret value\n")
    with pytest.raises(UsageError, match=r"\.env:2: expected NAME=value") as caught:
        read_env_file(path)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_an_env_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / ".env"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"cannot read .*\.env"):
        read_env_file(path)
