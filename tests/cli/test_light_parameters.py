"""Parameters that need no conversion cost none; all others are converted by typer itself."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated, Any

import pytest
import typer

from arb.cli.light import lighten

SEEN: dict[str, Any] = {}


def make_command() -> Any:
    app = typer.Typer()

    @app.command()
    def show(
        words: Annotated[list[str] | None, typer.Argument()] = None,
        name: str = "",
        days: float = 0.0,
        count: Annotated[int | None, typer.Option(min=1)] = None,
        tag: Annotated[list[str] | None, typer.Option()] = None,
        upper: Annotated[str, typer.Option(parser=str.upper)] = "",
        flag: bool = False,
    ) -> None:
        SEEN.update(locals())

    return typer.main.get_command(app)


def read(command: Any, arguments: list[str]) -> dict[str, Any]:
    SEEN.clear()
    command(arguments, standalone_mode=False)
    return dict(SEEN)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["one"],
        ["one", "two", "--name", "x", "--tag", "a", "--tag", "b", "--flag"],
        ["--days", "2", "--count", "3"],
        ["--upper", "loud"],
    ],
    ids=" ".join,
)
def test_every_value_is_what_typer_makes_of_it(arguments: list[str]) -> None:
    light = make_command()
    lighten(light)
    expected = read(make_command(), arguments)
    assert read(light, arguments) == expected
    assert expected["name"] == ("x" if "--name" in arguments else "")


@pytest.mark.parametrize(
    "arguments", [["--days", "soon"], ["--count", "0"], ["--count"], ["--no-such"]], ids=" ".join
)
def test_a_wrong_value_is_refused_with_typers_words(arguments: list[str]) -> None:
    plain, light = make_command(), make_command()
    lighten(light)
    said = []
    for command in (plain, light):
        with pytest.raises(Exception, match=r"option|requires|Input should") as caught:
            command(arguments, standalone_mode=False)
        said.append(caught.value.format_message())  # type: ignore[attr-defined]  # click's own
    assert said[0] == said[1]


@pytest.mark.parametrize("name", ["status", "cost", "config", "plugins"])
def test_reading_commands_do_not_pay_for_pydantic(name: str, tmp_path: Any) -> None:
    code = (
        f"import sys; from arb.cli.app import run; run([{name!r}]); "
        "sys.exit('pydantic' in sys.modules)"
    )
    env = {"HOME": str(tmp_path), "ARB_HOME": str(tmp_path / "arb"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
