"""The documentation says what the code does."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from arb.hookspecs import POLICY_HOOKS, PROVIDER_HOOKS, STORE_HOOKS

ROOT = Path(__file__).resolve().parent.parent
HOOKS = (*PROVIDER_HOOKS, *STORE_HOOKS, *POLICY_HOOKS)
PROVIDERS = ["aws", "gcp", "lambda", "spheron", "local", "ssh"]
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"(?:`|^\$ (?:\w+=\S+ )*|^ {4})arb ([a-z]+[^`\n]*)", re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/*/README.md")]
)

BROUGHT_BY_PLUGINS = {"local", "acme", "house"}
"""One of ours, and those of examples."""
TELLING_MORE = {"docs/cli.md", "docs/hooks.md"}
"""The list of commands itself; and hooks tell of commands that are still to come."""


def contract_rows() -> dict[str, list[str]]:
    text = (ROOT / "docs" / "contract.md").read_text()
    rows = [re.split(r"\s*\|\s*", line.strip().strip("|")) for line in text.splitlines()]
    return {row[0].strip(" `"): row[1:] for row in rows if row[0].startswith(" `arb_")}


def test_the_contract_page_has_a_row_for_every_hook_and_no_other() -> None:
    assert set(contract_rows()) == set(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_the_contract_page_says_something_of_every_provider(hook: str) -> None:
    cells = contract_rows()[hook]
    assert len(cells) == len(PROVIDERS)
    assert all(cell.strip() for cell in cells)


def test_the_contract_page_names_the_providers_over_every_table() -> None:
    text = (ROOT / "docs" / "contract.md").read_text()
    tables = [line for line in text.splitlines() if line.startswith("| hook")]
    assert tables
    assert set(tables) == {"| hook | " + " | ".join(PROVIDERS) + " |"}


def test_generated_pages_are_up_to_date() -> None:
    script = ROOT / "tools" / "generate_docs.py"
    check = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )
    assert (check.returncode, check.stdout, check.stderr) == (0, "", "")


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file(page: str) -> None:
    path = ROOT / page
    targets = [t for t in LINK.findall(path.read_text()) if "://" not in t]
    assert [t for t in targets if not (path.parent / t).exists()] == []


def commands() -> dict[str, set[str]]:
    """Return every command with its options, as the generated page has them."""
    sections = re.split(r"^##+ arb ", (ROOT / "docs" / "cli.md").read_text(), flags=re.MULTILINE)
    return {s.splitlines()[0]: {"--help", *OPTION.findall(s)} for s in sections[1:]}


def unknown_words(text: str) -> list[str]:
    """Return the commands of a page that do not exist, or not with those options."""
    known, unknown = commands(), []
    for shown in COMMAND.findall(text):
        words = QUOTED.sub("", shown).split()
        name = next((n for n in (" ".join(words[:2]), words[0]) if n in known), "")
        options = set(OPTION.findall(" ".join(words)))
        if words[0] not in BROUGHT_BY_PLUGINS and not (name and options <= known[name]):
            unknown.append(f"arb {shown}")
    return unknown


@pytest.mark.parametrize("page", [p for p in PAGES if p not in TELLING_MORE])
def test_every_command_that_a_page_shows_exists_with_its_options(page: str) -> None:
    assert unknown_words((ROOT / page).read_text()) == []


def test_the_page_of_clusters_has_every_state() -> None:
    from arb.nodes.agent_jobs import JobState
    from arb.state.clusters import ClusterStatus

    rows = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/clusters.md").read_text(), re.MULTILINE))
    shown = {*ClusterStatus, *JobState} - {ClusterStatus.GONE, JobState.PREPARED}
    assert {state.value for state in shown} - rows == set()


def test_the_readme_gives_exactly_two_commands_for_setting_up() -> None:
    assert readme_commands() == ["python3 dev.py demo", "python3 dev.py tests"]


def test_ci_runs_the_readmes_test_command_as_it_is_written() -> None:
    steps = (ROOT / ".ci" / "run").read_text().splitlines()
    assert f"step tests {readme_commands()[1]}" in steps


def test_the_launcher_and_the_tasks_agree_on_the_oldest_nox() -> None:
    dev = load(ROOT / "dev.py")
    wanted = re.search(r'needs_version = "(.*)"', (ROOT / "noxfile.py").read_text())
    assert wanted is not None
    assert f"nox{wanted[1]}" == dev.NOX
    assert f'"{dev.NOX}"' in (ROOT / "pyproject.toml").read_text()


def readme_commands() -> list[str]:
    section = (
        (ROOT / "README.md").read_text().split("## Try it from a clone\n")[1].split("\n## ")[0]
    )
    return [line.strip() for line in section.splitlines() if line.startswith("    ")]


def load(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
