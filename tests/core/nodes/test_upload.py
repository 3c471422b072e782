from __future__ import annotations

import os
import shutil
import socket
import stat
import tarfile
import time
from pathlib import Path

import pytest
from servers import Wire

from arb.errors import NodeError, NodeUnreachable, UsageError
from arb.nodes import tarstream
from arb.nodes.download import download
from arb.nodes.fanout import fan_out
from arb.nodes.ssh import SshNode
from arb.nodes.upload import upload, write_file

OLD = 1_600_000_000


@pytest.fixture(scope="module")
def node(sshd):
    with sshd.node() as ssh_node:
        yield ssh_node


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    for name in ("a.txt", "sub/b.txt", "sub/deeper/c.txt"):
        _put(folder / name, f"content of {name}")
    return folder


@pytest.fixture
def target(tmp_path):
    return tmp_path / "target folder"


def _put(path: Path, text: str, mtime: float = OLD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (mtime, mtime))
    return path


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def _points_to(path: Path) -> str:
    return os.readlink(path)  # noqa: PTH115 - Path would tidy it


def _list(folder: Path | bytes) -> list:
    return os.listdir(folder)  # noqa: PTH208 - names, bytes for bytes


def test_folder_arrives_with_permissions_times_and_links(node, source, target):
    (source / "a.txt").chmod(0o751)
    (source / "sub").chmod(0o700)
    (source / "dangling").symlink_to("no//where/")
    (source / "to-folder").symlink_to("sub")
    report = upload(node, source, str(target))
    assert (report.files, report.sent_files) == (7, 7)
    assert (target / "sub/deeper/c.txt").read_text() == "content of sub/deeper/c.txt"
    assert stat.S_IMODE((target / "a.txt").stat().st_mode) == 0o751
    assert stat.S_IMODE((target / "sub").stat().st_mode) == 0o700
    assert (target / "a.txt").stat().st_mtime == OLD
    assert _points_to(target / "dangling") == "no//where/"
    assert _points_to(target / "to-folder") == "sub"


@pytest.mark.parametrize(
    "name",
    [b"new\nline", b"\xff\xfe", b"-rf", b'quo\'te "$HOME"', b"n" * 200, b"\\back", "é".encode()],
)
def test_names_of_any_bytes_are_kept_and_compared(node, tmp_path, name):
    source, target = tmp_path / "s", tmp_path / "t"
    source.mkdir()
    path = Path(os.fsdecode(os.fsencode(source) + b"/" + name))
    try:
        _put(path, "x")
    except OSError:
        pytest.skip("this file system does not take the name")
    upload(node, source, str(target))
    assert _list(os.fsencode(target)) == [name]
    assert upload(node, source, str(target)).sent_files == 0


@pytest.mark.parametrize("name", ["quo'te", "a b", "$(touch x)", "-dash", "new\nline"])
def test_target_may_have_any_name(node, source, tmp_path, name):
    target = tmp_path / name
    upload(node, source, str(target))
    assert _names(target) == _names(source)


def test_second_upload_sends_only_what_changed(node, source, target):
    upload(node, source, str(target))
    assert upload(node, source, str(target)).sent_files == 0
    _put(source / "a.txt", "same size of a.txt"[: len("content of a.txt")], OLD + 1)
    _put(source / "sub/b.txt", "longer than it was before, same time", OLD)
    (source / "sub/deeper/c.txt").chmod(0o600)
    _put(source / "new", "new")
    report = upload(node, source, str(target))
    assert report.sent_files == 4
    assert upload(node, source, str(target)).sent_files == 0
    for name in _names(source):
        assert (target / name).read_text() == (source / name).read_text()


def test_what_was_changed_or_deleted_on_the_node_is_repaired_and_its_own_files_stay(
    node, source, target
):
    upload(node, source, str(target))
    (target / "a.txt").write_text("tampered")
    (target / "sub/b.txt").unlink()
    (target / "checkpoint").write_text("of a job")
    assert upload(node, source, str(target)).sent_files == 2
    assert (target / "a.txt").read_text() == "content of a.txt"
    assert (target / "checkpoint").read_text() == "of a job"


