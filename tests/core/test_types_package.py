"""``arb.types`` gives every name of the contract, and imports what is used only."""

from __future__ import annotations

import subprocess
import sys

import pytest

import arb.types


@pytest.mark.parametrize("name", arb.types.__all__)
def test_every_name_is_there_and_listed(name: str) -> None:
    assert getattr(arb.types, name) is not None
    assert name in dir(arb.types)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Instnace'"):
        _ = arb.types.Instnace


def test_only_the_modules_of_used_names_are_imported() -> None:
    code = (
        "import sys; from arb.types import SshEndpoint, Clock; "
        "print(*sorted(m for m in sys.modules if m.startswith('arb.types.')))"
    )
    printed = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert printed.split() == ["arb.types.clock", "arb.types.nodes"]
