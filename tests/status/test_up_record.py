"""One `up` an instance; what it leaves behind is found."""

from __future__ import annotations

import fcntl
import os
import threading

import pytest

from fieldstack.cell.cable import Cable
from fieldstack.status.up_record import (
    LOCK,
    AlreadyRunningError,
    UpRecord,
    held,
    hold,
    holder_in,
    read_record,
    record_file,
)
from fieldstack_base.instance import Instance


def test_a_second_holder_is_refused_and_told_how_to_end_the_first(instance: Instance) -> None:
    assert not held(instance)
    with hold(instance):
        assert held(instance)
        assert holder_in(instance.runtime_dir) == os.getpid()
        with (
            pytest.raises(AlreadyRunningError, match=rf"pid {os.getpid()}.*fieldstack down --instance"),
            hold(instance),
        ):
            pass
    assert not held(instance)
    assert holder_in(instance.runtime_dir) == 0


def test_who_inherited_the_pid_of_an_earlier_up_is_not_its_holder(instance: Instance) -> None:
    lock = instance.runtime_dir / LOCK
    with lock.open("w") as earlier:
        fcntl.flock(earlier, fcntl.LOCK_EX)  # taken just now, and not signed yet
        earlier.write(f"{os.getpid()} 1\n")  # the last one's words: this process has started after it
        earlier.flush()
        assert held(instance)
        assert holder_in(instance.runtime_dir) == 0


def test_who_only_looks_keeps_nobody_out(instance: Instance) -> None:
    with hold(instance):
        pass
    with (instance.runtime_dir / LOCK).open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.05, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        with hold(instance):
            assert holder_in(instance.runtime_dir) == os.getpid()


def test_a_record_survives_a_round_trip_and_damage_is_none(instance: Instance) -> None:
    record = UpRecord(written_ns=2, segment_pid=3, nonrt_pid=4, veth="fs-a-m")
    record.write(instance)
    assert read_record(instance) == record
    record_file(instance).write_text('{"written_ns": 1')
    assert read_record(instance) is None
    record_file(instance).write_text('{"unknown": 1}')
    assert read_record(instance) is None


@pytest.mark.parametrize(
    "name", ["a", "cell", "ten-chars1", "a-very-long-instance-1", "a-very-long-instance-2"]
)
def test_interface_names_fit_the_kernel(name: str) -> None:
    cable = Cable.of(Instance(name))
    assert len(cable.master) <= 15
    assert len(cable.segment) <= 15
    assert cable.master != cable.segment


def test_long_names_that_begin_alike_have_cables_of_their_own() -> None:
    first, second = (Cable.of(Instance(f"a-very-long-instance-{n}")) for n in (1, 2))
    assert first.master != second.master