def test_file_written_twice_within_a_second_with_the_same_size_is_sent_again(
    node, tmp_path, target
):
    source = tmp_path / "s"
    now = time.time()
    _put(source / "f", "one", now)
    upload(node, source, str(target))
    _put(source / "f", "two", now)
    upload(node, source, str(target))
    assert (target / "f").read_text() == "two"


def test_link_that_became_a_file_and_file_that_became_a_link(node, source, target):
    (source / "x").symlink_to("a.txt")
    upload(node, source, str(target))
    (source / "x").unlink()
    _put(source / "x", "file now")
    (source / "sub/b.txt").unlink()
    (source / "sub/b.txt").symlink_to("../a.txt")
    upload(node, source, str(target))
    assert (target / "x").read_text() == "file now"
    assert (target / "a.txt").read_text() == "content of a.txt"
    assert _points_to(target / "sub/b.txt") == "../a.txt"


def test_upload_that_died_midway_is_repaired_by_the_next(sshd, tmp_path, target):
    source = tmp_path / "s"
    for index in range(200):
        _put(source / f"d{index % 7}" / str(index), "x" * 50_000)
    wire = Wire(sshd.port)
    with SshNode(wire.endpoint(sshd.user), sshd.client, sshd.host.public) as node:
        with pytest.raises(NodeUnreachable):
            upload(node, source, str(target), progress=_cutting(wire, after=3_000_000))
        arrived = _names(target)
        assert arrived < _names(source)
        report = upload(node, source, str(target))
    assert report.sent_files < 207, "what had arrived whole is not sent again"
    assert all((target / name).stat().st_size == 50_000 for name in _names(source))
    assert all((target / name).stat().st_mtime == OLD for name in _names(source))
    wire.close()


def _cutting(wire: Wire, after: int):
    def progress(sent: int, total: int) -> None:
        if sent > after:
            wire.cut()

    return progress


def test_read_only_folder_can_be_filled(node, source, target):
    (source / "sub").chmod(0o555)
    try:
        upload(node, source, str(target))
        assert stat.S_IMODE((target / "sub").stat().st_mode) == 0o555
        assert (target / "sub/b.txt").exists()
    finally:
        for folder in (source, target):
            (folder / "sub").chmod(0o755)


def test_ignored_files_stay_at_home_unless_told_otherwise(node, source, tmp_path):
    _put(source / ".gitignore", "sub/\n")
    upload(node, source, str(tmp_path / "one"))
    assert _names(tmp_path / "one") == {".gitignore", "a.txt"}
    upload(node, source, str(tmp_path / "all"), ignore=False)
    assert _names(tmp_path / "all") == _names(source)


def test_single_file_goes_to_a_path_or_into_a_folder(node, source, tmp_path):
    upload(node, source / "a.txt", str(tmp_path / "x/renamed"), mode=0o600)
    upload(node, source / "a.txt", str(tmp_path / "y") + "/")
    assert (tmp_path / "x/renamed").read_text() == "content of a.txt"
    assert stat.S_IMODE((tmp_path / "x/renamed").stat().st_mode) == 0o600
    assert (tmp_path / "y/a.txt").read_text() == "content of a.txt"


def test_link_to_a_file_is_uploaded_as_the_file(node, source, tmp_path):
    (tmp_path / "link").symlink_to(source / "a.txt")
    upload(node, tmp_path / "link", str(tmp_path / "t/file"))
    assert not (tmp_path / "t/file").is_symlink()


def test_tilde_is_the_home_folder_there(node, source):
    name = f".arb-test-{os.getpid()}"
    home = Path(node.exec("cd; pwd").text)
    try:
        upload(node, source, f"~/{name}")
        assert _names(home / name) == _names(source)
    finally:
        shutil.rmtree(home / name, ignore_errors=True)


def test_missing_source_is_a_usage_error(node, tmp_path):
    with pytest.raises(UsageError, match="No such file") as caught:
        upload(node, tmp_path / "nothing", "x")
    assert caught.value.code == "no-such-file"


