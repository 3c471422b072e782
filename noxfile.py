"""Every task of the workspace. ``python3 dev.py TASK`` runs one from nothing but Python.

Environments are kept under ``.nox`` and installed into again only when something that they depend
on changed: a second run of a task starts at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import nox
from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterator

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]

ROOT = Path(__file__).parent
PROJECTS = (
    "core",
    *sorted(f"plugins/{p.parent.name}" for p in ROOT.glob("plugins/*/pyproject.toml")),
)
SOURCES = tuple(f"{project}/src" for project in PROJECTS)
GROUPS = nox.project.load_toml("pyproject.toml")
WORKERS = ("-n", "2", "--dist", "worksteal")
"""Each begins with a half of the tests, so that most fixtures are set up once."""


@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """Run the main job: a two-node task over SSH on nodes bought from arb-local."""
    develop(session)
    with scratch_home("arb-demo-") as home:
        arb = partial(session.run, "arb", env=home)
        try:
            arb("launch", "--yes", "--cluster", "demo", "examples/two-nodes.yaml")
            arb("status")
            arb("exec", "demo", "echo rank $ARB_NODE_RANK is still warm")
            priced = str(ROOT / "examples" / "simulated.yaml")
            arb("config", "set", "provider_options.local.simulated", priced)
            wanted = ("--infra", "local", "--gpus", "H100:8", "--use-spot", "echo bought on spot")
            arb("launch", "--yes", "--cluster", "priced", *wanted)
        finally:
            arb("down", "--yes", "--all")
        arb("cost")
        arb("status")


@nox.session(default=False)
def market(session: nox.Session) -> None:
    """Show the commands of somebody with accounts at four clouds, all of them simulated here."""
    develop(session, *group("tests"))
    session.run("python", "-m", "clouds.tour", env={"PYTHONPATH": "tests"})


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests: all but the slow ones, or what follows ``--``."""
    develop(session, *group("tests"))
    session.run("pytest", *(session.posargs or WORKERS))


@nox.session(default=False)
def slow(session: nox.Session) -> None:
    """Run the slow tests: those that need a large package or long, and all examples of properties."""
    develop(session, *group("tests"), *group("slow"))
    session.run(
        *("pytest", "-m", "slow or hypothesis", *(session.posargs or WORKERS)),
        env={"ARB_TEST_EXAMPLES": "all"},
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, spelling and which layer imports which; change nothing."""
    install_once(session, *group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": os.pathsep.join(SOURCES)})


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    develop(session, *group("types"))
    session.run("mypy")
    session.run("mypy", "dev.py", "noxfile.py", *map(str, Path("tools").glob("*.py")))


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Print the table of ``What "fast" means``: every row with its yardstick from the same run."""
    develop(session, *group("tests"), *group("bench"))
    session.run("python", "-m", "tests.bench", *session.posargs)


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Write the generated pages of ``docs`` anew; a test says when that is due."""
    develop(session)
    session.run("python", "tools/generate_docs.py")


@nox.session(default=False)
def wheels(session: nox.Session) -> None:
    """Build every wheel, install them into a bare environment and use them there."""
    folder = ROOT / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    install_once(session, "pip")
    session.run("pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), *local_paths())
    built = sorted(str(path) for path in folder.glob("*.whl"))
    if len(built) != len(PROJECTS):
        session.error(f"{len(PROJECTS)} wheels were due, there are: {built}")
    session.install(*built)
    session.install("--force-reinstall", "--no-deps", *built)
    with scratch_home("arb-wheels-") as home:
        script = shutil.copy(ROOT / "tools" / "smoke_wheels.py", home["HOME"])
        with session.chdir(
            home["HOME"]
        ):  # nothing of ours is importable here but what is installed
            session.run("python", "-I", script, *(Path(wheel).name for wheel in built), env=home)
    core, *providers = sorted(built, key=lambda wheel: not Path(wheel).name.startswith("arb_core-"))
    for provider in providers:
        use_alone(session, core, provider)


def use_alone(session: nox.Session, core: str, provider: str) -> None:
    """Install one provider's wheel beside the core's in an environment of its own and use it there."""
    with scratch_home("arb-alone-") as home:
        environment = Path(home["HOME"]) / "environment"
        python = str(environment / "bin" / "python")
        session.run("python", "-m", "venv", str(environment))
        session.run_install(
            python, "-m", "pip", "install", "--quiet", core, provider, external=True
        )
        script = str(ROOT / "tools" / "smoke_provider.py")
        session.run(python, "-I", script, Path(provider).name, env=home, external=True)


@nox.session(default=False)
def minimums(session: nox.Session) -> None:
    """Run the tests on the lowest version that we claim of every direct dependency."""
    pins = sorted({pin for project in PROJECTS for pin in lowest(project)})
    develop(session, *group("tests"), *pins)
    session.run("pytest", *(session.posargs or WORKERS))


def develop(session: nox.Session, *requirements: str) -> None:
    """Install our packages for development, with ``requirements`` beside them."""
    install_once(session, *(part for path in local_paths() for part in ("-e", path)), *requirements)


def install_once(session: nox.Session, *arguments: str) -> None:
    """``pip install``, unless this environment had just these arguments and projects before."""
    manifests = [(ROOT / project / "pyproject.toml").read_text() for project in PROJECTS]
    wanted = hashlib.sha256(json.dumps([str(ROOT), arguments, manifests]).encode()).hexdigest()
    stamp = Path(session.virtualenv.location) / "installed.sha256"
    if not stamp.exists() or stamp.read_text() != f"{ROOT}\n{wanted}":
        ensure_whole(session, stamp)
        session.install("--quiet", *arguments)
        stamp.write_text(f"{ROOT}\n{wanted}")


def ensure_whole(session: nox.Session, stamp: Path) -> None:
    """Make an environment again whose making was interrupted, or that moved: its commands name its place."""
    made_here = stamp.exists() and stamp.read_text().startswith(f"{ROOT}\n")
    stamp.unlink(missing_ok=True)
    if session.virtualenv._reused and not made_here:  # noqa: SLF001 - nox tells it nowhere else
        session.virtualenv.reuse_existing = False  # type: ignore[attr-defined]
        session.virtualenv.create()


def local_paths() -> tuple[str, ...]:
    """Return our projects so that pip takes them for folders, never for names."""
    return tuple(f"./{project}" for project in PROJECTS)


def group(name: str) -> tuple[str, ...]:
    """Return the requirements of a dependency group of ``pyproject.toml``."""
    return nox.project.dependency_groups(GROUPS, name)


def lowest(project: str) -> Iterator[str]:
    """Yield ``name==version`` for every ``name>=version`` of a project, extras included."""
    table = nox.project.load_toml(f"{project}/pyproject.toml")["project"]
    extras = table.get("optional-dependencies", {}).values()
    for line in [*table.get("dependencies", ()), *(line for extra in extras for line in extra)]:
        requirement = Requirement(line)
        floor = [s.version for s in requirement.specifier if s.operator == ">="]
        if floor and not re.match(r"arb[-_]", requirement.name):
            chosen = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
            yield f"{requirement.name}{chosen}=={floor[0]}"


@contextmanager
def scratch_home(prefix: str) -> Iterator[dict[str, str]]:
    """Yield an environment whose home folder and state end with the block."""
    with tempfile.TemporaryDirectory(prefix=prefix) as folder:
        yield {"HOME": folder, "ARB_HOME": f"{folder}/.arb"}


if __name__ == "__main__":
    sys.exit("run: python3 dev.py")
