"""No reader ever sees a record that was never written, whatever happens to the writer."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import time

import pytest

from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import DataStore, TornRecordError

# Writes records whose every word is the same number, as fast as it can, until it is killed.
_WRITER = """
import sys
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import DataStore
from fieldstack_base.instance import Instance
store = DataStore.attach(Instance(sys.argv[1]))
record = ffi.new("fs_rt_status *")
words = ffi.cast("uint64_t *", record)
count = ffi.sizeof("fs_rt_status") // 8
block = ffi.new("uint64_t[]", count)
number = 0
print("writing", flush=True)
while True:
    number += 1
    for i in range(0, count, 64):
        words[i] = number
    ffi.memmove(block, ffi.new("uint64_t[]", [number] * count), count * 8)
    for _ in range(50):
        lib.fs_block_write(store.raw, lib.FS_BLOCK_RT_STATUS, block)
"""


def _start_writer(store: DataStore) -> subprocess.Popen[bytes]:
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, store.instance.name], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"writing\n"
    return writer


def _is_whole(record: object) -> bool:
    size = ffi.sizeof("fs_rt_status")
    data = bytes(ffi.buffer(record, size))
    return bool(data == data[:8] * (size // 8))


def test_a_writer_killed_anywhere_leaves_whole_records_or_an_error(store: DataStore) -> None:
    pauses = random.Random(4711)
    torn = 0
    for _ in range(25):
        writer = _start_writer(store)
        try:
            until = time.monotonic() + pauses.uniform(0.005, 0.03)
            while time.monotonic() < until:
                with contextlib.suppress(TornRecordError):  # a machine may hold a writer up inside a write
                    assert _is_whole(store.rt_status())
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            if writer.stdout:
                writer.stdout.close()
        try:
            assert _is_whole(store.rt_status())
        except TornRecordError:
            torn += 1  # killed inside a write: reported, and mended by the next writer
    assert torn < 25


def test_a_torn_record_is_reported_with_its_writer_not_waited_for(store: DataStore) -> None:
    store.raw.header.rt_pid = 4242
    lib.fs_block_tear(store.raw, lib.FS_BLOCK_RT_STATUS)
    began = time.monotonic()
    with pytest.raises(TornRecordError, match="4242") as caught:
        store.rt_status()
    assert time.monotonic() - began < 2.0
    assert (caught.value.block, caught.value.writer) == ("rt_status", "RT")


def test_the_next_write_mends_a_torn_record(store: DataStore) -> None:
    lib.fs_block_tear(store.raw, lib.FS_BLOCK_NONRT_STATUS)
    record = store.new("fs_nonrt_status")
    record.pid = 77
    store.write_nonrt_status(record)
    assert store.nonrt_status().pid == 77
