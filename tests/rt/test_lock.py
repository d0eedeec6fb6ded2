"""The locks in shared memory under damage: nobody hangs or aborts, and nothing is told that is not so."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from fieldstack_rt._native import lib
from fieldstack_rt.cycle import BusTakenError, CycleThread
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import GuardState, TripCause
from fieldstack_rt.guard import Guard, GuardConfig
from tests.rt.rt_cell import wait_for
from tests.rt.rt_without_bus import RtWithoutBus, rt_without_bus

WAITERS, OWNER_DIED, TID = 0x80000000, 0x40000000, 0x3FFFFFFF
MARK = WAITERS | OWNER_DIED
WORDS = (0, 1, OWNER_DIED, WAITERS, MARK, 0xFFFFFFFF, 0xA5A5A5A5)
FENCE_NS = 5_000_000
BUSY_NS = 100_000_000
"""How much longer a busy machine may take until a killed process is gone."""


@pytest.fixture
def guard(store: DataStore) -> Iterator[Guard]:
    """It bears with silence for longer than a busy machine makes a thread without priority wait."""
    made = Guard(store, GuardConfig(priority=0, threshold_cycles=200)).start()
    yield made
    made.stop()


def armed(guard: Guard) -> None:
    wait_for(lambda: guard.status().state == GuardState.ARMED, "the guard is armed")


class Damage:
    """Strays into one word all the time, from a thread of its own."""

    def __init__(self, store: DataStore, seed: int) -> None:
        self._lock, self._random = store.raw.rt_lock, random.Random(seed)
        self._over = threading.Event()
        self._values = (*WORDS, OWNER_DIED | os.getpid(), WAITERS | os.getpid(), os.getpid())

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            if self._random.random() < 0.5:
                self._lock.word = self._random.choice(self._values)
            else:
                self._lock.word = self._random.getrandbits(32)
            time.sleep(self._random.choice((0.0, 0.0, 0.0002)))


def never_fenced_alive(guard: Guard, rt: RtWithoutBus) -> None:
    """Until its fence is told; and then the process has ended."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        status = guard.status()
        if status.trip_epoch == rt.epoch and status.fenced_ns:
            assert not rt.lives()
            return
    raise AssertionError("the fence did not come about")


@pytest.mark.system
@pytest.mark.parametrize("seed", range(6))
def test_a_lock_under_damage_while_its_holder_lives_and_dies(
    store: DataStore, guard: Guard, seed: int
) -> None:
    with rt_without_bus(store) as rt:
        armed(guard)
        with Damage(store, seed).going_on():
            beats = store.rt_beats
            wait_for(lambda: store.rt_beats > beats + 100, "it goes on")
            assert (guard.status().state, guard.status().trips) == (GuardState.ARMED, 0)
            os.kill(rt.pid, signal.SIGKILL)
            never_fenced_alive(guard, rt)
        status = guard.status()
        assert (status.trips, status.cause) == (1, TripCause.DEAD)
        assert status.safe_frame_ns < status.fenced_ns
    with rt_without_bus(store):  # the lock is as good as new
        armed(guard)


@pytest.mark.system
@pytest.mark.parametrize("seed", range(3))
def test_a_lock_under_damage_while_its_holder_ends_in_order(
    store: DataStore, guard: Guard, seed: int
) -> None:
    with rt_without_bus(store) as rt:
        armed(guard)
        with Damage(store, seed).going_on():
            rt.tell("end")
            assert rt.process.wait(5) == 0
        wait_for(lambda: guard.status().state == GuardState.IDLE, "the guard idles")
        assert guard.status().trips == 0
    with rt_without_bus(store):
        armed(guard)


@pytest.mark.system
@pytest.mark.parametrize("word", [*WORDS, OWNER_DIED | 0x1234, "owner died"])
def test_one_stray_word_in_the_lock_ends_no_living_holder(
    store: DataStore, guard: Guard, word: int | str
) -> None:
    with rt_without_bus(store) as rt:
        armed(guard)
        held = int(store.raw.rt_lock.word)
        store.raw.rt_lock.word = held | OWNER_DIED if isinstance(word, str) else word
        wait_for(lambda: store.raw.rt_lock.word == held, "its holder has written it again")
        looks = guard.status().observations
        wait_for(lambda: guard.status().observations > looks + 20, "the guard goes on to look")
        assert (guard.status().state, guard.status().trips) == (GuardState.ARMED, 0)
        os.kill(rt.pid, signal.SIGKILL)
        never_fenced_alive(guard, rt)


@pytest.mark.system
def test_safe_frames_come_at_once_and_the_fence_when_the_process_is_gone(
    store: DataStore, guard: Guard
) -> None:
    """The bound of the fence is met by the best of some runs; a busy machine has the others."""
    found = []
    for _ in range(4):
        with rt_without_bus(store) as rt:
            armed(guard)
            os.kill(rt.pid, signal.SIGKILL)
            never_fenced_alive(guard, rt)
            status = guard.status()
            found.append(int(status.fenced_ns - status.detected_ns))
            assert status.detected_ns <= status.safe_frame_ns < status.fenced_ns
    assert min(found) < FENCE_NS
    assert max(found) < FENCE_NS + BUSY_NS


@pytest.mark.system
def test_a_lock_that_another_was_left_in_is_tidied_by_the_guard(store: DataStore, guard: Guard) -> None:
    """A living thread's TID in it while nobody has the bus: nobody could ever take it."""
    store.raw.rt_lock.word = os.getpid()
    with rt_without_bus(store):
        armed(guard)


def test_the_mark_of_nonrts_life_is_not_left_to_garbage(store: DataStore) -> None:
    """A living thread's TID in it, left by damage: RT would never be told of Non-RT's death."""
    stray = store.raw.nonrt_lock.word = os.getpid()
    guard = Guard(store, GuardConfig(priority=0)).start()
    try:
        wait_for(lambda: store.raw.nonrt_lock.word not in (0, stray), "the guard has it")
    finally:
        guard.stop()
    assert store.raw.nonrt_lock.word == 0


@pytest.mark.system
def test_a_second_holder_is_refused_though_the_lock_reads_as_free(store: DataStore) -> None:
    with rt_without_bus(store) as first:
        stop = threading.Event()

        def zero() -> None:
            while not stop.is_set():
                store.raw.rt_lock.word = 0

        stray = threading.Thread(target=zero)
        stray.start()
        try:
            with pytest.raises(BusTakenError):
                CycleThread(store, cpu=-1, priority=0).start(100_000_000)
        finally:
            stop.set()
            stray.join()
        assert first.lives()
        assert store.rt_epoch == 1


@pytest.mark.system
@pytest.mark.parametrize("epoch", [0, 2**64 - 1, 2**50])
def test_a_start_has_an_epoch_of_its_own_whatever_the_word_says(store: DataStore, epoch: int) -> None:
    with rt_without_bus(store):
        pass
    store.raw.rt_epoch = epoch
    with rt_without_bus(store):
        assert store.rt_epoch == 2


@pytest.mark.system
def test_the_mark_is_the_kernels_and_no_other(store: DataStore) -> None:
    with rt_without_bus(store) as rt:
        os.kill(rt.pid, signal.SIGKILL)
        wait_for(lambda: lib.fs_lock_died(store.raw.rt_lock.word), "the kernel marks the lock")
    assert store.raw.rt_lock.word == MARK
