"""Single words of the store: atomics that one side writes and all may read."""

from __future__ import annotations

import os
from typing import Any

from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore.layout import AgentReaction, Inject, RtPhase

_NONRT_WORDS = frozenset(
    [
        "motion_permit",
        "nonrt_stopping",
        "speed_override",
        "axes_blocked",
        "agent_slow_ns",
        "agent_timeout_ns",
        "agent_grace_ns",
        "agent_go_on_ns",
        "agent_hold_at_most_ns",
        "agent_on_silent",
        "agent_on_dead",
    ]
)

NO_MORE = 0x5C41D5E8B7263AF1
"""As a time of a beat: its process goes down, and owes no more of them. Nothing that stray data may be."""


class StoreWords:
    """The words of `fs_store` as properties; `raw` is the whole memory as a cffi `fs_store *`."""

    raw: Any
    _addresses: dict[str, Any]
    _kept: dict[str, tuple[bool, int]]
    """Of the Non-RT process's words, those that were written here: whether of 64 bits, and the value."""

    def _address(self, name: str) -> Any:
        """Remembered: some words are read many times in a pass."""
        found = self._addresses.get(name)
        if found is None:
            found = self._addresses[name] = ffi.addressof(self.raw, name)
        return found

    def _word64(self, name: str) -> int:
        return int(lib.fs_load64(self._address(name)))

    def _word32(self, name: str) -> int:
        return int(lib.fs_load32(self._address(name)))

    def _set64(self, name: str, value: int) -> None:
        lib.fs_set64(self._address(name), value)
        if name in _NONRT_WORDS:
            self._kept[name] = (True, value)

    def _set32(self, name: str, value: int) -> None:
        lib.fs_set32(self._address(name), value)
        if name in _NONRT_WORDS:
            self._kept[name] = (False, value)

    def rewrite_damaged_words(self) -> tuple[str, ...]:
        """For the Non-RT process, each pass: its words that are not as it wrote them are written anew, and
        the two places of the latch say the same again.

        Returns their names: nobody else writes them, so that the memory is damaged.
        """
        kept = self._kept.items()
        damaged = [name for name, (wide, value) in kept if value != self._word(name, wide)]
        for name in damaged:
            wide, value = self._kept[name]
            (self._set64 if wide else self._set32)(name, value)
        latch = lib.fs_estop_mend(self.raw, os.getpid(), lib.fs_now_ns())
        return (*damaged, "estop") if latch else tuple(damaged)

    def _word(self, name: str, wide: bool) -> int:
        return self._word64(name) if wide else self._word32(name)

    # ---- RT ----

    @property
    def rt_pid(self) -> int:
        """Pid of the RT process that attached last; 0: never one."""
        return int(self.raw.header.rt_pid)

    @property
    def rt_epoch(self) -> int:
        return self._word64("rt_epoch")

    @property
    def rt_beat(self) -> int:
        """Completed exchanges since the memory was made."""
        return self._word64("rt_beat")

    @property
    def rt_beats(self) -> int:
        """With those in which nothing was exchanged: what shows that the cycle thread lives."""
        return int(lib.fs_bus_beats(self.raw))

    @property
    def rt_beat_ns(self) -> int:
        return self._word64("rt_beat_ns")

    @property
    def rt_orderly_end(self) -> int:
        """Epoch of the last RT process that ended as it should, as it said itself."""
        return self._word64("rt_orderly_end")

    @rt_orderly_end.setter
    def rt_orderly_end(self, epoch: int) -> None:
        self._set64("rt_orderly_end", epoch)

    @property
    def rt_phase(self) -> RtPhase:
        """ABSENT also for a value that no RT process writes: damaged memory."""
        value = self._word32("rt_phase")
        return RtPhase(value) if value <= RtPhase.STOPPED else RtPhase.ABSENT

    def rt_ending(self, epoch: int) -> bool:
        """Whether the RT process of this epoch has announced its orderly end: 64 bits, no stray value."""
        return self._end_is(epoch, lib.FS_END_ANNOUNCED) or self.rt_released(epoch)

    def rt_released(self, epoch: int) -> bool:
        """Whether it has also let go of the bus in order."""
        return self._end_is(epoch, lib.FS_END_RELEASED)

    def _end_is(self, epoch: int, stage: int) -> bool:
        return self._word64("rt_end") == int(lib.fs_end_token(epoch, stage))

    @property
    def rt_main_beat(self) -> int:
        """Housekeeping passes that RT's Python side has completed, over all its starts."""
        return self._word64("rt_main_beat")

    @property
    def rt_main_beat_ns(self) -> int:
        """CLOCK_MONOTONIC of the last of them; 0: this RT keeps no house yet; NO_MORE: it goes down."""
        return self._word64("rt_main_beat_ns")

    def beat_rt_main(self, now_ns: int) -> None:
        """After a completed housekeeping pass; 0 and NO_MORE as `rt_main_beat_ns` tells them."""
        lib.fs_set64(ffi.addressof(self.raw, "rt_main_beat_ns"), now_ns)
        if now_ns not in (0, NO_MORE):
            lib.fs_add64(ffi.addressof(self.raw, "rt_main_beat"), 1)

    # ---- Non-RT ----

    @property
    def nonrt_beat(self) -> int:
        return self._word64("nonrt_beat")

    def beat_nonrt(self) -> None:
        """After a completed supervision pass, and at no other time."""
        lib.fs_add64(ffi.addressof(self.raw, "nonrt_beat"), 1)

    def begin_nonrt_epoch(self) -> int:
        return int(lib.fs_add64(ffi.addressof(self.raw, "nonrt_epoch"), 1))

    @property
    def nonrt_epoch(self) -> int:
        return self._word64("nonrt_epoch")

    @property
    def nonrt_stopping(self) -> bool:
        """The Non-RT process goes down by request."""
        return self._word32("nonrt_stopping") == 1

    @nonrt_stopping.setter
    def nonrt_stopping(self, stopping: bool) -> None:
        self._set32("nonrt_stopping", int(stopping))

    @property
    def core_beat(self) -> int:
        return self._word64("core_beat")

    def beat_core(self) -> None:
        lib.fs_add64(ffi.addressof(self.raw, "core_beat"), 1)

    @property
    def hold_to_run_ns(self) -> int:
        """Until then (CLOCK_MONOTONIC) axes that a person has to hold follow their setpoints."""
        return self._word64("hold_to_run_ns")

    @hold_to_run_ns.setter
    def hold_to_run_ns(self, until_ns: int) -> None:
        self._set64("hold_to_run_ns", until_ns)

    @property
    def motion_permit(self) -> bool:
        """Whether the axes may move, as far as the Non-RT process is concerned."""
        return self._word32("motion_permit") == 1

    @motion_permit.setter
    def motion_permit(self, permit: bool) -> None:
        self._set32("motion_permit", int(permit))

    @property
    def reset_count(self) -> int:
        """Of people, so far; while that is damaged, as it was known last."""
        self._resets = int(lib.fs_reset_count(self.raw, self._resets))
        return self._resets

    _resets = 0

    def request_fault_reset(self) -> None:
        """Asks the cycle for one fault reset of all axes that are in fault."""
        lib.fs_reset_ask(self.raw)

    def inject(self, fault: Inject) -> None:
        """Asks an RT process started with --fault-injection for a real fault."""
        self._set32("rt_inject", fault)

    @property
    def speed_override(self) -> int:
        """Per mille of full speed that the Core is asked for; in effect: `core_status().speed_override`."""
        return self._word32("speed_override")

    @speed_override.setter
    def speed_override(self, per_mille: int) -> None:
        self._set32("speed_override", per_mille)

    @property
    def axes_blocked(self) -> int:
        """Mask of axes that must stand, each with its whole group (bit n: axis n)."""
        return self._word64("axes_blocked")

    @axes_blocked.setter
    def axes_blocked(self, mask: int) -> None:
        self._set64("axes_blocked", mask)

    # ---- RT's HA agent: 0 leaves RT its own default (its command line) ----

    @property
    def agent_slow_ns(self) -> int:
        """Without a beat for so long, the Non-RT process is slow."""
        return self._word64("agent_slow_ns")

    @agent_slow_ns.setter
    def agent_slow_ns(self, ns: int) -> None:
        self._set64("agent_slow_ns", ns)

    @property
    def agent_timeout_ns(self) -> int:
        """Without a beat for so long, the Non-RT process is silent."""
        return self._word64("agent_timeout_ns")

    @agent_timeout_ns.setter
    def agent_timeout_ns(self, ns: int) -> None:
        self._set64("agent_timeout_ns", ns)

    @property
    def agent_grace_ns(self) -> int:
        """For so long after RT's start, a Non-RT process that was never seen is no failure."""
        return self._word64("agent_grace_ns")

    @agent_grace_ns.setter
    def agent_grace_ns(self, ns: int) -> None:
        self._set64("agent_grace_ns", ns)

    @property
    def agent_go_on_ns(self) -> int:
        """Motion goes on for so long when the Non-RT process is silent or dead; then comes the reaction."""
        return self._word64("agent_go_on_ns")

    @agent_go_on_ns.setter
    def agent_go_on_ns(self, ns: int) -> None:
        self._set64("agent_go_on_ns", ns)

    @property
    def agent_hold_at_most_ns(self) -> int:
        """Without a beat of the Non-RT process axes are held under power for so long at most."""
        return self._word64("agent_hold_at_most_ns")

    @agent_hold_at_most_ns.setter
    def agent_hold_at_most_ns(self, ns: int) -> None:
        self._set64("agent_hold_at_most_ns", ns)

    @property
    def agent_on_silent(self) -> AgentReaction:
        return self._reaction("agent_on_silent")

    @agent_on_silent.setter
    def agent_on_silent(self, reaction: AgentReaction) -> None:
        self._set32("agent_on_silent", reaction)

    @property
    def agent_on_dead(self) -> AgentReaction:
        return self._reaction("agent_on_dead")

    @agent_on_dead.setter
    def agent_on_dead(self, reaction: AgentReaction) -> None:
        self._set32("agent_on_dead", reaction)

    def _reaction(self, name: str) -> AgentReaction:
        """DEFAULT also for a value that nobody writes: damaged memory."""
        value = self._word32(name)
        return AgentReaction(value) if value <= AgentReaction.HOLD else AgentReaction.DEFAULT
