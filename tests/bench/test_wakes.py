"""Windows of time, slices of load, and cyclictest's output."""

from __future__ import annotations

import itertools
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldstack.bench.cycle import cyclictest
from fieldstack.bench.cycle.cyclictest import Cyclictest, values, wakes
from fieldstack.bench.harness.errors import ProgramError
from fieldstack.bench.harness.wakes import Wake, Window, in_slices, inside
from fieldstack_rt.loads import loaded

MS = 1_000_000


@given(st.integers(0, 10**7), st.integers(1, 10**7), st.integers(1, 10**6), st.integers(0, 10**5))
def test_slices_lie_in_the_window_and_agree_with_the_load(
    begin: int, length: int, slice_ns: int, margin: int
) -> None:
    window = Window(begin, begin + min(length, 50 * slice_ns))
    for odd in (False, True):
        for part in in_slices(window, slice_ns, margin, odd=odd):
            assert window.begin_ns <= part.begin_ns < part.end_ns <= window.end_ns
            assert loaded(part.begin_ns, slice_ns) is odd
            assert loaded(part.end_ns - 1, slice_ns) is odd


def test_without_slices_there_is_always_load() -> None:
    assert loaded(0, 0)
    assert loaded(123456789, 0)


def test_wakes_are_sorted_into_windows() -> None:
    taken = [Wake(due, 1) for due in range(0, 100, 10)]
    found = inside(taken, [Window(15, 35), Window(90, 91)])
    assert [wake.due_ns for wake in found] == [20, 30, 90]


def test_raw_values_of_cyclictest_are_read_past_its_other_lines() -> None:
    output = (
        "# /dev/cpu_dma_latency set to 0us",
        "Thread 0 Interval: 1000",
        "    0:    0:   34853",
        "0: 1: 9",
    )
    assert list(values(line.encode() + b"\n" for line in output)) == [34853, 9]


def test_a_gap_in_its_output_is_an_error() -> None:
    with pytest.raises(ProgramError, match="value 1 is missing"):
        list(values([b"0: 0: 5\n", b"0: 2: 5\n"]))


def test_after_a_late_wake_up_cyclictest_goes_on_with_the_next_that_lies_ahead() -> None:
    found = list(wakes([5, 2 * MS + 7, 3], first_due_ns=100, period_ns=MS))
    assert found == [Wake(100, 5), Wake(100 + MS, 2 * MS + 7), Wake(100 + 4 * MS, 3)]


def test_a_real_cyclictest_tells_each_wake_up(tmp_path: Path) -> None:
    if shutil.which("cyclictest") is None:
        pytest.skip("cyclictest is not installed: sudo apt-get install rt-tests")
    command = cyclictest.command(cpu=0, priority=0, period_ns=MS, phase_ns=MS // 2, other_cpu=0)
    running = Cyclictest(command, period_ns=MS, phase_ns=MS // 2, output=tmp_path / "out").start()
    time.sleep(0.3)
    found = running.stop()
    assert found
    assert all(wake.due_ns % MS == MS // 2 for wake in found)
    assert all(later.due_ns > wake.due_ns for wake, later in itertools.pairwise(found))
