from __future__ import annotations

import errno
import os
import signal
import stat
import sys
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

import pytest

from minnet import storage as files
from minnet.errors import FileError
from minnet.storage import (
    check_replaceable,
    made_folder,
    replaced_file,
    replaced_files,
    written_file,
)

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType
    from typing import Any, NoReturn

OLD, NEW = b"the old file\n", b"the new one\n"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
as_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may write to any folder")


def replace(path: Path | str, error: BaseException | None = None) -> None:
    with replaced_file(path) as file:
        file.write(NEW)
        if error:
            raise error


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "model.json"
    path.write_bytes(OLD)
    return path


def test_file_that_was_not_there_is_written(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    replace(path)
    assert path.read_bytes() == NEW
    assert os.listdir(tmp_path) == ["model.json"]


def test_file_that_was_there_is_replaced(old: Path) -> None:
    replace(old)
    assert old.read_bytes() == NEW
    assert os.listdir(old.parent) == ["model.json"]


def test_name_without_a_folder_is_in_the_current_one(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(old.parent)
    replace("model.json")
    assert old.read_bytes() == NEW


def test_old_file_is_whole_until_the_new_one_is(old: Path) -> None:
    with replaced_file(old) as file:
        file.write(NEW)
        file.flush()
        assert old.read_bytes() == OLD
    assert old.read_bytes() == NEW


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
@pytest.mark.parametrize("existing", [True, False])
def test_anything_raised_while_writing_leaves_the_old_file_and_no_stray_one(
    tmp_path: Path, error: type[BaseException], existing: bool
) -> None:
    path = tmp_path / "model.json"
    if existing:
        path.write_bytes(OLD)
    with pytest.raises(error):
        replace(path, error())
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [OLD] * existing


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_interrupt_before_any_line_leaves_a_whole_file_and_no_stray_one(old: Path) -> None:
    lines_left = 0

    def interrupt(frame: FrameType, event: str, _: object) -> Any:
        nonlocal lines_left
        if frame.f_code.co_filename != files.__file__:
            return None
        if event == "line":
            lines_left -= 1
            if lines_left == 0:
                raise KeyboardInterrupt
        return interrupt

    before = sys.gettrace()
    for lines in count(1):
        lines_left = lines
        sys.settrace(interrupt)
        try:
            replace(old)
        except KeyboardInterrupt:
            assert os.listdir(old.parent) == ["model.json"]
            assert old.read_bytes() in (OLD, NEW)
        else:
            break
        finally:
            sys.settrace(before)
    assert lines > 10


def test_full_disk_is_one_plain_error_and_leaves_the_old_file(old: Path) -> None:
    with pytest.raises(FileError) as error:
        replace(old, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert str(error.value) == f"{old}: cannot be written: No space left on device"
    assert old.read_bytes() == OLD
    assert os.listdir(old.parent) == ["model.json"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_failure_at_the_last_moment_leaves_the_old_file(
    old: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> NoReturn:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(FileError, match="cannot be written: Input/output error"):
        replace(old)
    assert old.read_bytes() == OLD
    assert os.listdir(old.parent) == ["model.json"]


def test_new_file_is_synced_whole_before_it_takes_the_place(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    fsync, rename = os.fsync, os.replace

    def note_fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        steps.append("folder" if stat.S_ISDIR(status.st_mode) else status.st_size)
        fsync(descriptor)

    def note_replace(new: str, target: str) -> None:
        steps.append("replace")
        rename(new, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    replace(old)
    assert steps == [len(NEW), "replace", "folder"]


def test_file_is_closed_before_it_is_moved_or_removed(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Windows refuses to move or remove a file that is open.
    rename, unlink = os.replace, os.unlink

    def refuse_open_files(path: str) -> None:
        if file is not None and not file.closed:
            raise PermissionError(errno.EACCES, "Permission denied", path)

    def strict_replace(new: str, target: str) -> None:
        refuse_open_files(new)
        rename(new, target)

    def strict_unlink(path: str) -> None:
        refuse_open_files(path)
        unlink(path)

    monkeypatch.setattr(os, "replace", strict_replace)
    monkeypatch.setattr(os, "unlink", strict_unlink)
    for error in (None, ValueError()):
        with suppress(ValueError), replaced_file(old) as file:
            file.write(NEW)
            if error:
                raise error
    assert old.read_bytes() == NEW
    assert os.listdir(old.parent) == ["model.json"]


def test_folder_that_cannot_be_synced_does_not_matter(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def refuse_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    replace(old)
    assert old.read_bytes() == NEW


@pytest.mark.parametrize("kind", ["absolute", "relative", "of-a-link"])
def test_symbolic_link_is_followed_and_kept(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "real" / "model.json"
    target.parent.mkdir()
    target.write_bytes(OLD)
    link = tmp_path / "model.json"
    if kind == "of-a-link":
        (tmp_path / "between").symlink_to(target)
        link.symlink_to("between")
    else:
        link.symlink_to(target if kind == "absolute" else "real/model.json")
    links_to = os.readlink(link)

    replace(link)

    assert os.readlink(link) == links_to
    assert target.read_bytes() == NEW
    assert not target.is_symlink()
    assert os.listdir(target.parent) == ["model.json"]


def test_symbolic_link_to_a_file_that_is_not_there_yet_is_followed(tmp_path: Path) -> None:
    link = tmp_path / "model.json"
    link.symlink_to("later.json")
    replace(link)
    assert link.is_symlink()
    assert (tmp_path / "later.json").read_bytes() == NEW


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_permissions_of_the_file_are_kept(old: Path, mode: int) -> None:
    old.chmod(mode)
    replace(old)
    assert stat.S_IMODE(old.stat().st_mode) == mode


@as_root
def test_owner_of_the_file_is_kept_by_root(old: Path) -> None:
    os.chown(old, 1234, 5678)
    old.chmod(0o600)
    replace(old)
    status = old.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1234, 5678, 0o600)


def test_owner_that_may_not_be_kept_does_not_matter(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    replace(old)
    assert old.read_bytes() == NEW


def test_permissions_of_a_new_file_are_those_the_user_gives_to_new_files(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        replace(tmp_path / "model.json")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "model.json").stat().st_mode) == 0o640


def refusals(path: Path) -> list[str]:
    """What both ways of finding out say."""
    messages = []
    with pytest.raises(FileError) as error:
        check_replaceable(path)
    messages.append(str(error.value))
    with pytest.raises(FileError) as error:
        replace(path)
    return [*messages, str(error.value)]


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none" / "model.json"
    assert refusals(path) == [
        f"{path}: cannot be written: the folder does not exist",
        f"{path}: cannot be written: No such file or directory",
    ]


def test_file_where_a_folder_should_be_is_refused(old: Path) -> None:
    path = old / "model.json"
    assert refusals(path) == [f"{path}: cannot be written: Not a directory"] * 2


def test_folder_is_refused(tmp_path: Path) -> None:
    assert refusals(tmp_path) == [f"{tmp_path}: cannot be written: it is a folder"] * 2
    assert os.listdir(tmp_path) == []


def test_what_is_not_a_regular_file_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert refusals(path) == [f"{path}: cannot be written: it is not a regular file"] * 2
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


def test_link_that_leads_to_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "loop"
    path.symlink_to("loop")
    assert all(": cannot be written: " in message for message in refusals(path))
    assert path.is_symlink()


@as_user
def test_read_only_folder_is_refused(old: Path) -> None:
    old.parent.chmod(0o500)
    try:
        assert refusals(old) == [
            f"{old}: cannot be written: the folder is read-only",
            f"{old}: cannot be written: Permission denied",
        ]
        assert old.read_bytes() == OLD
    finally:
        old.parent.chmod(0o700)


def test_check_finds_nothing_wrong_with_a_good_place_and_changes_nothing(old: Path) -> None:
    check_replaceable(old)
    check_replaceable(old.with_name("new.json"))
    assert os.listdir(old.parent) == ["model.json"]
    assert old.read_bytes() == OLD


def test_of_several_files_all_are_replaced_or_none(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "abc"]
    paths[1].write_bytes(OLD)

    def write(last: BaseException | None) -> None:
        with replaced_files(paths) as new:
            for one, path in zip(new, paths, strict=True):
                with written_file(one, path) as file:
                    file.write(NEW)
            if last:
                raise last

    for error in (ValueError(), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            write(error)
        assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [OLD]
    write(None)
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == dict.fromkeys(
        "abc", NEW
    )


def test_who_writes_late_makes_no_file_anew(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    with replaced_files([path]) as (new,):
        pass
    path.unlink()
    says = "model.json: cannot be written: No such file or directory"
    with pytest.raises(FileError, match=says), written_file(new, path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_signal_between_two_renames_comes_after_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.replace

    def interrupted(new: str, target: str) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        rename(new, target)

    def stop(number: int, _: object) -> NoReturn:
        raise SystemExit(number)

    monkeypatch.setattr(os, "replace", interrupted)
    before = signal.signal(signal.SIGTERM, stop)
    try:
        with pytest.raises(SystemExit), replaced_files([tmp_path / name for name in "abc"]):
            pass
    finally:
        signal.signal(signal.SIGTERM, before)
    assert sorted(os.listdir(tmp_path)) == ["a", "b", "c"]


@pytest.mark.parametrize("existing", [True, False])
def test_folder_that_was_made_for_nothing_is_removed(tmp_path: Path, existing: bool) -> None:
    if existing:
        (tmp_path / "a").mkdir()
    before = sorted(tmp_path.rglob("*"))
    folder = tmp_path / "a" / "b"
    with suppress(ValueError), made_folder(str(folder)):
        assert folder.is_dir()
        raise ValueError
    assert sorted(tmp_path.rglob("*")) == before
    with made_folder(str(folder)):
        pass
    assert folder.is_dir()
