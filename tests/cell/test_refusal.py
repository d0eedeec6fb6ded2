"""`fieldstack up` where processes of the instance run already: it refuses, and has touched nothing."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldstack.cell.configuration import load
from fieldstack.cell.launch import Launch
from fieldstack.cell.up import CellRun
from fieldstack.status.up_record import AlreadyRunningError, UpRecord
from fieldstack_base.instance import Instance
from fieldstack_rt.datastore import DataStore

CONFIG = Path(__file__).resolve().parents[2] / "config/cell.yaml"


@pytest.fixture
def nonrt(new_instance: Instance) -> Iterator[int]:
    """A process that the instance's memory names as its Non-RT process."""
    store = DataStore.create(new_instance)
    try:
        with subprocess.Popen(["sleep", "60"]) as process:
            status = store.raw.nonrt_status
            status.pid, status.started_ns, status.pass_ns = process.pid, *[time.monotonic_ns()] * 2
            yield process.pid
            assert process.poll() is None, "somebody ended it"
            process.kill()
    finally:
        store.unlink()


def refusal(instance: Instance) -> str:
    with (
        pytest.raises(AlreadyRunningError) as refused,
        CellRun(Launch.of(instance, load(CONFIG), None), lambda _text: None),
    ):
        pass
    return str(refused.value)


def test_a_cell_that_no_up_has_written_down_is_not_taken_over(new_instance: Instance, nonrt: int) -> None:
    text = refusal(new_instance)
    assert f"pid {nonrt}" in text
    assert f"`fieldstack down --instance {new_instance.name}`" in text
    assert not new_instance.runtime_dir.exists()


def test_nor_one_that_is_another_than_an_up_has_written_down(new_instance: Instance, nonrt: int) -> None:
    new_instance.prepare()
    UpRecord(written_ns=time.monotonic_ns(), nonrt_pid=os.getpid()).write(new_instance)
    assert f"pid {nonrt}" in refusal(new_instance)
    assert {file.name for file in new_instance.runtime_dir.iterdir()} == {"up.json"}
