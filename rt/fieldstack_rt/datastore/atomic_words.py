"""Single words of the store, by who writes them: RT, the Non-RT process, Tasks.

Every process with the store reads them; who writes what is the contract of `layout.h`.
"""

from __future__ import annotations

import os

from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore.layout import AgentReaction, Inject, RtPhase
from fieldstack_rt.datastore.word import ReadWord, ReadWord32, Word, Word32, WordAccess

NO_MORE = 0x5C41D5E8B7263AF1
"""As the time of a beat: the process ends and will not beat again. No damaged word has this value by chance.
"""


def _phase(value: int) -> RtPhase:
    return RtPhase(value) if value <= RtPhase.STOPPED else RtPhase.ABSENT


def _reaction(value: int) -> AgentReaction:
    return AgentReaction(value) if value <= AgentReaction.HOLD else AgentReaction.DEFAULT


def _flag(value: int) -> bool:
    return value == 1


class RtWords(WordAccess):
    """What RT writes."""

    rt_epoch = ReadWord("Starts of RT processes since the memory was made.", int)
    rt_beat = ReadWord("Completed exchanges since the memory was made.", int)
    rt_beat_ns = ReadWord("CLOCK_MONOTONIC of the last of them.", int)
    rt_orderly_end = Word("Epoch of the last RT process that ended as it should, as it said itself.", int)
    rt_phase = ReadWord32("ABSENT also for a value that no RT process writes: damaged memory.", _phase)
    rt_main_beat = ReadWord(
        "Housekeeping passes that RT's Python side has completed, over all its starts.", int
    )
    rt_main_beat_ns = ReadWord(
        "CLOCK_MONOTONIC of the last of them; 0: this RT keeps no house yet; NO_MORE: it goes down.", int
    )

    @property
    def rt_pid(self) -> int:
        """Pid of the RT process that attached last; 0: never one."""
        return int(self.raw.header.rt_pid)

    @property
    def rt_beats(self) -> int:
        """Cycles, with those that exchanged nothing: it shows that the cycle thread lives."""
        return int(lib.fs_bus_beats(self.raw))

    def rt_ending(self, epoch: int) -> bool:
        """Whether the RT process of this epoch has announced its orderly end: 64 bits, no stray value."""
        return self._end_is(epoch, lib.FS_END_ANNOUNCED) or self.rt_released(epoch)

    def rt_released(self, epoch: int) -> bool:
        """Whether it has also released the bus in an orderly way."""
        return self._end_is(epoch, lib.FS_END_RELEASED)

    def _end_is(self, epoch: int, stage: int) -> bool:
        return self.load_word("rt_end") == int(lib.fs_end_token(epoch, stage))

    def beat_rt_main(self, now_ns: int) -> None:
        """After a completed housekeeping pass; 0 and NO_MORE mean what they mean in `rt_main_beat_ns`."""
        lib.fs_set64(ffi.addressof(self.raw, "rt_main_beat_ns"), now_ns)
        if now_ns not in (0, NO_MORE):
            lib.fs_add64(ffi.addressof(self.raw, "rt_main_beat"), 1)


class NonRtWords(WordAccess):
    """What the Non-RT process writes."""

    nonrt_beat = ReadWord("Completed supervision passes.", int)
    nonrt_epoch = ReadWord("Starts of Non-RT processes since the memory was made.", int)
    nonrt_stopping = Word32("The Non-RT process goes down by request.", _flag, kept=True)
    motion_permit = Word32(
        "Whether the axes may move, as far as the Non-RT process is concerned.", _flag, kept=True
    )
    speed_override = Word32(
        "Per mille of full speed that Tasks is asked for; in effect: `core_status().speed_override`.",
        int,
        kept=True,
    )
    axes_blocked = Word(
        "Mask of axes that must stand, each with its whole group (bit n: axis n).", int, kept=True
    )

    _resets = 0

    def beat_nonrt(self) -> None:
        """After a completed supervision pass, and at no other time."""
        lib.fs_add64(ffi.addressof(self.raw, "nonrt_beat"), 1)

    def begin_nonrt_epoch(self) -> int:
        """For a Non-RT process that starts; its epoch."""
        return int(lib.fs_add64(ffi.addressof(self.raw, "nonrt_epoch"), 1))

    @property
    def reset_count(self) -> int:
        """The number of resets by people so far; while the word is damaged, its last known value."""
        self._resets = int(lib.fs_reset_count(self.raw, self._resets))
        return self._resets

    def request_fault_reset(self) -> None:
        """Asks the cycle for one fault reset of all axes that are in fault."""
        lib.fs_reset_ask(self.raw)

    def inject(self, fault: Inject) -> None:
        """Asks an RT process started with --fault-injection for a real fault."""
        self.set_word("rt_inject", fault, wide=False)

    def rewrite_damaged_words(self) -> tuple[str, ...]:
        """For the Non-RT process, in each pass: writes its words again that have changed, and makes both
        places of the latch equal.

        Returns the names of these words. Only Non-RT writes them, so a change means damage.
        """
        kept = self._kept.items()
        damaged = [name for name, (wide, value) in kept if value != self.load_word(name, wide)]
        for name in damaged:
            wide, value = self._kept[name]
            self.set_word(name, value, wide)
        latch = lib.fs_estop_mend(self.raw, os.getpid(), lib.fs_now_ns())
        return (*damaged, "estop") if latch else tuple(damaged)


class AgentWords(WordAccess):
    """The settings that the Non-RT process gives to RT's agent; 0: RT's own default (its command line)."""

    agent_slow_ns = Word("Without a beat for so long, the Non-RT process is slow.", int, kept=True)
    agent_timeout_ns = Word("Without a beat for so long, the Non-RT process is silent.", int, kept=True)
    agent_grace_ns = Word(
        "For so long after RT's start, a Non-RT process that was never seen is no failure.", int, kept=True
    )
    agent_go_on_ns = Word(
        "Motion goes on for so long when the Non-RT process is silent or dead; then comes the reaction.",
        int,
        kept=True,
    )
    agent_hold_at_most_ns = Word(
        "Without a beat of the Non-RT process axes are held under power for so long at most.", int, kept=True
    )
    agent_on_silent = Word32("The reaction; DEFAULT also for damaged memory.", _reaction, kept=True)
    agent_on_dead = Word32("Likewise.", _reaction, kept=True)


class TasksWords(WordAccess):
    """What Tasks writes."""

    core_beat = ReadWord("Completed passes of Tasks.", int)
    hold_to_run_ns = Word(
        "Until then (CLOCK_MONOTONIC) axes that a person has to hold follow their setpoints.", int
    )

    def beat_core(self) -> None:
        """After a completed pass, and at no other time."""
        lib.fs_add64(ffi.addressof(self.raw, "core_beat"), 1)


class StoreWords(RtWords, NonRtWords, AgentWords, TasksWords):
    """All words of one cell's shared memory."""
