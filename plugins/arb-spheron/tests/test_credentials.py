"""Every place where clients of Spheron keep their key."""

from __future__ import annotations

import pytest

from arb.errors import CredentialsError
from arb_spheron.credentials import find_key, key_file

KEY = "sai_pk_0123456789abcdef"


def put(home, name, text):
    path = home / ".spheron" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_without_any_there_is_none(tmp_path):
    assert find_key({}, tmp_path) is None
    put(tmp_path, "token", "\n")
    assert find_key({}, tmp_path) is None


def test_the_environment_comes_first_then_the_files_in_order(tmp_path):
    for name in ("credentials", "api_key", "token"):
        put(tmp_path, name, f"{KEY}_{name}\n")
        found = find_key({}, tmp_path)
        assert (found.text, found.source) == (f"{KEY}_{name}", f"~/.spheron/{name}")
    found = find_key({"SPHERON_API_KEY": f" {KEY}\n"}, tmp_path)
    assert (found.text, found.source) == (KEY, "SPHERON_API_KEY")
    assert key_file(tmp_path).name == "token"


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"SPHERON_API_KEY={KEY}\n",
        f'export SPHERON_API_KEY="{KEY}"',
        f"[default]\napi_key = {KEY}\n",
        f'{{"apiKey": "{KEY}"}}',
        f"token: '{KEY}'",
    ],
)
def test_a_key_is_found_in_any_form_of_file(tmp_path, text):
    put(tmp_path, "credentials", text)
    assert find_key({}, tmp_path).text == KEY


def test_a_key_of_another_prefix_is_taken_as_it_is(tmp_path):
    put(tmp_path, "api_key", "another-form-of-key-2027\n")
    assert find_key({}, tmp_path).text == "another-form-of-key-2027"
    put(tmp_path, "token", "[default]\nkey = another-form-of-key-2028\n")
    assert find_key({}, tmp_path).text == "another-form-of-key-2028"


@pytest.mark.parametrize("text", ["a key with spaces", "kürzer-als-gedacht", "short"])
def test_what_is_no_key_is_named_by_its_place_and_not_shown(tmp_path, text):
    put(tmp_path, "token", text)
    for env, place in (({}, "~/.spheron/token"), ({"SPHERON_API_KEY": text}, "SPHERON_API_KEY")):
        with pytest.raises(CredentialsError, match=place) as caught:
            find_key(env, tmp_path)
        assert text not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    put(tmp_path, "token", "").unlink()
    (tmp_path / ".spheron" / "token").mkdir()
    with pytest.raises(CredentialsError, match="cannot read"):
        find_key({}, tmp_path)


def test_a_key_is_in_no_representation(tmp_path):
    assert KEY not in repr(find_key({"SPHERON_API_KEY": KEY}, tmp_path))
