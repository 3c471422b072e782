"""Where clients of Lambda keep their key."""

from __future__ import annotations

import pytest

from arb.errors import CredentialsError
from arb_lambda.credentials import find_key, key_file

KEY = "secret_team_0123456789abcdef.XyZ"


def put(home, text):
    path = home / ".lambda_cloud" / "lambda_keys"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_without_any_there_is_none(tmp_path):
    assert find_key({}, tmp_path) is None
    assert key_file(tmp_path) is None
    put(tmp_path, "\n")
    assert find_key({"LAMBDA_API_KEY": " "}, tmp_path) is None


def test_the_environment_comes_before_the_file(tmp_path):
    path = put(tmp_path, f"api_key = {KEY}-file\n")
    found = find_key({}, tmp_path)
    assert (found.text, found.source) == (f"{KEY}-file", "~/.lambda_cloud/lambda_keys")
    found = find_key({"LAMBDA_API_KEY": f" {KEY}\n"}, tmp_path)
    assert (found.text, found.source) == (KEY, "LAMBDA_API_KEY")
    assert key_file(tmp_path) == path


@pytest.mark.parametrize(
    "text",
    [
        f"api_key = {KEY}",
        f"api_key={KEY}\n",
        f"ssh_key_name = laptop\napi_key = {KEY}\nother = x\n",
        f'  api_key = "{KEY}"\n',
        f"{KEY}\n",
        f"# mine\n\napi_key =   {KEY}\r\n",
    ],
)
def test_the_key_is_the_value_of_api_key_or_alone(tmp_path, text):
    put(tmp_path, text)
    assert find_key({}, tmp_path).text == KEY


@pytest.mark.parametrize("key", ["test-1", "k"])
def test_nobody_says_how_long_a_key_is(tmp_path, key):
    assert find_key({"LAMBDA_API_KEY": key}, tmp_path).text == key
    put(tmp_path, f"api_key = {key}\n")
    assert find_key({}, tmp_path).text == key


@pytest.mark.parametrize(
    "text", ["api_key = a key with spaces", "api_key =", "ssh_key_name = laptop", "kürzer"]
)
def test_what_is_no_key_is_named_by_its_place_and_not_shown(tmp_path, text):
    put(tmp_path, text)
    with pytest.raises(CredentialsError, match=r"~/\.lambda_cloud/lambda_keys") as caught:
        find_key({}, tmp_path)
    assert text not in str(caught.value)
    assert "LAMBDA_API_KEY" in caught.value.hint


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    put(tmp_path, "").unlink()
    (tmp_path / ".lambda_cloud" / "lambda_keys").mkdir()
    with pytest.raises(CredentialsError, match="cannot read"):
        find_key({}, tmp_path)


def test_a_key_is_in_no_representation(tmp_path):
    assert KEY not in repr(find_key({"LAMBDA_API_KEY": KEY}, tmp_path))
