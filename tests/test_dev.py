"""``dev.py`` makes its environment from nothing, says in one line why it cannot, and mends what was left."""

from __future__ import annotations

import errno
import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from nox.virtualenv import VirtualEnv

ROOT = Path(__file__).resolve().parent.parent
METADATA = "Metadata-Version: 2.1\nName: nox\nVersion: 9999.1\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.fixture
def dev(tmp_path):
    """Our launcher in a folder of its own; it would make its environment there."""
    (tmp_path / "a clone").mkdir()
    return load(shutil.copy(ROOT / "dev.py", tmp_path / "a clone"))


def test_no_task_lists_them_and_what_follows_the_dashes_goes_to_the_task(dev):
    assert dev.nox_arguments([]) == ["--list"]
    assert dev.nox_arguments(["lint", "tests", "--", "-k", "x"]) == [
        *("--sessions", "lint", "tests", "--", "-k", "x")
    ]


def test_an_older_python_is_named(dev, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 12))
    monkeypatch.setattr(sys, "version", "3.10.12 (main)")
    with pytest.raises(
        SystemExit, match=r"^dev: Python 3\.11 or newer is needed, this is 3\.10\.12$"
    ):
        dev.main(["demo"])


def test_a_user_without_a_home_is_told_to_set_one(dev, monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    with pytest.raises(SystemExit, match=r"^dev: .*no home folder.*set HOME"):
        dev.main(["demo"])


def test_a_python_without_venv_says_what_to_install(dev, monkeypatch, capfd):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "ensurepip" else found(name)
    )
    with pytest.raises(SystemExit, match=r"^dev: .*apt install python3-venv$"):
        dev.main(["demo"])
    assert capfd.readouterr() == ("", "")
    assert not dev.VENV.exists()


def test_a_file_system_without_locks_is_no_obstacle(dev, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))  # as NFS, of a file opened to read

    monkeypatch.setattr("fcntl.flock", refuse)
    dev.VENV.touch()
    assert "could not be made" in dev.make_environment()


def test_an_environment_that_cannot_be_made_says_why(dev):
    dev.VENV.touch()
    with pytest.raises(
        SystemExit, match=r"^dev: \.venv-dev could not be made: .*File exists|directory"
    ):
        dev.main(["demo"])


def test_from_nothing_to_a_task_after_a_failure_and_with_two_at_once(dev, tmp_path):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    _, errors = run(dev, wheels, "demo").communicate(timeout=100)
    assert errors.splitlines()[-1].startswith("dev: nox could not be installed")

    pack_nox(wheels)
    both = [run(dev, wheels, "demo", "--", "-k", "x y") for _ in range(2)]
    told = [process.communicate(timeout=100) for process in both]
    assert [process.returncode for process in both] == [7, 7]
    assert {out for out, _ in told} == {f"{dev.ROOT} ['--sessions', 'demo', '--', '-k', 'x y']\n"}
    assert sorted(errors for _, errors in told) == ["", "dev: making .venv-dev (once)\n"]

    assert dev.has_nox()
    dev.PYTHON.unlink()  # as after the system's Python was upgraded
    dev.PYTHON.symlink_to("/nonexistent/python3")
    assert not dev.has_nox()
    dev.PYTHON.unlink()
    dev.PYTHON.symlink_to(sys.executable)
    dev.MADE.unlink()  # as after an interrupt
    assert not dev.has_nox()
    dev.MADE.write_text("nox>=1")  # as after a change of what is needed
    assert not dev.has_nox()


@pytest.mark.parametrize("left", [None, "/elsewhere\nhash"], ids=["interrupted", "moved"])
def test_an_environment_of_a_task_that_is_not_whole_is_made_again(tmp_path, monkeypatch, left):
    monkeypatch.chdir(ROOT)
    place = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    if left:
        (place / "installed.sha256").write_text(left)
    made = VirtualEnv(str(place), reuse_existing=True, venv_backend="venv")
    made.create()
    orders = []
    session = SimpleNamespace(virtualenv=made, install=lambda *order: orders.append(order))
    tasks = load(ROOT / "noxfile.py")

    tasks.install_once(session, "some-package")
    assert subprocess.check_output([place / "bin" / "python", "-m", "pip", "--version"])
    tasks.install_once(session, "some-package")
    assert orders == [("--quiet", "some-package")]


def run(dev, wheels: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the launcher with an index that is a folder."""
    return subprocess.Popen(
        [sys.executable, dev.__file__, *arguments],
        env={**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def pack_nox(folder: Path) -> None:
    """Write a nox that tells where it runs and with which arguments, and ends with 7."""
    code = "import os, sys\nprint(os.getcwd(), sys.argv[1:])\nsys.exit(7)\n"
    with zipfile.ZipFile(folder / "nox-9999.1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("nox/__init__.py", "")
        wheel.writestr("nox/__main__.py", code)
        wheel.writestr("nox-9999.1.dist-info/METADATA", METADATA)
        wheel.writestr("nox-9999.1.dist-info/WHEEL", WHEEL)
        wheel.writestr("nox-9999.1.dist-info/RECORD", "")


@functools.cache  # nox counts its tasks, and wants each once
def load(path):
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
