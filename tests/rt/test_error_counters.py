"""Port error counters over wraps, resets and slaves that do not answer."""

from __future__ import annotations

from fieldstack_rt.error_counters import BLOCK_BYTES, ROUND_NS, ErrorCounters


class Registers:
    """One slave's registers 0x0300..0x0313 as the master sees them."""

    def __init__(self) -> None:
        self.data: bytearray | None = bytearray(BLOCK_BYTES)

    def read_register(self, position: int, address: int, size: int) -> bytes | None:
        assert (position, address, size) == (0, 0x300, BLOCK_BYTES)
        return None if self.data is None else bytes(self.data)

    def write_register(self, position: int, address: int, data: bytes) -> bool:
        assert (position, data) == (0, b"\0")
        assert self.data is not None
        places = range(12) if address == 0x300 else range(0x10, 0x14)
        for place in places:
            self.data[place] = 0
        return True


def _reader(registers: Registers) -> tuple[ErrorCounters, list[int]]:
    return ErrorCounters(registers, 1), [0]


def _read(counters: ErrorCounters, clock: list[int]) -> tuple[int, int]:
    clock[0] += ROUND_NS
    counters.run(clock[0])
    return counters.totals[0].rx_errors, counters.totals[0].lost_links


def test_only_what_comes_after_the_first_read_counts() -> None:
    registers = Registers()
    counters, clock = _reader(registers)
    assert registers.data is not None
    registers.data[0] = 7
    assert _read(counters, clock) == (0, 0)
    registers.data[0], registers.data[3], registers.data[0x11] = 9, 1, 2
    assert _read(counters, clock) == (3, 2)


def test_counters_are_cleared_before_they_stop_and_the_sum_goes_on() -> None:
    registers = Registers()
    counters, clock = _reader(registers)
    _read(counters, clock)
    total = 0
    for _ in range(10):
        assert registers.data is not None
        registers.data[1] = min(255, registers.data[1] + 50)
        total += 50
        assert _read(counters, clock) == (total, 0)


def test_a_slave_that_was_without_power_begins_anew() -> None:
    registers = Registers()
    counters, clock = _reader(registers)
    _read(counters, clock)
    assert registers.data is not None
    registers.data[0] = 20
    assert _read(counters, clock) == (20, 0)
    registers.data = None
    assert _read(counters, clock) == (20, 0)
    registers.data = bytearray(BLOCK_BYTES)
    registers.data[0] = 3
    assert _read(counters, clock) == (23, 0)


def test_it_reads_at_a_low_rate() -> None:
    registers = Registers()
    counters, clock = _reader(registers)
    _read(counters, clock)
    assert registers.data is not None
    registers.data[0] = 1
    assert not counters.run(clock[0] + ROUND_NS // 2)
    assert counters.run(clock[0] + ROUND_NS)
