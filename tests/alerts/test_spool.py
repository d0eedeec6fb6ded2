"""The queue on disk: order, bounds, restarts, a full disk, damage."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldstack.alerts.model.alert import Alert
from fieldstack.alerts.spool import Spool, waiting_on_disk
from tests.alerts.receivers import alert


def drain(spool: Spool) -> list[str]:
    found = list[str]()
    while (entry := spool.head()) is not None:
        found.append(entry.alert.rule)
        spool.done(entry)
    return found


def test_order_and_content_survive_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    sent = [alert(rule=f"r{n}") for n in range(12)]
    for one in sent:
        spool.push(one)
    spool.sync()
    first = spool.head()
    assert first is not None
    spool.done(first)
    spool.sync()
    later = Spool(tmp_path)
    assert len(later) == 11
    entry = later.head()
    assert entry is not None
    assert entry.alert == sent[1]
    later.push(alert(rule="new"))
    assert drain(later) == [f"r{n}" for n in range(1, 12)] + ["new"]
    later.sync()
    assert waiting_on_disk(tmp_path) == 0


def test_what_was_not_removed_yet_comes_again_with_its_id(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.push(alert())
    spool.sync()
    entry = spool.head()
    assert entry is not None
    spool.done(entry)  # and killed before `sync`
    again = Spool(tmp_path).head()
    assert again is not None
    assert again.alert.id == entry.alert.id


def test_the_oldest_is_dropped_at_the_bound(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=3)
    for number in range(5):
        spool.push(alert(rule=f"r{number}"))
        spool.sync()
    assert (len(spool), spool.dropped) == (3, 2)
    spool.sync()
    assert waiting_on_disk(tmp_path) == 3
    assert drain(Spool(tmp_path)) == ["r2", "r3", "r4"]


def test_doing_it_twice_ends_one(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.push(alert(rule="a"))
    spool.push(alert(rule="b"))
    entry = spool.head()
    assert entry is not None
    spool.done(entry)
    spool.done(entry)
    assert drain(spool) == ["b"]


def test_damaged_files_are_counted_and_removed(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for rule in ("a", "b", "c"):
        spool.push(alert(rule=rule))
    spool.sync()
    (tmp_path / "000000000002.json").write_text('{"id": 3}')
    (tmp_path / "000000000009.json").write_bytes(b"\xff\x00")
    later = Spool(tmp_path)
    assert later.damaged == 2
    assert drain(later) == ["a", "c"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 64 KiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode != 0:
        pytest.skip("this machine does not let us mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_costs_only_durability(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(b"x" * 60 * 1024)
    spool = Spool(small_disk / "spool")
    for number in range(10):
        spool.push(alert(rule=f"r{number}", text="long " * 200))
        spool.sync()
    assert "space" in spool.failure
    assert len(spool) == 10
    (small_disk / "ballast").unlink()
    spool.sync()
    assert spool.failure == ""
    assert drain(Spool(small_disk / "spool")) == [f"r{n}" for n in range(10)]


def test_an_alert_is_the_same_after_its_way_through_json() -> None:
    one = alert(text="Spindel \N{DEGREE SIGN}C\nzweite Zeile")
    assert Alert.from_dict(one.to_dict()) == one
    with pytest.raises(TypeError):
        Alert.from_dict(one.to_dict() | {"count": "3"})