def test_target_that_cannot_be_written_says_what_tar_says(node, source, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NodeError, match=r"upload to .*/file/x") as caught:
        upload(node, source, str(tmp_path / "file/x"))
    assert caught.value.code == "upload-failed"


def test_folder_in_the_way_of_a_file_is_named(node, source, target):
    _put(target / "a.txt/inside", "x")
    with pytest.raises(NodeError, match=r"a\.txt") as caught:
        upload(node, source, str(target))
    assert caught.value.code == "upload-failed"
    assert (target / "a.txt/inside").exists()


def test_unreadable_files_are_named_and_the_rest_is_sent(node, source, target, monkeypatch):
    real = tarstream.open_file

    def open_(path):
        if path.endswith("b.txt"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(tarstream, "open_file", open_)  # root may read everything
    with pytest.raises(UsageError, match=r"'sub/b\.txt'") as caught:
        upload(node, source, str(target))
    assert caught.value.code == "unreadable-files"
    assert _names(target) == {"a.txt", "sub/deeper/c.txt"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_folder_is_named(node, source, target):
    (source / "sub").chmod(0)
    try:
        with pytest.raises(UsageError, match="'sub/'"):
            upload(node, source, str(target))
    finally:
        (source / "sub").chmod(0o755)


def test_sockets_and_pipes_are_left_out_and_named(node, source, target):
    os.mkfifo(source / "pipe")
    assert upload(node, source, str(target)).special == ("pipe",)
    assert _names(target) == _names(source) - {"pipe"}


def test_empty_folder_and_empty_file(node, tmp_path, target):
    source = tmp_path / "s"
    (source / "empty").mkdir(parents=True)
    (source / "file").touch()
    upload(node, source, str(target))
    assert (target / "empty").is_dir()
    assert (target / "file").read_bytes() == b""


def test_progress_ends_at_the_total(node, source, target):
    seen: list[tuple[int, int]] = []
    report = upload(node, source, str(target), progress=lambda *pair: seen.append(pair))
    assert seen[-1] == (report.sent_size, report.sent_size)


def test_python_that_does_not_work_there_means_that_everything_is_sent(
    own_sshd, source, target, tmp_path
):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("tar", "mkdir", "ls", "head"):
        (tools / name).symlink_to(shutil.which(name))
    (tools / "python3").symlink_to(shutil.which("false"))
    own_sshd.options = (f'ForceCommand PATH={tools}; export PATH; eval "$SSH_ORIGINAL_COMMAND"',)
    own_sshd.start()
    for _ in range(2):
        assert upload(own_sshd.node(), source, str(target)).sent_files == 5


@pytest.mark.skipif(shutil.which("busybox") is None, reason="no busybox")
def test_busybox_is_enough_on_the_node(own_sshd, source, target, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("tar", "mkdir", "ls", "head", "sh"):
        (tools / name).symlink_to(shutil.which("busybox"))
    # The command says "exec /bin/sh"; here that is busybox's too.
    own_sshd.options = (
        f'ForceCommand PATH={tools}; export PATH; exec sh -c "${{SSH_ORIGINAL_COMMAND#exec /bin/}}"',
    )
    own_sshd.start()
    (source / "link").symlink_to("nowhere")
    _put(source / ("n" * 200), "long")
    (source / "sub").chmod(0o555)
    upload(own_sshd.node(), source, str(target))
    assert _names(target) == _names(source)
    report = download(own_sshd.node(), str(target), tmp_path / "back")
    assert report.files == 5


def test_uploads_to_several_nodes_at_once(sshd, source, tmp_path):
    nodes = [sshd.node() for _ in range(8)]
    fan_out(lambda p: upload(p[1], source, str(tmp_path / f"t{p[0]}")), list(enumerate(nodes)))
    assert all(_names(tmp_path / f"t{index}") == _names(source) for index in range(8))


@pytest.mark.slow
def test_ten_thousand_small_files_go_in_one_stream_and_not_again(sshd, tmp_path, target):
    source = tmp_path / "s"
    for index in range(10_000):
        path = source / str(index % 100) / str(index)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 100)
        os.utime(path, (OLD, OLD))
    wire = Wire(sshd.port)
    with SshNode(wire.endpoint(sshd.user), sshd.client, sshd.host.public) as node:
        assert upload(node, source, str(target)).sent_files == 10_100
        assert upload(node, source, str(target)).sent_files == 0
        assert wire.accepted == 1
    wire.close()


def test_write_file_is_private_from_the_first_byte_and_replaces_in_one_step(node, tmp_path):
    path = tmp_path / "fold er" / "secret"
    write_file(node, str(path), b"one")
    write_file(node, str(path), b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert _list(path.parent) == ["secret"]


def test_write_file_into_a_folder_that_cannot_be_made_is_an_error(node, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NodeError, match="writing"):
        write_file(node, str(tmp_path / "file/x"), b"x")


def test_folder_comes_back_as_it_was(node, source, tmp_path):
    (source / "a.txt").chmod(0o640)
    (source / "dangling").symlink_to("/no/where")
    os.link(source / "a.txt", source / "second-name")
    report = download(node, str(source), tmp_path / "back")
    assert report.files == 5
    back = tmp_path / "back"
    assert _names(back) == _names(source)
    assert (back / "second-name").read_text() == "content of a.txt"
    assert stat.S_IMODE((back / "a.txt").stat().st_mode) == 0o640
    assert (back / "a.txt").stat().st_mtime == OLD
    assert _points_to(back / "dangling") == "/no/where"


def test_download_overwrites_read_only_files_and_deletes_nothing(node, source, tmp_path):
    back = tmp_path / "back"
    _put(back / "a.txt", "old").chmod(0o444)
    _put(back / "mine", "mine")
    download(node, str(source), back)
    assert (back / "a.txt").read_text() == "content of a.txt"
    assert (back / "mine").read_text() == "mine"


def test_single_file_comes_back_to_a_path_or_into_a_folder(node, source, tmp_path):
    download(node, str(source / "a.txt"), tmp_path / "x/renamed")
    download(node, str(source / "a.txt"), tmp_path)
    assert (tmp_path / "x/renamed").read_text() == "content of a.txt"
    assert (tmp_path / "a.txt").read_text() == "content of a.txt"


def test_missing_remote_file_is_an_error_and_makes_nothing_here(node, tmp_path):
    with pytest.raises(NodeError, match="no such file or folder") as caught:
        download(node, str(tmp_path / "nothing"), tmp_path / "back")
    assert caught.value.code == "download-failed"
    assert not (tmp_path / "back").exists()


def test_remote_folder_with_a_socket_skips_it(node, source, tmp_path, monkeypatch):
    monkeypatch.chdir(source)  # socket paths are short
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("s")
        assert download(node, str(source), tmp_path / "back").files == 3


def test_hostile_archive_writes_nothing_outside(own_sshd, tmp_path):
    evil = tmp_path / "evil.tar"
    outside = tmp_path / "outside"
    outside.mkdir()
    with tarfile.open(evil, "w") as archive:
        for name, kind, link in (
            ("../up", tarfile.REGTYPE, ""),
            (str(outside / "absolute"), tarfile.REGTYPE, ""),
            ("door", tarfile.SYMTYPE, str(outside)),
            ("door/through", tarfile.REGTYPE, ""),
            ("hard", tarfile.LNKTYPE, "../evil.tar"),
            ("device", tarfile.CHRTYPE, ""),
            ("fine", tarfile.REGTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode = kind, link, 0o6777
            archive.addfile(info)
    own_sshd.options = (f"ForceCommand echo folder; cat {evil}",)
    own_sshd.start()
    back = tmp_path / "back"
    report = download(own_sshd.node(), "anything", back)
    assert set(_list(back)) == {"door", "fine"}
    assert list(outside.iterdir()) == []
    assert not (tmp_path / "up").exists()
    assert stat.S_IMODE((back / "fine").stat().st_mode) == 0o777
    assert set(report.skipped) >= {"../up", "door/through", "hard", "device"}
