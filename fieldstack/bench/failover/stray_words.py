"""Single words of the shared memory, and values that a stray write may leave in them.

`run` writes them for the fault `stray-word`. The list has all words that guard, agent, cycle and Non-RT's
watch depend on. It has neither latch nor permit, because those stop axes by design.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import DataStore

_MAX32, _MAX64 = 2**32 - 1, 2**64 - 1
_COUNTS = (0, 1, 12345, 2**40, _MAX64)
_PIDS = (0, 1, 12345, _MAX32)
_SMALL = (0, 1, 2, 3, 4, 9, 2**31, _MAX32)
_LOCKS = (0, 1, 0x40000000, 0x80000000, 0xC0000000, 0xA5A5A5A5, _MAX32)
"""Among the values are the kernel's marks: FUTEX_OWNER_DIED, FUTEX_WAITERS, and both."""
WORDS: dict[str, tuple[int, ...]] = {
    "rt_lock.word": _LOCKS,
    "nonrt_lock.word": tuple(value for value in _LOCKS if value != 0xC0000000),
    "rt_phase": _SMALL,
    "rt_epoch": _COUNTS,
    "rt_beat": _COUNTS,
    "rt_idle_beat": _COUNTS,
    "rt_beat_ns": _COUNTS,
    "rt_claim": _PIDS,
    "rt_claim_check": _PIDS,
    "rt_tid": _PIDS,
    "rt_end": _COUNTS,
    "guard_end": _COUNTS,
    "rt_orderly_end": _COUNTS,
    "rt_main_beat_ns": _COUNTS,
    "reset_count": _PIDS,
    "reset_check": _PIDS,
    "bus_command.sequence": _COUNTS,
    "agent_hold_at_most_ns": _COUNTS,
    "header.rt_pid": _PIDS,
    "header.owner_pid": _PIDS,
    "nonrt_stopping": _SMALL,
    "nonrt_beat": _COUNTS,
    "nonrt_epoch": _COUNTS,
    "core_beat": _COUNTS,
    "rt_status_seq": (1, _MAX64),
    "rt_status.epoch": _COUNTS,
    "rt_status.cycle": _COUNTS,
    "rt_status.estop_seen": _COUNTS,
    "rt_bus_seq": (1, _MAX64),
    "rt_bus.read_ns": _COUNTS,
    "guard_plan_seq": (1, _MAX64),
    "guard_plan.epoch": _COUNTS,
    "guard_plan.rt_pid": _PIDS,
    "guard_plan.rt_tid": _PIDS,
    "guard_plan.checksum": _PIDS,
    "guard_status_seq": (1, _MAX64),
    "guard_status.state": _SMALL,
    "guard_status.trips": _COUNTS,
    "guard_status.armed_epoch": _COUNTS,
    "guard_status.trip_epoch": _COUNTS,
    "guard_status.fenced_ns": _COUNTS,
}


@dataclass(frozen=True, slots=True)
class StrayWrite:
    """One word and what is written to it."""

    word: str
    value: int

    def __str__(self) -> str:
        return f"{self.word} = {self.value:#x}"

    @property
    def of_guard(self) -> bool:
        return self.word.startswith("guard_status")

    def write(self, store: DataStore) -> None:
        at: Any = ffi.addressof(store.raw, *self.word.split("."))
        at[0] = self.value


def all_stray_writes() -> list[StrayWrite]:
    return [StrayWrite(word, value) for word, values in WORDS.items() for value in values]


def random_stray_write(source: random.Random) -> StrayWrite:
    word = source.choice(list(WORDS))
    return StrayWrite(word, source.choice(WORDS[word]))
