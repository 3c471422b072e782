"""The command line in this process, with a home of its own and nothing installed that counts."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from arb.cli.app import run

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Cli:
    """Runs command lines in this process."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Done:
        self._capsys.readouterr()
        try:
            code = run(list(arguments))
        except SystemExit as end:  # completion ends that way
            code = int(end.code or 0)
        finally:
            os.environ.pop("ARB_NO_PLUGINS", None)
        out, err = self._capsys.readouterr()
        return Done(code, out, err)


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    home = tmp_path / "arb"
    for name in ("ARB_DATABASE_URL", "ARB_DISABLE_PROVIDERS", "ARB_NO_PLUGINS", "ARB_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ARB_HOME", str(home))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    return Cli(home, capsys)
