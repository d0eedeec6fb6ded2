"""Which faulty cycles the machine caused."""

from __future__ import annotations

from fieldstack.bench.cycle.attribution import Cause, StealRise, count, explain, stalls
from fieldstack.bench.harness.machine import steal_us, taken
from fieldstack.bench.harness.samples import CycleSample
from fieldstack.bench.harness.wakes import Wake
from fieldstack_rt.datastore.layout import SampleFlag

MS = 1_000_000


def sample(due_ms: float, *, wake_ns: int = 0, flags: int = SampleFlag.LOST) -> CycleSample:
    return CycleSample(1, int(due_ms * MS), wake_ns, 500_000, -1, flags)


def test_only_late_witnesses_are_stalls() -> None:
    found = stalls(0, [Wake(0, 20_000), Wake(MS, 2 * MS)])
    assert [(stall.begin_ns, stall.end_ns) for stall in found] == [(MS, 3 * MS)]


def test_a_fault_during_a_stall_is_the_machines() -> None:
    seen = stalls(0, [Wake(10 * MS, 2 * MS)])
    (fault,) = explain([sample(11)], seen, [])
    assert fault.cause is Cause.STALL
    assert fault.kinds == ("lost",)
    assert "CPU 0" in fault.detail


def test_a_long_stall_before_a_short_one_is_found() -> None:
    seen = stalls(0, [Wake(0, 100 * MS)]) + stalls(1, [Wake(20 * MS, 200_000)])
    (fault,) = explain([sample(50)], seen, [])
    assert fault.cause is Cause.STALL


def test_a_fault_far_from_any_stall_is_not_excused() -> None:
    seen = stalls(0, [Wake(10 * MS, 2 * MS)])
    assert [fault.cause for fault in explain([sample(5), sample(20)], seen, [])] == [Cause.UNEXPLAINED] * 2


def test_steal_is_told_apart_and_good_cycles_are_no_faults() -> None:
    steals = [StealRise(1, 0, 100 * MS, 10_000)]
    good = sample(30, flags=SampleFlag.OP)
    late = sample(30, wake_ns=2 * MS, flags=SampleFlag.LATE)
    found = explain([good, late, sample(500)], [], steals)
    assert [fault.cause for fault in found] == [Cause.STEAL, Cause.UNEXPLAINED]
    assert count(found) == {str(Cause.STALL): 0, str(Cause.STEAL): 1, str(Cause.UNEXPLAINED): 1}


def test_steal_is_read_from_proc_stat() -> None:
    text = "cpu  1 2 3 4 5 6 7 30 0 0\ncpu0 1 2 3 4 5 6 7 10 0 0\ncpu1 1 2 3 4 5 6 7 20 0 0\nintr 5\n"
    assert {cpu: us // 10_000 for cpu, us in steal_us(text).items()} == {0: 10, 1: 20}
    assert taken({0: 5}, {0: 7, 1: 3}) == {0: 2, 1: 3}
