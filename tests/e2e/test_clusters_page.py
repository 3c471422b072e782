"""What ``docs/clusters.md`` shows is what happens: its commands are run, in its order."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import groupby
from pathlib import Path

from support.command import TIMEOUT_S

PAGE = (Path(__file__).parents[2] / "docs" / "clusters.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RANK = re.compile(r"\(rank (\d+)\) ")
VARYING = [(r"127\.[\d.]+\d", "ADDRESS"), (r"\b\d+[dhms]( \d+[hms])?\b", "TIME"), (r" +", " ")]
"""Addresses, durations, and how wide they make a table."""


def test_the_page_of_clusters_shows_what_happens(arb):
    folder = arb.root / "project"
    arb.write("project/main.py", 'print("working")\n')
    arb.write("project/train.yaml", code("yaml")[0].removeprefix("# train.yaml\n"))
    shim = Path(arb.write("bin/arb", f'#!/bin/sh\nexec "{sys.executable}" -m arb "$@"\n'))
    shim.chmod(0o755)
    arb.env["PATH"] = f"{shim.parent}:{arb.env['PATH']}"
    shown = list(steps("".join(code("console"))))
    assert len(shown) > 10
    for command, expected in shown:
        answer = run(arb, command, folder)
        assert matches(expected, answer), f"$ {command}\n{answer}\nand the page says\n{expected}"


def code(language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(PAGE) if kind == language]


def steps(text: str):
    for step in text.removeprefix("$ ").split("\n$ "):
        command, _, expected = step.partition("\n")
        yield command, expected.rstrip("\n")


def run(arb, command: str, folder: Path) -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env=arb.env,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return done.stdout.rstrip("\n")


def matches(expected: str, answer: str) -> bool:
    pattern = "\n".join(re.escape(line) if line != "..." else ".*?" for line in tidy(expected))
    return re.fullmatch(pattern, "\n".join(tidy(answer)), re.DOTALL) is not None


def tidy(text: str) -> list[str]:
    """Return the lines without what varies, lines of different ranks in the order of the ranks."""
    for varying, name in VARYING:
        text = re.sub(varying, name, text)
    lines = [line.rstrip() for line in text.splitlines()]
    ordered: list[str] = []
    for _, group in groupby(lines, key=lambda line: bool(RANK.match(line))):
        ordered += sorted(group, key=rank_of)
    return ordered


def rank_of(line: str) -> int:
    found = RANK.match(line)
    return int(found[1]) if found else -1
