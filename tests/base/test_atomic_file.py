"""A file is replaced as a whole, in an order that a power cut and a full disk cannot harm."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldstack_base.atomic_file import Sync, replace_file, replacing

OLD, NEW = b"old content", b"new content, which is longer"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "record.json"
    path.write_bytes(OLD)
    return path


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to the disk, in its order, with what was in the temporary file when it was synced."""
    made: list[str] = []
    fsync, replace = os.fsync, os.replace

    def recorded_fsync(number: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{number}"))
        made.append(f"sync folder {path.name}" if path.is_dir() else f"sync {path.read_bytes().decode()}")
        fsync(number)

    def recorded_replace(source: Path, target: Path) -> None:
        made.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    return made


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_content_is_on_the_disk_before_its_name_is(file: Path, steps: list[str]) -> None:
    replace_file(file, NEW, sync=Sync.ALL)
    assert steps == [f"sync {NEW.decode()}", "rename", f"sync folder {file.parent.name}"]


@pytest.mark.parametrize(
    ("sync", "expected"),
    [
        (Sync.NONE, ["rename"]),
        (Sync.CONTENT, [f"sync {NEW.decode()}", "rename"]),
    ],
)
def test_what_is_not_asked_for_is_not_waited_for(
    file: Path, steps: list[str], sync: Sync, expected: list[str]
) -> None:
    replace_file(file, NEW, sync=sync)
    assert steps == expected


def test_until_the_end_readers_find_the_old_content(file: Path) -> None:
    with replacing(file) as fresh:
        fresh.write(NEW)
        fresh.flush()
        assert file.read_bytes() == OLD
    assert file.read_bytes() == NEW
    assert names(file.parent) == ["record.json"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_step_that_fails_leaves_the_old_content_and_nothing_else(
    file: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, step, fails)
    with pytest.raises(OSError, match="Input/output error"):
        replace_file(file, NEW, sync=Sync.ALL)
    assert file.read_bytes() == OLD
    assert names(file.parent) == ["record.json"]


def test_an_error_in_the_block_leaves_the_old_content(file: Path) -> None:
    with pytest.raises(TypeError), replacing(file) as fresh:
        fresh.write(OLD.decode())  # type: ignore[call-overload]
    assert (file.read_bytes(), names(file.parent)) == (OLD, ["record.json"])


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk that has room for little more than a file with the old content."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folder = tmp_path / "full"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(folder)], check=True)
    (folder / "record.json").write_bytes(OLD)
    (folder / "ballast").write_bytes(bytes(8192))
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("sync", list(Sync))
def test_a_full_disk_costs_nothing_of_the_old_content(full: Path, sync: Sync) -> None:
    with pytest.raises(OSError, match="No space left on device"):
        replace_file(full / "record.json", bytes(8192), sync=sync)
    assert (full / "record.json").read_bytes() == OLD
    assert names(full) == ["ballast", "record.json"]
    replace_file(full / "record.json", NEW, sync=sync)
    assert (full / "record.json").read_bytes() == NEW


def test_a_private_file_is_its_owners_alone_whatever_lay_there(file: Path) -> None:
    left = file.with_name("record.json.tmp")
    left.write_bytes(b"of a writer that died")
    left.chmod(0o666)
    replace_file(file, NEW, private=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_link_in_the_temporary_files_place_is_not_followed(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(OLD)
    file.with_name("record.json.tmp").symlink_to(other)
    with pytest.raises(OSError, match="symbolic links"):
        replace_file(file, NEW)
    assert other.read_bytes() == OLD


def test_several_writers_do_not_meet_in_one_temporary_file(file: Path) -> None:
    with replacing(file, shared=True) as fresh:
        fresh.write(NEW)
        assert names(file.parent) == ["record.json", f"record.json.{os.getpid()}.tmp"]
    assert names(file.parent) == ["record.json"]
